/**
 * Whether all is as it must be: what the daemon says, what the host shows, what
 * was asked for, and what the guests have put down.
 */

import assert from "node:assert/strict";
import { type Seen, whatIsWrong } from "../harness/invariants.ts";
import { keeps, outputLog, readNumbers } from "./guests.ts";
import type { Host } from "./host.ts";
import type { Excuses, Model } from "./model.ts";
import {
  begin,
  excuseOperation,
  finish,
  type Operation,
  perform,
} from "./operations.ts";
import type { World } from "./world.ts";

/** A list is told at once. */
const LOOK_MS = 10_000;
/** All must be true after so long. */
const TRUTH_MS = 30_000;

/** Does it without any fault: it must be done, and all be true after it. */
export async function prepare(
  world: World,
  operation: Operation,
): Promise<void> {
  const { host, manifests, model } = world;
  begin(model, operation);
  const never = new AbortController().signal;
  const answer = await perform(host, manifests, operation, never);
  const what = `${operation.name} ${operation.target}`;
  assert.equal(answer.kind, "ok", `${what}: ${JSON.stringify(answer)}`);
  finish(model, operation, answer);
  const excuses: Excuses = { causes: new Map() };
  excuseOperation(excuses, operation);
  assert.deepEqual(await truth(world, excuses), [], what);
}

/** Looks until all is as it must be, or the time for that is over. */
export async function truth(
  world: World,
  excuses: Excuses,
): Promise<string[]> {
  const { host, model, tally } = world;
  const end = performance.now() + TRUTH_MS;
  for (let wait = 5;; wait = Math.min(wait * 1.5, 200)) {
    const { wrong, vms, plugins } = await look(world, excuses);
    if (wrong.length === 0) {
      model.commit(vms, plugins);
      for (const { name, id } of vms) {
        const { put, starts } = readNumbers(outputLog(host, id));
        const known = model.vms.get(name);
        tally.add("numbers put down", put - (known?.put ?? 0));
        tally.add(
          "guests that told what they kept",
          starts - (known?.starts ?? 0),
        );
        model.update(name, { put, starts });
      }
      return [];
    }
    if (performance.now() > end) return wrong;
    await pause(wait);
  }
}

/** One look, whatever it shows. */
export async function look(
  { host, model }: World,
  excuses: Excuses,
): Promise<{ wrong: string[]; vms: Seen[]; plugins: string[] }> {
  const [vms, plugins] = await Promise.all([
    host.call("/vms", { signal: AbortSignal.timeout(LOOK_MS) }),
    host.call("/plugins", { signal: AbortSignal.timeout(LOOK_MS) }),
  ]);
  if (vms.kind !== "ok" || plugins.kind !== "ok") {
    const end = JSON.stringify(host.daemonEnd);
    const wrong = [`the daemon does not answer; its end: ${end}`];
    return { wrong, vms: [], plugins: [] };
  }
  const seen: Seen[] = vms.body;
  const names: string[] = plugins.body.plugins;
  const wrong = [
    ...model.judge(seen, names, excuses),
    ...await whatIsWrong(host.subject, seen),
    ...host.leftovers(),
    ...seen.flatMap((vm) => numberFaults(host, model, vm)),
  ];
  return { wrong, vms: seen, plugins: names };
}

/** No number that a guest put down may be lost, and no line of its log. */
function numberFaults(host: Host, model: Model, { name, id }: Seen): string[] {
  const known = model.vms.get(name);
  if (known === undefined || !keeps(known.spec)) return [];
  const { put, wrong } = readNumbers(outputLog(host, id));
  return [
    ...wrong.map((each) => `VM ${name}: ${each}`),
    ...(put < known.put
      ? [`the log of VM ${name} has lost "put ${known.put}"`]
      : []),
  ];
}

export function pause(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}
