/**
 * What the command line costs beside an empty program.
 */

import { built } from "../../tests/harness/built.ts";
import { TmpVolant } from "../../tests/harness/tmp_volant.ts";
import { type Figure, output, rounded } from "./figure.ts";

const RUNS = 20;

export async function benchCli(): Promise<Figure[]> {
  await using volant = await TmpVolant.start();
  const empty = `${volant.folder}/empty.js`;
  await Deno.writeTextFile(empty, "");
  const env = {
    VOLANT_STATE_DIR: volant.stateDir,
    VOLANT_RUNTIME_DIR: volant.runtimeDir,
  };
  const list = await cpuSeconds(`${built("volant")} vm list`, env);
  const bare = await cpuSeconds(
    `${Deno.execPath()} run --no-config ${empty}`,
    env,
  );
  return [{
    key: "cli.list.times_empty",
    value: rounded(list / bare),
    unit: "times the CPU",
    how:
      `user and system time of ${RUNS} runs of \`volant vm list\` by that of ${RUNS} runs of an empty program on the same Deno, in turn`,
  }];
}

/** Of `RUNS` runs, by the shell's own account of its children. */
async function cpuSeconds(
  command: string,
  env: Record<string, string>,
): Promise<number> {
  const { stdout } = await output("bash", [
    "-c",
    `${command} >/dev/null; for i in {1..${RUNS}}; do ${command} >/dev/null; done; times`,
  ], { env });
  // The second line is that of the children: 0m1.234s 0m0.567s.
  const [, children = ""] = stdout.trim().split("\n");
  return [...children.matchAll(/(\d+)m([\d.]+)s/g)]
    .map(([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds))
    .reduce((sum, each) => sum + each, 0);
}
