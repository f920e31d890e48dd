/**
 * The one executable: that it is a program like any other, whoever calls it and
 * however, and that nobody gets a plain Deno out of it. Most of it is shown by
 * a probe that is packed just as Volant is.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { built, source } from "./harness/built.ts";
import { packProbe, reportOf, run } from "./harness/probe.ts";

const DIR = await Deno.makeTempDir({ prefix: "volant-executable-" });
const SHIM = source("build/shim/shim");
const PROBE = await packProbe(DIR, "probe");
globalThis.addEventListener("unload", () => {
  Deno.removeSync(DIR, { recursive: true });
});

Deno.test("the other names are links to the one executable", async () => {
  for (const name of ["volantd", "volar", "kestrel", "fledge"]) {
    assert.equal(await Deno.readLink(built(name)), "volant");
  }
  assert.ok((await Deno.lstat(built("volant"))).isFile);
});

Deno.test("volant version is that of deno.json, by every name of the CLI", async () => {
  const config = JSON.parse(
    await Deno.readTextFile(new URL("../deno.json", import.meta.url)),
  ) as { readonly version: string };
  for (const name of ["volant", "volar"]) {
    const { code, stdout } = await run(built(name), ["version"]);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^volant ${config.version}[ ,]`));
  }
});

Deno.test("packing the same program twice gives the same bytes", async () => {
  const again = await packProbe(DIR, "again");
  assert.equal(await digest(again), await digest(PROBE));
});

Deno.test("arguments arrive as they are, whatever Deno would make of them", async () => {
  for (
    const args of [
      [],
      ["--", "a", "--"],
      ["--version"],
      ["eval", "console.log(1)"],
      ["repl"],
      ["-A", "--inspect", "--v8-flags=--help", "--help"],
      ["", " ", "two\nlines", "naïve ✓", "$HOME", "'"],
      ["x".repeat(100_000)],
      Array.from({ length: 20_000 }, (_, i) => `${i}`),
    ]
  ) {
    assert.deepEqual((await reportOf(PROBE, args)).args, args);
  }
});

Deno.test("no variable of Deno's or Node's gets through, all others do", async () => {
  const others = { VOLANT_AS_DENO: "1", NODE: "a", LANG: "C", DENOX: "" };
  const env = {
    ...others,
    DENO_DIR: `${DIR}/never`,
    DENO_V8_FLAGS: "--help",
    DENO_LOG: "debug",
    DENO_COVERAGE_DIR: `${DIR}/never`,
    NODE_OPTIONS: "--no-such-option",
    NODE_DEBUG: "*",
  };
  const { args, environment } = await reportOf(PROBE, ["a"], { env });
  assert.deepEqual([args, environment], [["a"], others]);
  await assert.rejects(Deno.lstat(`${DIR}/never`), Deno.errors.NotFound);
});

Deno.test("an environment of 100 kB arrives whole, and none at all will do", async () => {
  const large = Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => [`V${i}`, "x".repeat(100)]),
  );
  for (const env of [large, {}]) {
    assert.deepEqual((await reportOf(PROBE, [], { env })).environment, env);
  }
});

Deno.test("files for Deno or Node in the working directory have no effect", async () => {
  const cwd = `${DIR}/hostile`;
  await Deno.mkdir(cwd);
  for (const name of ["deno.json", "package.json", "deno.lock", ".npmrc"]) {
    await Deno.writeTextFile(`${cwd}/${name}`, "{ this is no JSON");
  }
  assert.deepEqual((await reportOf(PROBE, ["a"], { cwd })).args, ["a"]);
});

Deno.test("no name makes it a Deno", async () => {
  for (const name of ["deno", "dx", "node", "", "-deno"]) {
    const { args } = await reportOf("/bin/bash", [
      ...["-c", `exec -a "$1" "$0" eval 1+1`, PROBE, name],
    ], { env: {} });
    assert.deepEqual(args, ["eval", "1+1"]);
  }
});

Deno.test("exit codes pass", async () => {
  for (const code of [0, 1, 2, 64, 126, 127, 128, 255]) {
    assert.equal((await run(PROBE, ["exit", `${code}`])).code, code);
  }
});

Deno.test("standard input and output pass byte by byte", async () => {
  const stdin = new Uint8Array(1 << 20);
  for (let i = 0; i < stdin.length; i++) stdin[i] = (i * 7 + (i >> 8)) % 128;
  const { stdout, stderr, code } = await run(PROBE, ["echo"], { stdin });
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(stdout, new TextDecoder().decode(stdin));
});

Deno.test("signals reach the program, and end it when it does not listen", async () => {
  assert.deepEqual(await signalled("SIGTERM"), { code: 55, signal: null });
  assert.deepEqual(await signalled("SIGHUP"), { code: 41, signal: null });
  assert.deepEqual(await signalled("SIGINT"), { code: 130, signal: "SIGINT" });
  assert.deepEqual(await signalled("SIGKILL"), {
    code: 137,
    signal: "SIGKILL",
  });
});

Deno.test("ps shows the name and the arguments it was called with", async () => {
  await using probe = await startWaiting(`${DIR}/probe/volantd`);
  const read = (file: string) =>
    Deno.readTextFile(`/proc/${probe.child.pid}/${file}`);
  assert.equal(await read("comm"), "volantd\n");
  assert.equal(await read("cmdline"), `${DIR}/probe/volantd\0wait\0`);
});

Deno.test("what Volant is built on works in it", async () => {
  const { stdout, stderr } = await run(PROBE, ["features", DIR], {
    env: { PATH: "/usr/bin:/bin" },
  });
  assert.equal(stderr, "");
  assert.deepEqual(JSON.parse(stdout), {
    page: "hello",
    message: "echo ping",
    sqlite: 42,
    ffi: true,
    child: "from a child",
  });
});

Deno.test("parts that are loaded on demand bring their texts with them", async () => {
  const text = await Deno.readFile(
    new URL("fixtures/executable/probe_text.sql", import.meta.url),
  );
  const { stdout } = await run(PROBE, ["lazy"]);
  assert.equal(stdout.trim(), createHash("sha256").update(text).digest("hex"));
});

Deno.test("compiled code is kept in the state directory, for its owner alone", async () => {
  const state = `${DIR}/state`;
  const env = { VOLANT_STATE_DIR: state };
  await run(PROBE, ["lazy"], { env });
  await assert.rejects(Deno.lstat(state), Deno.errors.NotFound);

  await Deno.mkdir(state);
  await run(PROBE, ["lazy"], { env });
  assert.deepEqual((await reportOf(PROBE, [], { env })).environment, env);
  assert.equal((await Deno.stat(`${state}/deno`)).mode ?? 0, 0o40700);
  assert.notEqual([...Deno.readDirSync(`${state}/deno`)].length, 0);
});

Deno.test("a folder that others can write to is not trusted with code", async () => {
  const state = `${DIR}/shared`;
  await Deno.mkdir(`${state}/deno`, { recursive: true });
  await Deno.chmod(`${state}/deno`, 0o777);
  const { code } = await run(PROBE, ["lazy"], {
    env: { VOLANT_STATE_DIR: state },
  });
  assert.equal(code, 0);
  assert.deepEqual([...Deno.readDirSync(`${state}/deno`)], []);
});

Deno.test("it runs with no home, and with one that cannot be written to", async () => {
  for (
    const env of [{ HOME: "/nonexistent" }, { HOME: "/proc" }, { HOME: "" }]
  ) {
    const { code, stderr } = await run(PROBE, ["lazy"], { env });
    assert.deepEqual([code, stderr], [0, ""]);
  }
});

Deno.test("the files it carries are unpacked once, as they were built", async () => {
  const env = { VOLANT_STATE_DIR: `${DIR}/unpacked`, PATH: "/usr/bin:/bin" };
  const looks: unknown[] = [];
  for (let i = 0; i < 2; i++) {
    await run(built("volant"), ["doctor"], { env });
    const [dir] = [...Deno.readDirSync(`${DIR}/unpacked/assets`)];
    const folder = `${DIR}/unpacked/assets/${dir?.name}`;
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    looks.push(names.map((name) => {
      const { ino, mtime, mode } = Deno.statSync(`${folder}/${name}`);
      return { name, ino, mtime, mode };
    }));
    assert.deepEqual(names, [
      ...["monitor", "shim", "simulated", "vmlinux-generic"],
      "vmlinux-volant",
    ]);
    assert.equal(await digest(`${folder}/shim`), await digest(SHIM));
  }
  assert.deepEqual(looks[1], looks[0]);
});

Deno.test("an executable that was cut short says so", async () => {
  const whole = await Deno.readFile(PROBE);
  const cut = `${DIR}/cut`;
  for (const size of [whole.length - 1, whole.length >> 1, 65536]) {
    await Deno.writeFile(cut, whole.subarray(0, size), { mode: 0o755 });
    assert.deepEqual(await run(cut, ["version"]), {
      code: 127,
      signal: null,
      stdout: "",
      stderr: "volant: Cannot start Volant: the executable was cut short or " +
        "changed; copy it again\n",
    });
  }
});

async function digest(path: string): Promise<string> {
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}

/** Starts a probe that waits for a signal, and waits until it does. */
async function startWaiting(
  path: string,
): Promise<AsyncDisposable & { readonly child: Deno.ChildProcess }> {
  const child = new Deno.Command(path, {
    args: ["wait"],
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value), "ready\n");
  return {
    child,
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended already
      }
      await reader.cancel();
      await child.status;
    },
  };
}

async function signalled(
  signal: Deno.Signal,
): Promise<{ readonly code: number; readonly signal: Deno.Signal | null }> {
  await using probe = await startWaiting(PROBE);
  probe.child.kill(signal);
  const status = await probe.child.status;
  return { code: status.code, signal: status.signal };
}
