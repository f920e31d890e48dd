/**
 * What must be true of the VMs and plugins, by what was asked and answered.
 *
 * An operation that was refused or cut off may or may not have happened: then the
 * model takes either, and holds on to what is seen. All else has one truth.
 */

import type { Seen } from "../harness/invariants.ts";
import { restartPolicy, type Spec } from "./guests.ts";

export type Presence = "here" | "gone" | "maybe";

export interface Known {
  readonly name: string;
  readonly spec: Spec;
  readonly presence: Presence;
  /** Once it is known. */
  readonly id?: number;
  readonly ip?: string;
  readonly wanted: "running" | "stopped" | "either";
  /** It was created without a start, or its start may never have begun. */
  readonly mayBePending: boolean;
  /** Its creation was refused or cut off: it may go, unless it has run. */
  readonly isDoubtful: boolean;
  /**
   * Until then (of performance.now) what was asked by a client that went away may
   * still be done.
   */
  readonly openUntil: number;
  /** Files of its machine were removed: it may end because of that, at any time. */
  readonly isMaimed: boolean;
  /** It was seen to have ended although it is wanted. */
  readonly isDown: boolean;
  /** Greatest number its guest is known to have put down. */
  readonly put: number;
  /** How often it has told what it kept. */
  readonly starts: number;
}

/** What a round did, as far as it excuses what is seen after it. */
export interface Excuses {
  /** Causes by which machines may have ended in this round, by VM. */
  readonly causes: Map<string, Set<string>>;
}

/** Any cause will do. */
export const ANY = "any";

export function excuse(
  { causes }: Excuses,
  name: string,
  ...more: readonly string[]
): void {
  causes.set(name, new Set([...causes.get(name) ?? [], ...more]));
}

/** Whether nothing can be said of it now, and nothing should be asked. */
export function isOpen({ openUntil }: Known): boolean {
  return openUntil > performance.now();
}

/** A restart that comes so soon is waited for. */
const SOON_MS = 2000;
/** No pause before a restart is longer. */
const PAUSE_MAX_MS = 60_000;

export class Model {
  readonly vms = new Map<string, Known>();
  readonly plugins = new Map<string, Presence>();
  /** As `openUntil`, of plugins. */
  readonly openPlugins = new Map<string, number>();
  #maxId = 0;

  set(name: string, change: Partial<Known> & Pick<Known, "spec">): void {
    const known = this.vms.get(name);
    this.vms.set(name, {
      name,
      presence: "gone",
      wanted: "either",
      mayBePending: false,
      ...{ isDown: false, isDoubtful: false, isMaimed: false },
      openUntil: 0,
      ...{ put: 0, starts: 0 },
      ...known,
      ...change,
    });
  }

  update(name: string, change: Partial<Known>): void {
    const known = this.vms.get(name);
    if (known !== undefined) this.vms.set(name, { ...known, ...change });
  }

  /** What is seen and cannot be; empty if all is as it must be. */
  judge(
    seen: readonly Seen[],
    plugins: readonly string[],
    excuses: Excuses,
  ): string[] {
    const wrong = seen.filter(({ name }) => !this.vms.has(name))
      .map(({ name }) => `VM ${name} was never asked for`);
    for (const known of this.vms.values()) {
      if (isOpen(known)) continue;
      const vm = seen.find(({ name }) => name === known.name);
      if (vm === undefined) wrong.push(...missing(known, excuses));
      else wrong.push(...this.#judgeOne(known, vm, excuses));
    }
    for (const [name, presence] of this.plugins) {
      if ((this.openPlugins.get(name) ?? 0) > performance.now()) continue;
      const isHere = plugins.includes(name);
      if (presence === "here" && !isHere) wrong.push(`plugin ${name} is lost`);
      if (presence === "gone" && isHere) {
        wrong.push(`plugin ${name} is there, though it was removed`);
      }
    }
    return wrong;
  }

  /** Holds on to what was seen. */
  commit(seen: readonly Seen[], plugins: readonly string[]): void {
    for (const known of [...this.vms.values()]) {
      const vm = seen.find(({ name }) => name === known.name);
      if (vm === undefined) {
        if (!isOpen(known)) this.vms.delete(known.name);
        continue;
      }
      this.#maxId = Math.max(this.#maxId, vm.id);
      this.update(known.name, {
        presence: "here",
        id: vm.id,
        ip: vm.ip_address,
        ...(vm.wanted === "running" || vm.wanted === "stopped"
          ? { wanted: vm.wanted }
          : {}),
        mayBePending: vm.status === "pending",
        isDown: vm.status !== "running",
        ...(vm.status === "running"
          ? { isDoubtful: false }
          : vm.status === "starting"
          ? {}
          : { isMaimed: false }),
      });
    }
    for (const name of this.plugins.keys()) {
      this.plugins.set(name, plugins.includes(name) ? "here" : "gone");
    }
  }

  #judgeOne(known: Known, vm: Seen, excuses: Excuses): string[] {
    const { name, presence, id, ip, wanted } = known;
    const wrong: string[] = [];
    if (presence === "gone") wrong.push(`VM ${name} is there, though deleted`);
    if (id !== undefined && id !== vm.id) {
      wrong.push(`VM ${name} had id ${id}, and has ${vm.id}`);
    }
    if (id === undefined && vm.id <= this.#maxId) {
      wrong.push(`id ${vm.id} of VM ${name} was another's: ${this.#maxId}`);
    }
    if (ip !== undefined && ip !== vm.ip_address) {
      wrong.push(`VM ${name} had ${ip}, and has ${vm.ip_address}`);
    }
    if (
      vm.wanted !== undefined && wanted !== "either" && vm.wanted !== wanted
    ) {
      wrong.push(`VM ${name} was asked to be ${wanted}, wanted: ${vm.wanted}`);
    }
    return [...wrong, ...judgeStatus(known, vm, excuses)];
  }
}

function missing(
  { name, presence, spec, isDown, isDoubtful }: Known,
  { causes }: Excuses,
): string[] {
  if (presence !== "here" || isDoubtful) return [];
  // It goes by itself some time after it has ended.
  if (spec.autoRemove && (isDown || causes.has(name))) return [];
  return [`VM ${name} is lost`];
}

function judgeStatus(known: Known, vm: Seen, { causes }: Excuses): string[] {
  const { name, wanted, mayBePending, isDown, isMaimed, spec } = known;
  const { status, exit, restarting_at: at } = vm;
  const asked = vm.wanted ?? wanted;
  if (status === "running") {
    return asked === "stopped"
      ? [`VM ${name} runs, though it was stopped`]
      : [];
  }
  if (status === "pending") {
    return mayBePending ? [] : [`VM ${name} is pending, though it was started`];
  }
  if (at !== undefined) {
    const isDue = Date.parse(at) < Date.now() + SOON_MS;
    const isFar = Date.parse(at) > Date.now() + PAUSE_MAX_MS;
    return [
      ...(asked === "stopped" ? [`VM ${name} is stopped, and restarts`] : []),
      ...(restartPolicy(spec) === "no"
        ? [`VM ${name} restarts without a policy`]
        : []),
      ...(isFar ? [`VM ${name} is started again as late as ${at}`] : []),
      ...(isDue ? [`VM ${name} is not started again at ${at}`] : []),
    ];
  }
  if (asked === "running" && restartPolicy(spec) === "always") {
    return [`VM ${name} is ${status} (${exit?.cause}), and is not restarted`];
  }
  if (isDown || isMaimed) return [];
  const allowed = causes.get(name);
  if (allowed === undefined) {
    return [`VM ${name} is ${status} of itself: ${JSON.stringify(exit)}`];
  }
  return allowed.has(ANY) || allowed.has(exit?.cause ?? "none") ? [] : [
    `VM ${name} is ${status} by ${JSON.stringify(exit)}, not by ${
      [...allowed].join(" or ")
    }`,
  ];
}
