/**
 * A machine as its monitor shows it: the one `Machine` all drivers hand out.
 *
 * `launchMonitor` starts a monitor, `adoptMachine` finds one that is already
 * there; from then on both are the same. The handle keeps one connection, on
 * which the monitor tells each change. When that breaks without a last word,
 * the monitor itself was killed; then so was the VMM, and the state it left
 * behind is completed here.
 *
 * @module
 */

import { pause, until } from "../../lib/deadline.ts";
import { execute } from "../../lib/exec.ts";
import { Fault } from "../../lib/fault.ts";
import { readTextIfThere, writeFileAtomic } from "../../lib/files.ts";
import { step } from "../../lib/step.ts";
import type { Hold, Machine } from "../hypervisors/hypervisor.ts";
import { holdMachine } from "./hold.ts";
import { hostBootId, isAlive, killProcess } from "./identity.ts";
import { isLocked } from "./locks.ts";
import { type MachineState, parseMachineState } from "./machine_state.ts";
import { encodeMonitorConf, type MonitorConf } from "./monitor_conf.ts";
import {
  ask,
  askState,
  close,
  connect,
  isThere,
  send,
} from "./monitor_client.ts";
import { readBlocks } from "./monitor_protocol.ts";
import { type RunDir, runDirAt } from "./run_dir.ts";

/** Pause before a monitor that lives is asked again. */
const RECONNECT_MS = 200;
const COMMAND_TRIES = 10;
/** A monitor that was killed takes its VMM along; this long to see it gone. */
const GONE_MS = 5000;

/** A monitor that was started needs so long, at most, to start its VMM. */
const STARTING_MS = 10_000;

export async function launchMonitor(
  monitorPath: string,
  run: RunDir,
  conf: MonitorConf,
  signal: AbortSignal,
): Promise<Machine> {
  await writeFileAtomic(run.monitorConf, encodeMonitorConf(conf));
  step("start:monitor-conf-written");
  const { status, stderr } = await execute(monitorPath, [run.path], {
    clearEnv: true,
    signal,
  });
  step("start:monitor-started");
  if (status !== 0) {
    throw new Fault("boot-failed", `Cannot start the VMM: ${stderr.trim()}`);
  }
  const machine = await adoptMachine(run.path);
  if (machine !== undefined) return machine;
  throw new Fault(
    "boot-failed",
    `Cannot follow the VMM: its monitor left no state in "${run.path}"`,
  );
}

/**
 * The machine of a run directory, running or ended; undefined if there never was
 * one. Throws when that cannot be told.
 */
export async function adoptMachine(
  path: string,
): Promise<Machine | undefined> {
  const run = runDirAt(path);
  // One whose daemon was killed in the middle of the start goes on starting,
  // and holds the folder's lock before it looks for what it is to start.
  const text = await until(async () => {
    const found = await readTextIfThere(run.monitorState);
    if (found !== undefined) return found;
    const isHeld = await isLocked(path);
    // It may have been written before the lock was looked at.
    const late = await readTextIfThere(run.monitorState);
    if (late !== undefined || !isHeld) return late ?? "";
    // Nor is one lost whose file somebody removed: it knows what stood in it.
    return await askState(run.monitorSocket);
  }, STARTING_MS);
  if (text === "") return undefined;
  if (text !== undefined) {
    return new MonitoredMachine(run, parseMachineState(text));
  }
  throw new Fault(
    "timed-out",
    `Cannot tell what runs in "${path}": its monitor does not get ready`,
    { hint: "See what that process does, or end it" },
  );
}

class MonitoredMachine implements Machine {
  readonly #run: RunDir;
  #connection: Deno.UnixConn | undefined;
  readonly #ended = Promise.withResolvers<MachineState>();
  #changed = Promise.withResolvers<void>();
  #state: MachineState;
  #released = false;
  /** Whether it is the monitor that the state names, beyond doubt. */
  #isKnown = false;

  constructor(run: RunDir, state: MachineState) {
    this.#run = run;
    this.#state = state;
    this.#follow().catch((error) => this.#ended.reject(error));
    // Whoever does not wait for the end must not die of its failure.
    this.#ended.promise.catch(() => {});
  }

  get state(): MachineState {
    return this.#state;
  }

  get ended(): Promise<MachineState> {
    return this.#ended.promise;
  }

  async *states(): AsyncGenerator<MachineState, void, void> {
    for (let seen: MachineState | undefined;;) {
      const changed = this.#changed.promise;
      if (seen !== this.#state) {
        seen = this.#state;
        yield seen;
        continue;
      }
      if (seen.cause !== undefined || this.#released) return;
      await changed;
    }
  }

  stop(graceMs: number): Promise<void> {
    return this.#command(`stop ${graceMs}`);
  }

  kill(): Promise<void> {
    return this.#command("kill");
  }

  async console(): Promise<Deno.Conn> {
    if (this.#state.cause !== undefined) throw notRunning(this.#run);
    const connection = await connect(this.#run.monitorSocket).catch((cause) => {
      throw notRunning(this.#run, cause);
    });
    await send(connection, "console");
    return connection;
  }

  async hold(longestMs: number): Promise<Hold | undefined> {
    const hold = await holdMachine(this.#run.monitorSocket, longestMs);
    if (hold === undefined && await this.#isOutOfReach()) {
      throw outOfReach(this.#run);
    }
    return hold;
  }

  [Symbol.dispose](): void {
    this.#released = true;
    if (this.#connection !== undefined) close(this.#connection);
    this.#changed.resolve();
  }

  async #follow(): Promise<void> {
    while (!this.#released && this.#state.cause === undefined) {
      await this.#watch();
      if (this.#released || this.#state.cause !== undefined) break;
      if (await this.#monitorLives()) {
        // Hard to reach is not gone: it may have all its clients, or we too
        // many descriptors, or somebody removed its socket.
        const text = await readTextIfThere(this.#run.monitorState);
        if (text !== undefined) this.#become(parseMachineState(text));
        await pause(RECONNECT_MS);
      } else {
        this.#become(await this.#lastState());
      }
    }
    if (!this.#released) this.#ended.resolve(this.#state);
  }

  /** Takes in what one connection tells, until it breaks. */
  async #watch(): Promise<void> {
    try {
      this.#connection = await connect(this.#run.monitorSocket);
      await send(this.#connection, "watch");
      for await (const block of readBlocks(this.#connection)) {
        this.#isKnown = true;
        this.#become(parseMachineState(block));
      }
    } catch (error) {
      // Refused, broken, or closed by dispose: whoever called finds out which.
      if (!(error instanceof Error)) throw error;
    } finally {
      if (this.#connection !== undefined) close(this.#connection);
    }
  }

  /** Whether somebody removed the socket of a machine that runs. */
  async #isOutOfReach(): Promise<boolean> {
    if (await isThere(this.#run.monitorSocket)) return false;
    // A monitor that ends removes it itself, after its last state.
    const text = await readTextIfThere(this.#run.monitorState);
    const { cause } = text === undefined
      ? this.#state
      : parseMachineState(text);
    return cause === undefined && await this.#monitorLives();
  }

  async #monitorLives(): Promise<boolean> {
    const { bootId, monitor } = this.#state;
    if (bootId !== await hostBootId() || !await isAlive(monitor)) return false;
    // What stands in a file could name anybody; but a monitor holds the lock.
    this.#isKnown ||= await isLocked(this.#run.path);
    return this.#isKnown;
  }

  /** What is true of a machine whose monitor is gone. */
  async #lastState(): Promise<MachineState> {
    const text = await readTextIfThere(this.#run.monitorState);
    const left = text === undefined ? this.#state : parseMachineState(text);
    if (left.cause !== undefined) return left;
    const at = Date.now();
    if (left.bootId !== await hostBootId()) {
      return { ...left, cause: "host-rebooted", endedAt: at };
    }
    await until(async () => {
      if (left.vmm !== undefined) await killProcess(left.vmm);
      const processes = [left.monitor, left.vmm].filter((p) => p !== undefined);
      const alive = await Promise.all(processes.map(isAlive));
      return alive.includes(true) ? undefined : true;
    }, GONE_MS);
    return { ...left, cause: "monitor-lost", endedAt: at };
  }

  #become(state: MachineState): void {
    this.#state = state;
    const told = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    told.resolve();
  }

  /** For a monitor whose socket was removed; it stops with its own grace. */
  async #signal(words: string): Promise<void> {
    const { monitor, vmm } = this.#state;
    if (words === "kill" && vmm !== undefined) await killProcess(vmm);
    else await killProcess(monitor, "SIGTERM");
  }

  /** Tells the monitor; nothing to do when it ended, and with it the machine. */
  async #command(words: string): Promise<void> {
    for (let tries = 0; this.#state.cause === undefined; tries++) {
      const answer = await ask(this.#run.monitorSocket, words);
      if (answer?.startsWith("ok")) return;
      if (!await this.#monitorLives()) return;
      if (!await isThere(this.#run.monitorSocket)) {
        return await this.#signal(words);
      }
      if (tries >= COMMAND_TRIES) {
        throw new Fault(
          "timed-out",
          `Cannot tell the monitor in "${this.#run.path}" to ${words}: ${
            answer?.trim() || "it does not answer"
          }`,
          { hint: "Close consoles of that machine and try again" },
        );
      }
      await pause(RECONNECT_MS);
    }
  }
}

function outOfReach(run: RunDir): Fault {
  return new Fault(
    "wrong-state",
    `Cannot hold the machine in "${run.path}": its monitor's socket was removed`,
    { hint: "Restart that VM once" },
  );
}

function notRunning(run: RunDir, cause?: unknown): Fault {
  return new Fault(
    "wrong-state",
    `Cannot open the console in "${run.path}": the machine does not run`,
    { cause },
  );
}
