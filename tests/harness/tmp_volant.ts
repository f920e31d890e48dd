/**
 * A daemon of a test's own: the built executable with folders of its own below
 * /tmp, and its command line. Disposing of it deletes every VM, stops the
 * daemon, and fails the test when a process or a file is left.
 */

import assert from "node:assert/strict";
import { built } from "./built.ts";
import type { Netns } from "./netns.ts";
import { until } from "./until.ts";

export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StartOptions {
  /** Added to the environment of daemon and command line. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where the daemon runs; its guests are on a bridge there by default. */
  readonly netns?: Netns;
}

const START_MS = 60_000;
const STOP_MS = 20_000;

export class TmpVolant implements AsyncDisposable {
  readonly folder: string;
  readonly netns: Netns | undefined;
  /** What runs as daemon and as command line; another one is an upgrade. */
  executable = built("volant");
  /** Words before the daemon's command, such as those that enter a namespace. */
  enter: readonly string[];
  readonly #env: Record<string, string>;
  #daemon: Deno.ChildProcess | undefined;

  private constructor(
    folder: string,
    env: Record<string, string>,
    netns: Netns | undefined,
  ) {
    this.folder = folder;
    this.netns = netns;
    this.enter = netns?.enter ?? [];
    this.#env = env;
  }

  static async start(
    { env = {}, netns }: StartOptions = {},
  ): Promise<TmpVolant> {
    // Short, because a socket's path may have 107 bytes.
    const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "vt-" });
    // A root daemon's VMMs run as users of their own, who must pass through.
    await Deno.chmod(folder, 0o755);
    const volant = new TmpVolant(folder, {
      VOLANT_STATE_DIR: `${folder}/state`,
      VOLANT_RUNTIME_DIR: `${folder}/run`,
      // Nothing of the host's own network is touched by a test.
      VOLANT_DEFAULT_NETWORK: netns === undefined ? "user" : "bridged",
      ...env,
    }, netns);
    await volant.startDaemon();
    return volant;
  }

  get socketPath(): string {
    return `${this.folder}/run/volant.sock`;
  }

  get stateDir(): string {
    return `${this.folder}/state`;
  }

  get runtimeDir(): string {
    return `${this.folder}/run`;
  }

  get daemonPid(): number {
    assert.ok(this.#daemon, "the daemon runs");
    return this.#daemon.pid;
  }

  /** `env` is added to the daemon's environment for this once. */
  async startDaemon(env: Readonly<Record<string, string>> = {}): Promise<void> {
    // To a file: a daemon must not stall because nobody reads its log. In a
    // session of its own: Ctrl-C in a terminal is not meant for it.
    this.#daemon = new Deno.Command("/bin/sh", {
      args: [
        "-c",
        'log=$1; shift; exec "$@" daemon --log-level debug 2>>"$log"',
        "sh",
        `${this.folder}/daemon.log`,
        ...this.enter,
        "setsid",
        this.executable,
      ],
      env: { ...this.#env, ...env },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    let ended: number | undefined;
    this.#daemon.status.then(({ code }) => ended = code);
    await until("the daemon listens", async () => {
      const log = () => Deno.readTextFileSync(`${this.folder}/daemon.log`);
      if (ended !== undefined) throw new Error(`daemon: ${ended}: ${log()}`);
      return (await this.volant("vm", "list")).status === 0;
    }, START_MS);
  }

  /** Runs `volant ARGS` to its end. */
  async volant(...args: readonly string[]): Promise<Result> {
    return await this.pipe("", ...args);
  }

  /** As `volant`, with `input` on its standard input. */
  async pipe(input: string, ...args: readonly string[]): Promise<Result> {
    const child = this.spawn(...args);
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input)).catch(() => {});
    await writer.close().catch(() => {});
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    return {
      status: code,
      stdout: text.decode(stdout),
      stderr: text.decode(stderr),
    };
  }

  /** Starts `volant ARGS` and leaves it to the caller. */
  spawn(...args: readonly string[]): Deno.ChildProcess {
    return new Deno.Command(this.executable, {
      args: [...args],
      env: this.#env,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** As `volant`, for what must succeed; its standard output. */
  async run(...args: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.volant(...args);
    assert.equal(status, 0, `volant ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** What `volant ARGS --json` prints. */
  // deno-lint-ignore no-explicit-any
  async json(...args: readonly string[]): Promise<any> {
    return JSON.parse(await this.run(...args, "--json"));
  }

  /** A request on the daemon's socket, by hand. */
  async request(path: string, init: RequestInit = {}): Promise<Response> {
    using client = Deno.createHttpClient({
      proxy: { transport: "unix", path: this.socketPath },
    });
    const response = await fetch(`http://localhost${path}`, {
      ...init,
      client,
    });
    // Read before the client closes.
    const { status, headers } = response;
    const body = await response.bytes();
    return new Response(body.length > 0 ? body : null, { status, headers });
  }

  /** Ends the daemon as a crash would, and starts another. */
  async crashDaemon(): Promise<void> {
    await this.endDaemon("SIGKILL");
    await this.startDaemon();
  }

  /** Resolves once the daemon has ended by itself. */
  async daemonEnded(): Promise<void> {
    const daemon = this.#daemon;
    assert.ok(daemon, "the daemon runs");
    await until("the daemon has ended", async () => {
      const pause = new Promise((wake) => setTimeout(wake, 20, false));
      return await Promise.race([daemon.status.then(() => true), pause]) ===
        true;
    });
    this.#daemon = undefined;
  }

  async endDaemon(signal: Deno.Signal): Promise<number> {
    const daemon = this.#daemon;
    assert.ok(daemon, "the daemon runs");
    this.#daemon = undefined;
    daemon.kill(signal);
    return (await daemon.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#daemon === undefined) await this.startDaemon();
    for (const { name } of await this.json("vm", "list")) {
      await this.run("vm", "delete", "--force", name);
    }
    await this.endDaemon("SIGTERM");
    await until(
      "no process is left",
      () => this.#processes().length === 0,
      STOP_MS,
    )
      .catch(() => assert.deepEqual(this.#processes(), []));
    // A lock's file stays: removing it would let two hold it.
    assert.deepEqual(filesBelow(`${this.folder}/run`), [
      `${this.folder}/run/lock`,
    ]);
    assert.deepEqual(filesBelow(`${this.folder}/state/vms`), []);
    assert.deepEqual(filesBelow(`${this.folder}/state/artifacts`), []);
    await Deno.remove(this.folder, { recursive: true });
  }

  /** Command lines of processes that name this daemon's folder. */
  #processes(): string[] {
    const found: string[] = [];
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
      const words = readIfThere(`/proc/${name}/cmdline`).replaceAll("\0", " ");
      if (words.includes(this.folder)) found.push(`${name} ${words}`);
    }
    return found;
  }
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // The process is gone.
    return "";
  }
}

/** Paths of all that is no folder. */
export function filesBelow(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory ? filesBelow(path) : [path];
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
