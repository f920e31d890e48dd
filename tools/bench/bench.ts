/**
 * Measures, prints a table, and writes build/bench.json: a list of
 * `{key, value, unit, baseline?, ratio?, how}`.
 *
 *     deno run -A tools/bench/bench.ts [PART ...]
 *
 * Wall times of a busy machine say little, so what can be counted is counted
 * (instructions of a guest, bytes of memory), and the rest is a ratio of two
 * things measured in turn in this run.
 */

import { benchApi } from "./api.ts";
import { benchBoot } from "./boot.ts";
import { benchCli } from "./cli.ts";
import { benchConsole } from "./console.ts";
import type { Figure } from "./figure.ts";
import { benchMemory } from "./memory.ts";
import { benchScale } from "./scale.ts";

const PARTS: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  boot: benchBoot,
  memory: benchMemory,
  console: benchConsole,
  api: benchApi,
  cli: benchCli,
  scale: benchScale,
};

const OUTPUT = new URL("../../build/bench.json", import.meta.url).pathname;
const encoder = new TextEncoder();

function print(text: string): void {
  Deno.stdout.writeSync(encoder.encode(text));
}

function row(figure: Figure): string {
  const { key, value, unit, baseline, ratio } = figure;
  const cells = [
    key.padEnd(38),
    String(value).padStart(10),
    unit.padEnd(22),
    baseline === undefined ? "" : `baseline ${baseline}`,
    ratio === undefined ? "" : `ratio ${ratio}`,
  ];
  return `${cells.join(" ").trimEnd()}\n`;
}

const wanted = Deno.args.length > 0 ? Deno.args : Object.keys(PARTS);
const figures: Figure[] = [];
for (const name of wanted) {
  const part = PARTS[name];
  if (part === undefined) {
    print(
      `error: Cannot measure "${name}": choose of ${
        Object.keys(PARTS).join(", ")
      }\n`,
    );
    Deno.exit(64);
  }
  for (const figure of await part()) {
    figures.push(figure);
    print(row(figure));
  }
}
print("\nHow:\n");
for (const { key, how } of figures) print(`  ${key}: ${how}\n`);
await Deno.writeTextFile(OUTPUT, `${JSON.stringify(figures, undefined, 2)}\n`);
