/**
 * A host of the torture's own: a network namespace, a state directory on a small
 * disk that can be filled, a daemon that takes orders at its steps and whose
 * disk and clock can be made to fail, and nothing else in it.
 */

import assert from "node:assert/strict";
import { built } from "../harness/built.ts";
import { Faults } from "../harness/faults.ts";
import { attempt, type Process, processesIn } from "../harness/host_facts.ts";
import type { Subject } from "../harness/invariants.ts";
import { Netns } from "../harness/netns.ts";
import { until } from "../harness/until.ts";
import { type Answer, call, type Request } from "./api.ts";

export type Driver = "qemu" | "simulated";

/** Room for what the daemon unpacks, a few images, and little more. */
const DISK = "200m";
const START_MS = 60_000;
const STOP_MS = 30_000;
/** A host that is short of memory takes its time to end a process. */
const GONE_MS = 120_000;
/** Time in which a daemon that was told to must stand still. */
const HELD_MS = 20_000;

/** Whatever it was, no round can go on from there. */
export class Broken extends Error {}

export class Host implements AsyncDisposable {
  readonly folder: string;
  readonly netns: Netns;
  readonly faults: Faults;
  readonly driver: Driver;
  readonly #anchor: Deno.ChildProcess;
  readonly #mounts: string;
  #daemon: Deno.ChildProcess | undefined;
  /** Set once the daemon's process has ended. */
  #ended: Deno.CommandStatus | undefined;
  #read = 0;

  private constructor(
    folder: string,
    netns: Netns,
    faults: Faults,
    driver: Driver,
    anchor: Deno.ChildProcess,
  ) {
    this.folder = folder;
    this.netns = netns;
    this.faults = faults;
    this.driver = driver;
    this.#anchor = anchor;
    this.#mounts = this.#mountsNow();
  }

  static async create(driver: Driver): Promise<Host> {
    await using undo = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "vx-" });
    undo.defer(() => Deno.remove(folder, { recursive: true }));
    await Deno.chmod(folder, 0o755);
    await Deno.mkdir(`${folder}/state`);
    const netns = undo.use(await Netns.create());
    // passt wants a way out, and the bridge none that leads anywhere.
    await netns.run(
      ...["sh", "-c"],
      "ip link add out0 type bridge && ip addr add 192.0.2.2/24 dev out0 && " +
        "ip link set out0 up && ip route add default via 192.0.2.1",
    );
    const faults = undo.use(await Faults.make());
    const anchor = await mountAnchor(netns, `${folder}/state`);
    undo.defer(async () => {
      await anchor.stdin.close();
      await anchor.stdout.cancel();
      await anchor.status;
    });
    const host = new Host(folder, netns, faults, driver, anchor);
    host.#undo = undo.move();
    return host;
  }

  #undo = new AsyncDisposableStack();

  /** As it is seen from here: the disk is mounted in the namespace alone. */
  get stateDir(): string {
    return `/proc/${this.#anchor.pid}/root${this.folder}/state`;
  }

  get runtimeDir(): string {
    return `${this.folder}/run`;
  }

  get logPath(): string {
    return `${this.folder}/daemon.log`;
  }

  get isUp(): boolean {
    return this.#daemon !== undefined && this.#ended === undefined;
  }

  get daemonPid(): number {
    assert.ok(this.#daemon, "a daemon was started");
    return this.#daemon.pid;
  }

  get subject(): Subject {
    return {
      folder: this.folder,
      stateDir: this.stateDir,
      runtimeDir: this.runtimeDir,
      daemonPid: this.daemonPid,
      netns: this.netns,
      bystanders: [this.netns.pid, this.#anchor.pid],
    };
  }

  get #env(): Record<string, string> {
    return {
      VOLANT_STATE_DIR: `${this.folder}/state`,
      VOLANT_RUNTIME_DIR: this.runtimeDir,
      VOLANT_HYPERVISOR: this.driver,
      VOLANT_DEFAULT_NETWORK: "bridged",
      VOLANT_STEPS_FILE: `${this.folder}/order`,
    };
  }

  call(path: string, request: Request = {}): Promise<Answer> {
    return call(`${this.runtimeDir}/volant.sock`, path, request);
  }

  /** Runs `volant ARGS`; its standard output. */
  async run(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command(built("volant"), {
      args: [...args],
      env: this.#env,
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    assert.equal(code, 0, text.decode(stderr));
    return text.decode(stdout);
  }

  /** Starts a daemon's process and does not wait for it. */
  spawnDaemon(): void {
    assert.ok(!this.isUp, "no daemon runs");
    this.#ended = undefined;
    const child = new Deno.Command("/bin/sh", {
      args: [
        "-c",
        'log=$1; shift; exec "$@" daemon --log-level debug 2>>"$log"',
        "sh",
        this.logPath,
        ...enterWords(this.#anchor.pid),
        "setsid",
        built("volant"),
      ],
      env: { ...this.#env, ...this.faults.env },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#daemon = child;
    child.status.then((status) => {
      if (this.#daemon === child) this.#ended = status;
    });
  }

  /** Resolves once the daemon answers; false if it ended before. */
  async daemonAnswers(): Promise<boolean> {
    await until("the daemon answers", async () => {
      return !this.isUp || (await this.call("/vms", {
            signal: AbortSignal.timeout(START_MS),
          })).kind === "ok";
    }, START_MS).catch(() => {
      throw new Broken(
        `The daemon does not answer ${START_MS} ms after its start`,
      );
    });
    return this.isUp;
  }

  async signalDaemon(signal: Deno.Signal): Promise<void> {
    if (!this.isUp) return;
    attempt(() => Deno.kill(this.daemonPid, signal));
    // One that stands still heeds SIGTERM only when it goes on.
    attempt(() => Deno.kill(this.daemonPid, "SIGCONT"));
    await until("the daemon has ended", () => !this.isUp, STOP_MS)
      .catch(() => {
        throw new Broken(
          `The daemon has not ended ${STOP_MS} ms after ${signal}`,
        );
      });
  }

  /** How it ended; undefined while it runs. */
  get daemonEnd(): Deno.CommandStatus | undefined {
    return this.#ended;
  }

  /** The next daemon, or this one, does so at its first step of that name. */
  order(verb: "kill" | "hold", step: string): void {
    Deno.writeTextFileSync(`${this.folder}/order.new`, `${verb} ${step}\n`);
    Deno.renameSync(`${this.folder}/order.new`, `${this.folder}/order`);
  }

  /** Takes an order back that was not carried out. */
  clearOrder(): void {
    attempt(() => Deno.removeSync(`${this.folder}/order`));
  }

  /** Whether the daemon stands still at a step, or `over` came first. */
  async held(over: () => boolean): Promise<boolean> {
    await until("the daemon is held, or the operation over", () => {
      return over() || !this.isUp || this.#isStopped();
    }, HELD_MS).catch(() => {});
    return this.isUp && this.#isStopped();
  }

  /** Lets a daemon that stands still go on. */
  release(): void {
    this.clearOrder();
    if (this.isUp) attempt(() => Deno.kill(this.daemonPid, "SIGCONT"));
  }

  #isStopped(): boolean {
    const path = `/proc/${this.daemonPid}/stat`;
    return /\) T /.test(attempt(() => Deno.readTextFileSync(path)) ?? "");
  }

  /** What was logged since the last time. */
  newLog(): string {
    using file = Deno.openSync(this.logPath);
    const { size } = file.statSync();
    const bytes = new Uint8Array(Math.max(0, size - this.#read));
    file.seekSync(this.#read, Deno.SeekMode.Start);
    const count = file.readSync(bytes) ?? 0;
    this.#read += count;
    return new TextDecoder().decode(bytes.subarray(0, count));
  }

  /** Takes all room on the state directory's disk; true to give it back. */
  fill(isOver = false): void {
    const path = `${this.stateDir}/filler`;
    if (isOver) return void attempt(() => Deno.removeSync(path));
    using file = Deno.openSync(path, { write: true, create: true });
    file.seekSync(0, Deno.SeekMode.End);
    for (let size = 1 << 20; size >= 4096;) {
      const written = attempt(() => file.writeSync(new Uint8Array(size)));
      if (written === undefined) size >>= 2;
    }
  }

  /** Mounts, loop devices and damage that were not there before. */
  leftovers(): string[] {
    const loops = [...Deno.readDirSync("/sys/block")].flatMap(({ name }) => {
      const path = `/sys/block/${name}/loop/backing_file`;
      const file = attempt(() => Deno.readTextFileSync(path)) ?? "";
      return file.includes(this.folder) ? [`loop device ${name}: ${file}`] : [];
    });
    // Nothing that befalls it here damages a database.
    const damaged = [...Deno.readDirSync(this.stateDir)]
      .map(({ name }) => name).filter((name) => name.includes("damaged"));
    const now = this.#mountsNow();
    const mounts = now === this.#mounts ? [] : [`mounts: ${now}`];
    return [...loops, ...damaged, ...mounts];
  }

  #mountsNow(): string {
    return Deno.readTextFileSync(`/proc/${this.#anchor.pid}/mountinfo`)
      .split("\n").filter((line) => line.includes(this.folder)).join("\n");
  }

  /** All that run here and are not needed for it to be there. */
  processes(): Process[] {
    const anchors = [this.netns.pid, this.#anchor.pid];
    return processesIn(this.netns).filter(({ pid }) => !anchors.includes(pid));
  }

  /** Ends whatever is left in the namespace, and it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await until("no process is left", () => {
      const left = this.processes();
      for (const { pid } of left) attempt(() => Deno.kill(pid, "SIGKILL"));
      return left.length === 0;
    }, GONE_MS);
    await this.#daemon?.status;
    await this.#undo.disposeAsync();
  }
}

/** A process in a mount namespace of its own, where `path` is a small disk. */
async function mountAnchor(
  netns: Netns,
  path: string,
): Promise<Deno.ChildProcess> {
  const [program = "", ...args] = [
    ...netns.enter,
    ...["unshare", "--mount", "--propagation", "private", "--", "sh", "-c"],
    `mount -t tmpfs -o size=${DISK},mode=755 torture ${path} && echo ready && exec cat`,
  ];
  const anchor = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = anchor.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  assert.equal(new TextDecoder().decode(value), "ready\n");
  return anchor;
}

function enterWords(pid: number): string[] {
  return [
    ...["nsenter", "--target", String(pid)],
    ...(Deno.uid() === 0 ? [] : ["--user", "--preserve-credentials"]),
    ...["--net", "--mount", "--"],
  ];
}
