/**
 * Runs a command in an emulated host whose KVM works, whatever this one has:
 *
 *     deno run -A tools/emulated_host.ts [--share DIR] [--memory MIB] [--limit SECONDS] -- COMMAND...
 *
 * The command runs as root in DIR (`/share` there; an empty folder when none is
 * given); its output is passed through, and so is its exit code. 125: the host
 * came to no result, twice. What it changes elsewhere is gone with it.
 */

import { parseArgs } from "node:util";
import { emulatedHostImage } from "./emulated_host/image.ts";
import { runInEmulatedHost } from "./emulated_host/run.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    share: { type: "string" },
    memory: { type: "string", default: "3072" },
    limit: { type: "string", default: "600" },
  },
});
if (positionals.length === 0) {
  say("Cannot run nothing: name a command after --");
  Deno.exit(64);
}
const own = values.share ?? await Deno.makeTempDir({ prefix: "volant-share-" });
const status = await runInEmulatedHost({
  image: await emulatedHostImage(say),
  command: positionals.map(quoted).join(" "),
  share: await Deno.realPath(own),
  memoryMib: Number(values.memory),
  limitMs: Number(values.limit) * 1000,
  onOutput: (bytes) => {
    for (let done = 0; done < bytes.length;) {
      done += Deno.stdout.writeSync(bytes.subarray(done));
    }
  },
  say,
});
if (values.share === undefined) await Deno.remove(own, { recursive: true });
Deno.exit(status);

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
