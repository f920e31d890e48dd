/**
 * The daemon is killed at random moments of random operations, from a seed that
 * is printed; after each kill a new one must have put everything right: what is
 * said of each VM is true, and nothing is there that belongs to nobody.
 *
 *     SEED=123 ROUNDS=100 make torture
 */

import assert from "node:assert/strict";
import { buildAppliance } from "../harness/appliance.ts";
import { assertTrue } from "../harness/invariants.ts";
import { TmpVolant } from "../harness/tmp_volant.ts";

const ROUNDS = Number(Deno.env.get("ROUNDS") ?? 40);
const SEED = Number(Deno.env.get("SEED") ?? Date.now() % 1_000_000);
const NAMES = ["a", "b", "c"];
/** Longer than any step of an operation takes, so that each may be hit. */
const KILL_WITHIN_MS = 900;

/** mulberry32: a small generator whose whole state is its seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

Deno.test(`a daemon killed ${ROUNDS} times at random loses and leaves nothing (SEED=${SEED})`, async () => {
  const next = random(SEED);
  const pick = <T>(all: readonly T[]): T => {
    const one = all[Math.floor(next() * all.length)];
    assert.ok(one !== undefined);
    return one;
  };
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "idle",
    script: "trap 'exit 0' TERM; while :; do sleep 1; done",
    memoryMib: 32,
  });
  const operations = [
    (
      name: string,
    ) => ["vm", "create", name, "--manifest", manifest, "--network", "none"],
    (
      name: string,
    ) => ["vm", "create", name, "--manifest", manifest, "--network", "none"],
    (name: string) => ["vm", "start", name],
    (name: string) => ["vm", "stop", "--grace", "1s", name],
    (name: string) => ["vm", "restart", "--grace", "1s", name],
    (name: string) => ["vm", "delete", "--force", name],
  ];
  for (let round = 1; round <= ROUNDS; round++) {
    const words = pick(operations)(pick(NAMES));
    const delay = Math.floor(next() * KILL_WITHIN_MS);
    const command = volant.volant(...words);
    await new Promise((wake) => setTimeout(wake, delay));
    await volant.endDaemon("SIGKILL");
    await command;
    await volant.startDaemon();
    await assertTrue(
      volant,
      `SEED=${SEED} round ${round}: ${
        words.slice(0, 3).join(" ")
      } killed after ${delay} ms`,
    );
  }
});
