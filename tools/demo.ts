/**
 * The demo: from nothing to a page out of a microVM, and back to nothing.
 *
 * A daemon of its own in a temporary folder builds an appliance of the real
 * Caddy, boots it, and shows what it says, how long each phase took, what it
 * uses and how it ends. Whatever happens, Ctrl-C included, nothing is left.
 */

import { TmpVolant } from "../tests/harness/tmp_volant.ts";

const EXAMPLE =
  new URL("../examples/caddy/fledge.toml", import.meta.url).pathname;
const MEMORY_LINES = /^(MemTotal|MemFree|MemAvailable):/;

const encoder = new TextEncoder();

function say(text: string): void {
  Deno.stdout.writeSync(encoder.encode(`${text}\n`));
}

/** Shows a command as one would type it, and what it prints. */
async function show(volant: TmpVolant, ...args: string[]): Promise<void> {
  say(`\n$ volant ${args.join(" ").replaceAll(volant.folder, "$DEMO")}`);
  const { status, stdout, stderr } = await volant.volant(...args);
  say((stderr + stdout).trimEnd().replaceAll(volant.folder, "$DEMO"));
  if (status !== 0) throw new Error(`volant ended with status ${status}`);
}

async function showPage(url: string, lines: RegExp = /^/): Promise<void> {
  say(`\n$ curl ${url}`);
  const response = await fetch(url);
  const text = await response.text();
  for (const line of text.trimEnd().split("\n")) {
    if (lines.test(line)) say(line);
  }
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
}

async function demo(volant: TmpVolant): Promise<void> {
  say(`A daemon of its own, in ${volant.folder} ($DEMO below).`);
  await show(
    volant,
    "build",
    EXAMPLE,
    "--output",
    `${volant.folder}/caddy.cpio`,
  );
  await show(
    volant,
    "vm",
    "create",
    "web",
    "--manifest",
    `${volant.folder}/caddy.cpio.manifest.json`,
    "--wait",
    "healthy",
    "--timeout",
    "300",
  );
  const { expose } = await volant.json("vm", "get", "web");
  const url = `http://${expose[0].host_ip}:${expose[0].host_port}`;
  await showPage(`${url}/`);
  await showPage(`${url}/memory`, MEMORY_LINES);
  await show(volant, "vm", "get", "web");
  await show(volant, "vm", "logs", "--tail", "5", "web");
  await show(volant, "vm", "stop", "web");
  await show(volant, "vm", "wait", "web");
  await show(volant, "vm", "list");
  await show(volant, "vm", "delete", "web");
}

/** Resolves at Ctrl-C or SIGTERM; the demo is then broken off. */
function interrupted(): Promise<"interrupted"> {
  return new Promise((resolve) => {
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(name, () => resolve("interrupted"));
    }
  });
}

async function main(): Promise<number> {
  const stop = interrupted();
  await using volant = await TmpVolant.start();
  const running = demo(volant).then(() => "done" as const);
  // When it is broken off, what it was doing fails; that is no news then.
  running.catch(() => {});
  const outcome = await Promise.race([running, stop]);
  say(outcome === "done" ? "\nCleaning up." : "\nBroken off; cleaning up.");
  return outcome === "done" ? 0 : 130;
}

const status = await main();
say("Nothing is left: no process, no file.");
Deno.exit(status);
