/**
 * `volant run` in the foreground, with an appliance's manifest in place of an image: exit statuses, output, signals, and a daemon
 * that goes away meanwhile. What it does with images is tested in run_image_test.ts.
 */

import assert from "node:assert/strict";
import { buildAppliance } from "./harness/appliance.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

const DEADLINE_MS = 90_000;

/** Counts until it is asked to end, which it does with status 7. */
const COUNTING =
  "trap 'echo bye; exit 7' TERM; i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done";

/** `volant ARGS` as it runs, with what it has printed so far. */
class Running implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #ended: Promise<unknown>;
  stdout = "";
  stderr = "";

  constructor(volant: TmpVolant, ...args: readonly string[]) {
    this.#child = volant.spawn(...args);
    this.#ended = Promise.all([
      this.#child.stdin.close(),
      this.#read(this.#child.stdout, (text) => this.stdout += text),
      this.#read(this.#child.stderr, (text) => this.stderr += text),
    ]);
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  async sees(text: string): Promise<void> {
    await until(
      `${text} is printed`,
      () => (this.stdout + this.stderr).includes(text),
      DEADLINE_MS,
    );
  }

  async status(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#ended;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.status();
  }

  async #read(
    from: ReadableStream<Uint8Array<ArrayBuffer>>,
    add: (text: string) => void,
  ): Promise<void> {
    for await (const text of from.pipeThrough(new TextDecoderStream())) {
      add(text);
    }
  }
}

async function names(volant: TmpVolant): Promise<string[]> {
  const vms = await volant.json("vm", "list");
  return vms.map(({ name }: { readonly name: string }) => name);
}

Deno.test("run ends as the workload does, and with 125 as it does not", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "job",
    script: "echo out; exit 3",
  });
  const plain = await volant.volant("run", "--rm", manifest);
  assert.deepEqual(plain, { status: 3, stdout: "out\n", stderr: "" });
  const shell = ["run", "--rm", "--entrypoint", "/bin/sh", manifest, "--"];
  const cases = [
    [[...shell, "-c", "exit 0"], 0, /^$/],
    [[...shell, "-c", "kill -9 $$"], 137, /^$/],
    [["run", "--rm", "--entrypoint", "/nope", manifest], 127, /\/nope/],
    [["run", "--rm", "--memory", "1", manifest], 125, /^error: /],
    [["run", "--rm", "/nonexistent.json"], 125, /does not exist/],
  ] as const;
  for (const [words, expected, said] of cases) {
    const { status, stderr } = await volant.volant(...words);
    assert.equal(status, expected, `${words.join(" ")}: ${stderr}`);
    assert.match(stderr, said);
  }
  assert.deepEqual(await names(volant), []);
  const kept = ["run", "--name", "kept", "-e", "A=1 2"];
  const words = [...kept, "--entrypoint", "/bin/sh", manifest];
  const env = await volant.volant(...words, "--", "-c", 'echo "$A"');
  assert.deepEqual([env.status, env.stdout], [0, "1 2\n"]);
  assert.deepEqual(await names(volant), ["kept"]);
  assert.equal(await volant.run("vm", "logs", "kept"), "1 2\n");
});

Deno.test("run --detach leaves it running and prints its name", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "counter",
    script: COUNTING,
  });
  const name = (await volant.run("run", "-d", "--rm", manifest)).trimEnd();
  assert.match(name, /^counter-[a-z]{4}$/);
  assert.equal((await volant.json("vm", "get", name)).status, "running");
  await until(
    "it writes",
    async () => (await volant.run("vm", "logs", name)).includes("\n3\n"),
    DEADLINE_MS,
  );
});

Deno.test("run: Ctrl-C stops the workload, and its status is the command's", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "counter",
    script: COUNTING,
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await using run = new Running(volant, "run", "--rm", manifest);
    await run.sees("\n3\n");
    run.kill(signal);
    assert.equal(await run.status(), 7);
    assert.match(run.stdout, /\nbye\n/);
    assert.match(run.stderr, /^Stopping counter-[a-z]{4};/);
    assert.deepEqual(await names(volant), []);
  }
});

Deno.test("run: a second signal ends a workload that will not", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "deaf",
    script: "trap 'echo no' TERM; echo up; while :; do sleep 0.1; done",
    workload: { grace_ms: 3_600_000 },
  });
  await using run = new Running(volant, "run", "--rm", manifest);
  await run.sees("up\n");
  run.kill("SIGINT");
  await run.sees("no\n");
  run.kill("SIGINT");
  assert.equal(await run.status(), 130);
  assert.match(run.stderr, /Ending deaf-[a-z]{4} at once/);
  assert.deepEqual(await names(volant), []);
});

Deno.test("run: a hang-up leaves the workload running", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "counter",
    script: COUNTING,
  });
  await using run = new Running(volant, "run", "--name", "c", manifest);
  await run.sees("\n3\n");
  run.kill("SIGHUP");
  assert.equal(await run.status(), 129);
  assert.equal((await volant.json("vm", "get", "c")).status, "running");
});

Deno.test("run: a reader that goes away stops the workload", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "counter",
    script: COUNTING,
  });
  const child = volant.spawn("run", "--rm", manifest);
  await child.stdin.close();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const [{ code }] = await Promise.all([
    child.status,
    new Response(child.stderr).text(),
  ]);
  assert.equal(code, 141);
  assert.deepEqual(await names(volant), []);
});

Deno.test("run: neither a crash nor a stop of the daemon loses or doubles a line", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "counter",
    script: COUNTING,
  });
  await using run = new Running(volant, "run", "--rm", manifest);
  await run.sees("\n5\n");
  await volant.crashDaemon();
  await run.sees("The daemon is back\n");
  const [last = "0"] = run.stdout.match(/\d+(?=\n$)/) ?? [];
  await run.sees(`\n${Number(last) + 20}\n`);
  assert.equal(await volant.endDaemon("SIGTERM"), 0);
  await until(
    "the loss is said again",
    () => run.stderr.split("The daemon is gone").length === 3,
    DEADLINE_MS,
  );
  await volant.startDaemon();
  await until(
    "it is back again",
    () => run.stderr.split("The daemon is back").length === 3,
    DEADLINE_MS,
  );
  run.kill("SIGINT");
  assert.equal(await run.status(), 7);
  const numbers = run.stdout.split("\n").filter((line) => /^\d+$/.test(line));
  assert.deepEqual(numbers, numbers.map((_, index) => String(index)));
  assert.ok(numbers.length > 25);
});
