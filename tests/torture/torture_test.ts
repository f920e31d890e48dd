/**
 * The long runs: many simulated guests, and some real ones.
 *
 *     SEED=123 ROUNDS=200 DRIVER=simulated make torture
 *     REPLAY='{"before":...}' make torture     a round that a run has printed
 */

import assert from "node:assert/strict";
import { runCase } from "./case.ts";
import type { Driver } from "./host.ts";
import { torture } from "./torture.ts";

const ROUNDS: Readonly<Record<Driver, number>> = { simulated: 1000, qemu: 60 };

const { SEED, ROUNDS: rounds, DRIVER, REPLAY, VERBOSE } = Deno.env.toObject();
const seed = Number(SEED ?? Date.now() % 1_000_000);

if (REPLAY === undefined) {
  for (const driver of ["simulated", "qemu"] as const) {
    if (DRIVER !== undefined && DRIVER !== driver) continue;
    const count = Number(rounds ?? ROUNDS[driver]);
    Deno.test(`${count} random faults lose nothing, leave nothing and make nothing untrue: ${driver}, SEED=${seed}`, async () => {
      const findings = await torture({
        ...{ driver, seed, rounds: count },
        isVerbose: VERBOSE !== undefined,
      });
      assert.equal(
        findings.length,
        0,
        `${findings.length} findings, see above`,
      );
    });
  }
} else {
  const driver = DRIVER === "qemu" ? "qemu" : "simulated";
  Deno.test(`one round again: ${driver}`, async () => {
    assert.deepEqual(await runCase(driver, JSON.parse(REPLAY)), []);
  });
}
