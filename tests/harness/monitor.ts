/**
 * Starts the built monitor from outside, in a run directory of its own, and looks at what it does: its state file, its
 * socket, its logs, its processes. The VMM is whatever the test names: `tests/fixtures/monitor/vmm.c`, which does as it is
 * told, or a real one.
 *
 * @module
 */

import assert from "node:assert/strict";

const ROOT = new URL("../../", import.meta.url).pathname;
const BUILD = Deno.env.get("VOLANT_BUILD") ?? `${ROOT}build`;
const DEADLINE_MS = 30_000;

export type StreamName = "control" | "console" | "output";
export type State = Readonly<Record<string, string>>;

/** What goes into `monitor.conf`. `@RUN@` in a word stands for the run directory. */
export interface MonitorOptions {
  readonly args: readonly string[];
  readonly env?: readonly string[];
  readonly streams?: Partial<Record<StreamName, number>>;
  readonly companion?: readonly string[];
  readonly links?: readonly string[];
  /** Records that have no field here, `uid=1000`; also wrong ones. */
  readonly records?: readonly string[];
  /** Where the logs go; absent: into the run directory. */
  readonly logFolder?: string;
  /** Words put before the monitor's command, `unshare -rm ...`. */
  readonly wrapper?: readonly string[];
  /** Files to put into the run directory, by name. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
  /** A run directory made before; it is not removed. */
  readonly runDir?: string;
}

export interface StartOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The usual numbers of the streams in these tests. */
export const STREAMS = { control: 10, console: 11, output: 12 } as const;

/** Waits until `look` gives something, and says what it waited for when the deadline passes. */
export async function until<T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const end = Date.now() + DEADLINE_MS;
  while (Date.now() < end) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((done) => setTimeout(done, 10));
  }
  throw new Error(`Cannot see ${what}: ${DEADLINE_MS} ms have passed`);
}

/** Rejects when `promise` takes longer than everything here may. */
export async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(new Error(`Cannot see ${what}: ${DEADLINE_MS} ms have passed`)),
      DEADLINE_MS,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Path of the VMM that does as it is told, compiled when its source is newer. */
export async function fakeVmm(): Promise<string> {
  const source = `${ROOT}tests/fixtures/monitor/vmm.c`;
  const folder = `${BUILD}/tests`;
  const target = `${folder}/monitor-vmm`;
  const [made, written] = await Promise.all([
    modified(target),
    modified(source),
  ]);
  if (made !== undefined && written !== undefined && made > written) {
    return target;
  }
  await Deno.mkdir(folder, { recursive: true });
  const aside = await Deno.makeTempFile({ dir: folder });
  const args = [
    "-std=c17",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-O1",
    "-static",
    "-o",
    aside,
    source,
  ];
  const { success, stderr } = await new Deno.Command("cc", { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  await Deno.chmod(aside, 0o755);
  await Deno.rename(aside, target);
  return target;
}

async function modified(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).mtime?.getTime();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether a process of this pid is there and not a zombie. */
export function alive(pid: number): boolean {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    // No such process.
    return false;
  }
}

export function parseState(text: string): State {
  return Object.fromEntries(
    text.split("\n").filter((line) => line !== "").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
}

function confText(options: MonitorOptions, logFolder: string): string {
  const records = ["version=1"];
  for (const word of options.args) records.push(`arg=${word}`);
  for (const word of options.env ?? []) records.push(`env=${word}`);
  for (const [name, fd] of Object.entries(options.streams ?? {})) {
    records.push(`stream=${name} ${fd}`);
  }
  for (const word of options.companion ?? []) records.push(`companion=${word}`);
  for (const link of options.links ?? []) records.push(`link=${link}`);
  for (const name of ["output", "console", "vmm"]) {
    records.push(`log_${name}=${logFolder}/${name}.log`);
  }
  records.push(...options.records ?? []);
  return records.map((record) => `${record}\0`).join("");
}

/** One monitor and its run directory; disposing of it ends whatever is left and removes the directory. */
export class Monitor implements AsyncDisposable {
  readonly runDir: string;
  readonly outcome: StartOutcome;
  readonly #logFolder: string;
  readonly #keepDir: boolean;

  private constructor(
    runDir: string,
    outcome: StartOutcome,
    logFolder: string,
    keepDir: boolean,
  ) {
    this.runDir = runDir;
    this.outcome = outcome;
    this.#logFolder = logFolder;
    this.#keepDir = keepDir;
  }

  /** Runs `monitor RUNDIR` to its end, good or bad: also proof that nothing keeps the caller's pipes open. */
  static async attempt(options: MonitorOptions): Promise<Monitor> {
    const runDir = options.runDir ??
      await Deno.makeTempDir({ prefix: "volant-monitor-" });
    const logFolder = options.logFolder ?? runDir;
    await Deno.writeTextFile(
      `${runDir}/monitor.conf`,
      confText(options, logFolder).replaceAll("@RUN@", runDir),
      { mode: 0o600 },
    );
    for (const [name, bytes] of Object.entries(options.files ?? {})) {
      await Deno.writeFile(`${runDir}/${name}`, bytes);
    }
    const wrapper = (options.wrapper ?? []).map((word) =>
      word.replaceAll("@RUN@", runDir)
    );
    const [program, ...args] = [...wrapper, `${BUILD}/shim/monitor`, runDir];
    assert.ok(program !== undefined);
    const output = await within(
      "the monitor started",
      new Deno.Command(program, { args, stdin: "null" }).output(),
    );
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const outcome = {
      code: output.code,
      stdout: decode(output.stdout),
      stderr: decode(output.stderr),
    };
    return new Monitor(
      runDir,
      outcome,
      logFolder,
      options.runDir !== undefined,
    );
  }

  /** A monitor that has started. */
  static async start(options: MonitorOptions): Promise<Monitor> {
    const monitor = await Monitor.attempt(options);
    assert.deepEqual(monitor.outcome, { code: 0, stdout: "", stderr: "" });
    return monitor;
  }

  /** A monitor whose VMM does these steps, on the usual streams. */
  static async steps(
    steps: readonly string[],
    options: Partial<MonitorOptions> = {},
  ): Promise<Monitor> {
    return await Monitor.start({
      streams: STREAMS,
      ...options,
      args: [await fakeVmm(), ...steps],
    });
  }

  /** What the state file says now. */
  async state(): Promise<State> {
    return parseState(await Deno.readTextFile(`${this.runDir}/monitor.state`));
  }

  /** The number a key of the state holds. */
  async number(key: string): Promise<number> {
    return Number((await this.state())[key]);
  }

  /** Waits until a key of the state has this value. */
  async reaches(key: string, value: string): Promise<State> {
    return await until(`${key}=${value} in ${this.runDir}`, async () => {
      const state = await this.state();
      return state[key] === value ? state : undefined;
    });
  }

  /** Waits for the end of machine and monitor, and gives the last state. */
  async ended(): Promise<State> {
    const state = await until("the end of the machine", async () => {
      const now = await this.state();
      return now["cause"] === undefined ? undefined : now;
    });
    await until(
      "the end of the monitor",
      () => alive(Number(state["monitor_pid"])) ? undefined : true,
    );
    return state;
  }

  /** Connects and says a line. */
  async connect(line: string): Promise<Viewer> {
    return await Viewer.open(`${this.runDir}/monitor.sock`, line);
  }

  /** Says a line, and gives all that is answered until the monitor closes. */
  async ask(line: string): Promise<string> {
    using viewer = await this.connect(line);
    return await viewer.rest();
  }

  /** A log's text; "" when there is none. */
  async log(name: string): Promise<string> {
    try {
      return await Deno.readTextFile(`${this.#logFolder}/${name}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.outcome.code === 0) {
      const state = await this.state();
      for (const key of ["monitor_pid", "vmm_pid"]) {
        const pid = Number(state[key]);
        if (state["cause"] === undefined && alive(pid)) {
          Deno.kill(pid, "SIGKILL");
        }
        await until(
          `the end of process ${pid}`,
          () => state["cause"] !== undefined || !alive(pid) ? true : undefined,
        );
      }
    }
    if (!this.#keepDir) await Deno.remove(this.runDir, { recursive: true });
  }
}

/** A client of the monitor's socket. */
export class Viewer implements Disposable {
  readonly #connection: Deno.UnixConn;
  #seen = "";
  #ended = false;

  private constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
  }

  static async open(path: string, line: string): Promise<Viewer> {
    const viewer = new Viewer(await Deno.connect({ transport: "unix", path }));
    if (line !== "") await viewer.write(`${line}\n`);
    return viewer;
  }

  async write(text: string): Promise<void> {
    let bytes = new TextEncoder().encode(text);
    while (bytes.length > 0) {
      bytes = bytes.subarray(await this.#connection.write(bytes));
    }
  }

  /** Everything that has come so far. */
  get seen(): string {
    return this.#seen;
  }

  /** Reads until what has come satisfies `enough`; fails at the end of the stream. */
  async reads(
    what: string,
    enough: (seen: string) => boolean,
  ): Promise<string> {
    while (!enough(this.#seen)) {
      assert.ok(
        !this.#ended,
        `the stream ended before ${what}: ${
          JSON.stringify(this.#seen.slice(-300))
        }`,
      );
      await this.#read(what);
    }
    return this.#seen;
  }

  /** Reads to the end of the stream. A monitor that drops a client that did not read may reset the connection. */
  async rest(): Promise<string> {
    while (!this.#ended) await this.#read("the end of the stream");
    return this.#seen;
  }

  async #read(what: string): Promise<void> {
    const bytes = new Uint8Array(65536);
    const count = await within(what, this.#connection.read(bytes));
    if (count === null) this.#ended = true;
    else {this.#seen += new TextDecoder("latin1").decode(
        bytes.subarray(0, count),
      );}
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}
