/**
 * A few rounds of the torture, always from the same seeds, or from SEED: `make
 * torture` runs many more, from a new one each time.
 */

import assert from "node:assert/strict";
import { torture } from "./torture/torture.ts";

const FIXED_SEED = 20261124;
const seed = Number(Deno.env.get("SEED") ?? 777_003);

const RUNS = [
  { driver: "simulated", seed: FIXED_SEED, rounds: 20 },
  { driver: "simulated", seed, rounds: 20 },
  { driver: "qemu", seed, rounds: 8 },
] as const;

for (const run of RUNS) {
  const { driver, rounds } = run;
  Deno.test(`${rounds} random faults leave all true: ${driver}, SEED=${run.seed}`, async () => {
    const findings = await torture({ ...run, isVerbose: false });
    assert.equal(findings.length, 0, findings.join("\n"));
  });
}
