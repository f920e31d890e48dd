/**
 * The command line as its users have it: the built executable, without a VM. What the commands say to the daemon and print
 * is tested beside them; here is what takes a process of its own: names, exit statuses, pipes, a terminal, the pages.
 *
 * @module
 */

import assert from "node:assert/strict";

const ROOT = new URL("../", import.meta.url).pathname;
const BUILD = Deno.env.get("VOLANT_BUILD") ?? `${ROOT}build`;
const VOLANT = `${BUILD}/volant`;
const DEADLINE_MS = 60_000;

/** The packed executable keeps things in its state directory. */
const STATE_DIR = await Deno.makeTempDir({ prefix: "volant-cli-state-" });
Deno.test.afterAll(() => Deno.remove(STATE_DIR, { recursive: true }));

interface Run {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
  program = VOLANT,
): Promise<Run> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...words],
    env: { VOLANT_STATE_DIR: STATE_DIR, ...env },
    stdin: "null",
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).output();
  const text = new TextDecoder();
  return {
    status: code,
    stdout: text.decode(stdout),
    stderr: text.decode(stderr),
  };
}

async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "volant-cli-" });
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** A daemon that answers as `handle` does. */
async function fakeDaemon(
  handle: (request: Request) => Response,
): Promise<{ socket: string; folder: string } & AsyncDisposable> {
  const folder = await temporaryFolder();
  const socket = `${folder.path}/volant.sock`;
  const server = Deno.serve({ path: socket, onListen: () => {} }, handle);
  return {
    socket,
    folder: folder.path,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function until(what: string, look: () => boolean): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  while (!look()) {
    if (Date.now() > end) throw new Error(`Cannot see ${what} in time`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

Deno.test("the reference pages are what the program prints", async () => {
  for (const page of ["cli", "faults", "manifest", "fledge"]) {
    const { status, stdout } = await run(["docs", page]);
    assert.equal(status, 0);
    const path = `${ROOT}docs/reference/${page}.md`;
    assert.equal(
      stdout,
      await Deno.readTextFile(path),
      `renew it: volant docs ${page} > docs/reference/${page}.md`,
    );
  }
});

Deno.test("volar is the CLI and fledge its build command", async () => {
  await using folder = await temporaryFolder();
  for (const name of ["volar", "fledge"]) {
    await Deno.symlink(await Deno.realPath(VOLANT), `${folder.path}/${name}`);
  }
  const volar = await run(["vm", "list", "-h"], {}, `${folder.path}/volar`);
  assert.match(volar.stdout, /^ {2}volar vm list$/m);
  const build = await run(["build", "--help"]);
  assert.match(build.stdout, /^ {2}volant build/m);
  const fledge = await run(["--help"], {}, `${folder.path}/fledge`);
  assert.equal(fledge.stdout, build.stdout);
});

Deno.test("version says what the program is made of", async () => {
  const { status, stdout } = await run(["version", "--json"]);
  assert.equal(status, 0);
  const said = JSON.parse(stdout);
  assert.match(said.version, /^\d+\.\d+\.\d+/);
  assert.match(said.deno, /^2\./);
  assert.match((await run(["--version"])).stdout, /^volant \d+\.\d+/);
});

Deno.test("exit statuses are those of the faults", async () => {
  const away = { VOLANT_SOCKET: "/nonexistent/volant.sock" };
  assert.equal((await run(["vm", "list"], away)).status, 69);
  assert.equal((await run(["vm", "lsit"])).status, 64);
  const manifest = ["vm", "create", "a", "-m", "/nonexistent/a.json"];
  assert.equal((await run(manifest)).status, 66);
  assert.equal((await run(["build", "/nonexistent/f.toml"])).status, 66);
  await using daemon = await fakeDaemon(() =>
    Response.json({ error: "no", code: "vm-exists" }, { status: 409 })
  );
  const { socket } = daemon;
  assert.equal((await run(["--socket", socket, "vm", "get", "a"])).status, 73);
});

Deno.test("a reader that goes away is no failure worth a word", async () => {
  const child = new Deno.Command(VOLANT, {
    args: ["docs", "cli"],
    env: { VOLANT_STATE_DIR: STATE_DIR },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await child.stdout.cancel();
  const [{ code }, stderr] = await Promise.all([
    child.status,
    new Response(child.stderr).text(),
  ]);
  assert.deepEqual([code, stderr], [141, ""]);
});

Deno.test("doctor tells what is missing and the command that mends it", async () => {
  await using folder = await temporaryFolder();
  const env = { VOLANT_STATE_DIR: folder.path };
  const words = ["doctor", "--json"];
  const good = await run(words, env);
  assert.equal(good.status, 0, good.stdout);
  assert.equal(JSON.parse(good.stdout).can_run_guests, true);

  const bad = await run(words, { ...env, PATH: "/nonexistent" });
  const { can_run_guests, checks } = JSON.parse(bad.stdout) as {
    readonly can_run_guests: boolean;
    readonly checks: readonly Readonly<Record<string, string>>[];
  };
  assert.deepEqual([bad.status, can_run_guests], [69, false]);
  const missing = checks.filter(({ status }) => status === "missing");
  assert.deepEqual(missing.map(({ name }) => name), ["qemu"]);
  assert.match(missing[0]?.["remedy"] ?? "", /^apt-get install qemu-system/);
  const passt = checks.find(({ name }) => name === "passt");
  assert.deepEqual([passt?.["status"], passt?.["remedy"]], [
    "warn",
    "apt-get install passt",
  ]);

  const text = await run(["doctor"], { ...env, PATH: "/nonexistent" });
  assert.match(text.stdout, /^qemu +missing +Cannot find "qemu-system/m);
  assert.match(text.stdout, /mend: apt-get install passt/);
});

Deno.test("events go on after the last one when the daemon comes back", async () => {
  const event = (id: number) =>
    `id: ${id}\ndata: ${
      JSON.stringify({ id, type: "VM_RUNNING", name: "web" })
    }\n\n`;
  const asked: (string | null)[] = [];
  await using daemon = await fakeDaemon(({ headers }) => {
    asked.push(headers.get("last-event-id"));
    return new Response(event(asked.length));
  });
  const child = new Deno.Command(VOLANT, {
    args: ["events", "--json", "--socket", daemon.socket],
    env: { VOLANT_STATE_DIR: STATE_DIR },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const lines: string[] = [];
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    lines.push(...text.split("\n").filter((line) => line !== ""));
    if (lines.length >= 2) break;
  }
  child.kill("SIGKILL");
  await child.status;
  assert.deepEqual(lines.slice(0, 2).map((line) => JSON.parse(line).id), [
    1,
    2,
  ]);
  assert.deepEqual(asked.slice(0, 2), [null, "1"]);
});

/** A daemon whose VM `web` has a console that keeps what it is sent. */
async function consoleDaemon(): Promise<
  Awaited<ReturnType<typeof fakeDaemon>> & { readonly got: number[] }
> {
  const got: number[] = [];
  const daemon = await fakeDaemon((request) => {
    if (!request.url.endsWith("/console")) {
      return Response.json({ name: "web", status: "running", pid: 1 });
    }
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.binaryType = "arraybuffer";
    socket.onopen = () =>
      socket.send(new TextEncoder().encode("guest says hi\r\n"));
    socket.onmessage = ({ data }) => got.push(...new Uint8Array(data));
    return response;
  });
  return { ...daemon, got };
}

/** Runs the console of `web` on a terminal of its own, with `stty` before and after. */
function consoleOnTerminal(folder: string, socket: string) {
  const line = `stty -a > ${folder}/before; ` +
    `sh -c 'echo $$ > ${folder}/pid; exec ${VOLANT} --socket ${socket} vm console web'; ` +
    `echo status=$?; stty -a > ${folder}/after`;
  const child = new Deno.Command("script", {
    args: ["-qec", line, "/dev/null"],
    env: { VOLANT_STATE_DIR: STATE_DIR },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const keys = child.stdin.getWriter();
  let screen = "";
  const read = (async () => {
    const text = child.stdout.pipeThrough(new TextDecoderStream());
    for await (const part of text) screen += part;
  })();
  return {
    screen: () => screen,
    type: (text: string) => keys.write(new TextEncoder().encode(text)),
    async end() {
      await child.status;
      await keys.close().catch(() => undefined);
      await read;
      const [before, after] = await Promise.all(
        ["before", "after"].map((name) =>
          Deno.readTextFile(`${folder}/${name}`)
        ),
      );
      assert.match(before ?? "", / icanon /);
      assert.equal(after, before);
    },
  };
}

Deno.test("the console passes every key on and gives the terminal back", async () => {
  const daemon = await consoleDaemon();
  await using _daemon = daemon;
  const { folder, socket, got } = daemon;
  const terminal = consoleOnTerminal(folder, socket);
  await until(
    "console and guest",
    () =>
      /guest says hi/.test(terminal.screen()) &&
      /Enter ~ \. leaves/.test(terminal.screen()),
  );
  await terminal.type("\x03ls\r");
  await until("the keys", () => got.length >= 4);
  assert.deepEqual(got, [3, ...new TextEncoder().encode("ls\r")]);
  await terminal.type("~.");
  await terminal.end();
  assert.match(terminal.screen(), /Console closed: left\.[^]*status=0/);
});

Deno.test("the terminal is given back when the console is ended by a signal", async () => {
  const daemon = await consoleDaemon();
  await using _daemon = daemon;
  const { folder, socket } = daemon;
  const terminal = consoleOnTerminal(folder, socket);
  await until("the console", () => /leaves/.test(terminal.screen()));
  const pid = Number(await Deno.readTextFile(`${folder}/pid`));
  Deno.kill(pid, "SIGTERM");
  await terminal.end();
  assert.match(terminal.screen(), /Console closed: a signal came\./);
});

Deno.test("Ctrl-C leaves a start that goes on, and says where to look", async () => {
  const { promise: isAsked, resolve } = Promise.withResolvers<void>();
  await using daemon = await fakeDaemon(() => {
    resolve();
    return new Response(new ReadableStream());
  });
  const child = new Deno.Command(VOLANT, {
    args: ["--socket", daemon.socket, "vm", "start", "web"],
    env: { VOLANT_STATE_DIR: STATE_DIR },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal: AbortSignal.timeout(DEADLINE_MS),
  }).spawn();
  await isAsked;
  child.kill("SIGINT");
  const { code, stderr } = await child.output();
  assert.equal(code, 130);
  assert.equal(
    new TextDecoder().decode(stderr),
    "web goes on starting; look with: volant vm get web\n",
  );
});
