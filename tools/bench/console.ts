/**
 * How fast a workload's output reaches its log.
 */

import { buildAppliance } from "../../tests/harness/appliance.ts";
import { TmpVolant } from "../../tests/harness/tmp_volant.ts";
import { type Figure, rounded } from "./figure.ts";

const MIB = 4;
const LINE = "x".repeat(127);

export async function benchConsole(): Promise<Figure[]> {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "loud",
    script: `yes ${LINE} | head -c ${MIB * 1024 * 1024}`,
  });
  await volant.run(
    "vm",
    "create",
    "loud",
    "--manifest",
    manifest,
    "--network",
    "none",
  );
  await volant.volant("vm", "wait", "loud");
  const times = (await volant.run("vm", "logs", "--timestamps", "loud"))
    .split("\n").filter((line) => line.endsWith(LINE))
    .map((line) => Date.parse(line.split(" ")[0] ?? ""));
  const seconds = ((times.at(-1) ?? NaN) - (times[0] ?? NaN)) / 1000;
  const mib = (times.length * (LINE.length + 1)) / 1024 / 1024;
  return [{
    key: "console.mib_per_second",
    value: rounded(mib / seconds),
    unit: "MiB/s",
    how: `${
      rounded(mib)
    } MiB of lines of 128 bytes, from the first line's time in the log to the last one's`,
  }];
}
