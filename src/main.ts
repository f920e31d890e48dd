/**
 * Picks the program: by the name the executable is called by, or by its first
 * word. Each is loaded only when it is asked for.
 *
 * @module
 */

import { programName } from "./lib/self.ts";

async function main(): Promise<number> {
  const program = programName();
  const [first, ...rest] = Deno.args;
  if (program === "volantd") return await daemon(Deno.args);
  if (program === "volant" && first === "daemon") return await daemon(rest);
  const { runCli } = await import("./cli/cli.ts");
  return await runCli(Deno.args, { program });
}

async function daemon(args: readonly string[]): Promise<number> {
  const { runDaemon } = await import("./daemon/main.ts");
  return await runDaemon(args);
}

Deno.exit(await main());
