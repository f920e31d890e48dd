import assert from "node:assert/strict";
import { fakeDaemon, fakeVm, volant } from "./fake_daemon.ts";

/** What is proposed for the last word of `line`, with what it means left out. */
async function proposed(
  line: string,
  options: Parameters<typeof volant>[1] = {},
): Promise<string[]> {
  const words = ["__complete", ...line.split(" ")];
  const { status, stdout, stderr } = await volant(words, options);
  assert.deepEqual([status, stderr], [0, ""], line);
  return stdout.split("\n").filter((each) => each !== "")
    .map((each) =>
      each.startsWith(":files") ? each : each.split("\t")[0] ?? ""
    );
}

Deno.test("completion knows commands, flags, values and files", async () => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    "ev": ["events"],
    "vm st": ["start", "stop"],
    "vms lo": ["logs"],
    "vm create --net": ["--network"],
    "vm create --env-": ["--env-file"],
    "vm create --network ": ["user", "bridged", "none"],
    "vm create --network=b": ["--network=bridged"],
    "vm create web -m ./a": [":files\t"],
    "vm create web --manifest=./a": [":files\t--manifest="],
    "run oci-": ["oci-archive:", ":files\t"],
    "run oci-archive:./a": [":files\toci-archive:"],
    "build f": [":files\t"],
    "completion ": ["bash", "zsh", "fish"],
    "--socket /run": [":files\t"],
    "--socket /nonexistent/s vm stop ": [],
    "vm create --memory ": [],
    "run oci:a -- ": [],
    "nonsense ": [],
    "__comp": [],
  };
  for (const [line, expected] of Object.entries(cases)) {
    assert.deepEqual(await proposed(line), expected, line);
  }
  assert.ok((await proposed("")).includes("vm"));
  const flags = await proposed("vm stop -");
  assert.deepEqual(flags, ["--socket", "--json", "--grace", "--kill"]);
});

Deno.test("completion says what a command does", async () => {
  const { stdout } = await volant(["__complete", "vm", "lis"]);
  assert.equal(stdout, "list\tList virtual machines\n");
});

Deno.test("completion of fledge is that of the build command", async () => {
  const flags = await proposed("--m", { program: "fledge" });
  assert.deepEqual(flags, ["--manifest"]);
});

Deno.test("completion asks the daemon for names, and which are left", async () => {
  await using daemon = await fakeDaemon(() =>
    Response.json([fakeVm("web"), fakeVm("web-2"), fakeVm("db")])
  );
  assert.deepEqual(await proposed("vm stop w", daemon), ["web", "web-2"]);
  assert.deepEqual(await proposed("vm stop web ", daemon), ["web-2", "db"]);
  assert.deepEqual(await proposed("vm logs d", daemon), ["db"]);
  assert.deepEqual(await proposed("events --vm d", daemon), ["db"]);
  const asked = daemon.asked.length;
  assert.deepEqual(await proposed("vm create ", daemon), []);
  assert.equal(daemon.asked.length, asked);
  for (
    const where of ["--socket SOCKET vm get d", "vm get --socket SOCKET d"]
  ) {
    const line = where.replace("SOCKET", daemon.socket);
    assert.deepEqual(await proposed(line), ["db"]);
  }
});

Deno.test("completion waits half a second for a daemon, and is silent about it", async () => {
  const { promise: isOver, resolve: finish } = Promise.withResolvers<void>();
  let waited = 0;
  await using daemon = await fakeDaemon(() => {
    waited++;
    return new Response(
      new ReadableStream({ start: (body) => isOver.then(() => body.close()) }),
    );
  });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    finish();
  }, 20_000);
  const names = await proposed("vm stop ", daemon);
  clearTimeout(timer);
  finish();
  assert.deepEqual([names, waited, isLate], [[], 1, false]);
});

Deno.test("completion says which files each shell loads, for every name", async () => {
  const cases = {
    bash: /ln -s volant .*\/volar\n[^]*ln -s volant .*\/fledge\n/,
    zsh: /_volant/,
    fish: /ln -s volant.fish .*\/volar.fish\n[^]*\/fledge.fish\n/,
  };
  for (const [shell, links] of Object.entries(cases)) {
    const { stdout } = await volant(["completion", shell, "--help"]);
    assert.match(stdout, links);
  }
});
