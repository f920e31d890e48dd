/**
 * What is asked of a daemon while it is tortured, and what must be true after.
 */

import type { Answer, Request } from "./api.ts";
import { createBody, type Kind, type Manifests, type Spec } from "./guests.ts";
import type { Host } from "./host.ts";
import { ANY, excuse, type Excuses, type Model } from "./model.ts";

export const OPERATIONS = [
  "create",
  "create-only",
  "start",
  "stop",
  "kill",
  "restart",
  "delete",
  "install",
  "remove",
  "backup",
  "nothing",
] as const;

export type OperationName = typeof OPERATIONS[number];

export interface Operation {
  readonly name: OperationName;
  /** A VM, or the plugin to be installed or removed; of no meaning to a backup. */
  readonly target: string;
  /** Of a VM that is created. */
  readonly spec?: Spec;
}

/** What nobody waits for any longer is done within this time. */
const OPEN_MS = 10_000;

/** Codes that say no more than that it did not end well. */
const UNDECIDED = [
  "daemon-unavailable",
  "timed-out",
  "boot-failed",
  "disk-full",
  "disk-read-only",
  "disk-failed",
  "bug",
];

export function perform(
  host: Host,
  manifests: Manifests,
  { name, target, spec }: Operation,
  signal: AbortSignal,
): Promise<Answer> {
  const ask = (path: string, request: Request) =>
    host.call(path, { ...request, signal });
  const vm = `/vms/${target}`;
  const post = { method: "POST", body: {} };
  switch (name) {
    case "create":
    case "create-only": {
      if (spec === undefined) throw new Error(`${target} is created of what?`);
      const body = createBody(target, spec, manifests);
      const start = name === "create";
      return ask("/vms", { method: "POST", body: { ...body, start } });
    }
    case "start":
      return ask(`${vm}/start`, post);
    case "stop":
      return ask(`${vm}/stop?grace=2`, post);
    case "kill":
      return ask(`${vm}/stop?kill=true`, post);
    case "restart":
      return ask(`${vm}/restart?grace=2`, post);
    case "delete":
      return ask(`${vm}?force=true`, { method: "DELETE" });
    case "install":
      return ask("/plugins", {
        method: "POST",
        body: manifests[target as Kind],
      });
    case "remove":
      return ask(`/plugins/${target}`, { method: "DELETE" });
    case "backup":
      return ask("/backup", {});
    case "nothing":
      return Promise.resolve({ kind: "ok", body: undefined });
  }
}

/** Before it is asked: from now on it may have happened. */
export function begin(model: Model, { name, target, spec }: Operation): void {
  if (name === "backup" || name === "nothing") return;
  if (name === "install" || name === "remove") {
    model.plugins.set(target, "maybe");
  } else if (spec !== undefined) {
    model.set(target, {
      spec,
      presence: "maybe",
      wanted: "either",
      ...{ mayBePending: true, isDoubtful: true },
    });
  } else if (name === "delete") model.update(target, { presence: "maybe" });
  else model.update(target, { wanted: "either" });
}

/** After it was answered, or not. */
export function finish(
  model: Model,
  { name, target, spec }: Operation,
  answer: Answer,
): void {
  if (name === "install" || name === "remove") {
    if (answer.kind !== "ok") return;
    model.plugins.set(target, name === "install" ? "here" : "gone");
    return;
  }
  if (spec !== undefined) return finishCreate(model, target, name, answer);
  if (answer.kind !== "ok") return;
  if (name === "delete") model.update(target, { presence: "gone" });
  if (name === "start" || name === "restart") {
    model.update(target, {
      ...{ wanted: "running", mayBePending: false },
    });
  }
  if (name === "stop" || name === "kill") {
    model.update(target, { wanted: "stopped", mayBePending: false });
  }
}

function finishCreate(
  model: Model,
  target: string,
  name: OperationName,
  answer: Answer,
): void {
  if (answer.kind === "ok") {
    const { id, ip_address: ip } = answer.body;
    model.update(target, {
      ...{ presence: "here", id, ip, isDoubtful: false },
      wanted: name === "create" ? "running" : "stopped",
      mayBePending: name === "create-only",
    });
  }
  if (answer.kind === "fault" && !UNDECIDED.includes(answer.code)) {
    model.update(target, { presence: "gone" });
  }
}

/** After its client went away: it may be done for a while. */
export function abandon(
  model: Model,
  { name, target }: Operation,
): void {
  const until = performance.now() + OPEN_MS;
  if (name === "install" || name === "remove") {
    model.openPlugins.set(target, until);
  } else if (name !== "backup") model.update(target, { openUntil: until });
}

/** How the machine of its VM may end by it. */
export function excuseOperation(
  excuses: Excuses,
  { name, target }: Operation,
): void {
  const causes: Partial<Record<OperationName, readonly string[]>> = {
    stop: ["stopped"],
    kill: ["killed"],
    delete: ["killed"],
    restart: ["stopped"],
  };
  const found = causes[name];
  if (found !== undefined) excuse(excuses, target, ...found);
}

/** What a daemon that dies in the middle of it may leave of its VM. */
export function excuseInterrupted(
  excuses: Excuses,
  { name, target }: Operation,
): void {
  if (name === "create" || name === "start" || name === "restart") {
    excuse(excuses, target, "start-interrupted", "monitor-lost", "none");
  }
  // The next daemon goes on with it, and asks the guest.
  if (name === "kill") excuse(excuses, target, "stopped");
}

/** Where a disk fails, a machine may fail in many ways. */
export function excuseAny(excuses: Excuses, { target }: Operation): void {
  excuse(excuses, target, ANY);
}
