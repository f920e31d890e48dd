/**
 * A guest of the conformance tests: a VM whose workload does what it is told.
 */

import assert from "node:assert/strict";
import type { TmpVolant } from "../harness/tmp_volant.ts";
import { until } from "../harness/until.ts";

/** Emulated hosts are slow, and this is how slow. */
export const DEADLINE_MS = 120_000;

export interface VmSeen {
  readonly id: number;
  readonly status: string;
  readonly pid?: number;
  readonly restarts: number;
  readonly hypervisor: string;
  readonly boot?: Readonly<Record<string, number>>;
  readonly exit?: {
    readonly cause: string;
    readonly status?: number;
    readonly forced: boolean;
    readonly detail?: string;
  };
}

export class Guest implements AsyncDisposable {
  readonly name: string;
  readonly #volant: TmpVolant;
  #viewer: Viewer | undefined;

  constructor(volant: TmpVolant, name: string) {
    this.#volant = volant;
    this.name = name;
  }

  async get(): Promise<VmSeen> {
    const response = await this.#volant.request(`/api/v1/vms/${this.name}`);
    assert.equal(response.status, 200, `${this.name} is there`);
    return await response.json();
  }

  /** Lines of its output, or of its console. */
  async lines(source: "workload" | "console" = "workload"): Promise<string[]> {
    const path = `/api/v1/vms/${this.name}/logs?source=${source}`;
    const text = await (await this.#volant.request(path)).text();
    return text.split("\n").filter((line) => line !== "")
      .map((line) => JSON.parse(line).line);
  }

  /** Resolves once it has said that line `times` times since its beginning. */
  async says(line: string | RegExp, times = 1): Promise<void> {
    let said: string[] = [];
    await until(`${this.name} says ${line}`, async () => {
      said = await this.lines();
      const found = said.filter((each) =>
        typeof line === "string" ? each === line : line.test(each)
      );
      return found.length >= times;
    }, DEADLINE_MS).catch(({ message }) =>
      assert.fail(`${message}; it said: ${said.slice(-20).join(" | ")}`)
    );
  }

  /** Types commands on its console, a line each. */
  async type(...lines: readonly string[]): Promise<void> {
    const viewer = await this.viewer();
    for (const line of lines) await viewer.type(`${line}\n`);
  }

  /** Its console; a new one when the last has ended, as with a daemon. */
  async viewer(): Promise<Viewer> {
    if (this.#viewer?.ended === false) return this.#viewer;
    await this.#viewer?.[Symbol.asyncDispose]();
    this.#viewer = new Viewer(this.#volant, this.name);
    return this.#viewer;
  }

  async reaches(status: string): Promise<VmSeen> {
    let vm = await this.get();
    await until(`${this.name} is ${status}`, async () => {
      vm = await this.get();
      return vm.status === status;
    }, DEADLINE_MS).catch(({ message }) =>
      assert.fail(`${message}: ${JSON.stringify(vm)}`)
    );
    return vm;
  }

  /** How it ended, once it has. */
  async ends(): Promise<VmSeen> {
    let vm = await this.get();
    await until(`${this.name} ends`, async () => {
      vm = await this.get();
      return vm.status === "stopped" || vm.status === "crashed";
    }, DEADLINE_MS);
    return vm;
  }

  /** Asserts how it ended; only what is named is looked at. */
  async endsWith(
    expected: {
      readonly is: "stopped" | "crashed";
      readonly cause: string;
      readonly status?: number;
      readonly forced?: boolean;
    },
  ): Promise<void> {
    const vm = await this.ends();
    const { cause, status, forced } = expected;
    const seen = {
      is: vm.status,
      cause: vm.exit?.cause,
      ...(status === undefined ? {} : { status: vm.exit?.status }),
      ...(forced === undefined ? {} : { forced: vm.exit?.forced }),
    };
    assert.deepEqual(seen, { ...expected, cause }, JSON.stringify(vm.exit));
  }

  /** Pid of its VMM. */
  async vmmPid(): Promise<number> {
    const { pid } = await this.get();
    assert.ok(pid !== undefined, `${this.name} runs`);
    return pid;
  }

  /** What the monitor says under that key in the run directory. */
  async monitorState(key: string): Promise<string> {
    const { id } = await this.get();
    const path = `${this.#volant.runtimeDir}/vms/${id}/monitor.state`;
    const text = await Deno.readTextFile(path);
    return new RegExp(`^${key}=(.*)$`, "m").exec(text)?.[1] ?? "";
  }

  /** One line to its monitor, as any client may send. */
  async tellMonitor(line: string): Promise<string> {
    const { id } = await this.get();
    using socket = await Deno.connect({
      transport: "unix",
      path: `${this.#volant.runtimeDir}/vms/${id}/monitor.sock`,
    });
    await socket.write(new TextEncoder().encode(`${line}\n`));
    return await new Response(socket.readable).text();
  }

  /** `volant vm VERB NAME WORDS`, which must succeed. */
  async volant(...words: readonly string[]): Promise<void> {
    const [verb = "", ...rest] = words;
    await this.#volant.run("vm", verb, this.name, ...rest);
    // The console of a machine ends with it.
    await this.#viewer?.[Symbol.asyncDispose]();
    this.#viewer = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#viewer?.[Symbol.asyncDispose]();
    await this.volant("delete", "--force");
  }
}

/** An open `volant vm console`. */
export class Viewer implements AsyncDisposable {
  seen = "";
  ended = false;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;

  constructor(volant: TmpVolant, name: string) {
    this.#child = volant.spawn("vm", "console", name);
    this.#writer = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  async type(text: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(text));
  }

  /** Resolves once a line of the console is that. */
  async sees(line: string): Promise<void> {
    const isThere = () => this.seen.split(/\r?\n/).includes(line);
    await until(`the console says ${line}`, isThere, DEADLINE_MS)
      .catch(({ message }) => assert.fail(`${message}: ${this.seen}`));
  }

  async #read(): Promise<void> {
    const text = this.#child.stdout.pipeThrough(new TextDecoderStream());
    for await (const part of text) this.seen += part;
    await this.#child.stderr.cancel();
    this.ended = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#writer.close().catch(() => {});
    await this.#reading;
    await this.#child.status;
  }
}
