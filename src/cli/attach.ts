/**
 * Follows a VM to its end: its lines as they come, then how it ended.
 *
 * The machine outlives its daemon, so a daemon that goes away is asked for
 * again; its log is read from the beginning then, and what was printed before is
 * left out.
 *
 * @module
 */

import type { Client } from "../api/client.ts";
import {
  getVm,
  type LogLine,
  logsVm,
  type VmView,
  waitVm,
} from "../api/vms.ts";
import { Fault } from "../lib/fault.ts";
import { type OverDaemons, overDaemons } from "./reconnect.ts";

/** As long as the daemon allows; then it is asked again. */
const WAIT_SECONDS = 24 * 3600;

export interface AttachOptions extends Omit<OverDaemons, "connect"> {
  readonly name: string;
  readonly print: (line: LogLine) => void;
  /** Ends it with the signal's reason; the VM runs on. */
  readonly signal: AbortSignal;
}

/** The VM once it has ended and all its lines are printed. */
export async function attach(
  client: Client,
  options: AttachOptions,
): Promise<VmView> {
  const { name, signal } = options;
  const position = new LogPosition();
  return await overDaemons(() => followOnce(client, options, position), {
    ...options,
    connect: () => client.call(getVm, { name }, signal),
  });
}

async function followOnce(
  client: Client,
  { name, print, signal }: AttachOptions,
  position: LogPosition,
): Promise<VmView> {
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  const ended = waitForEnd(client, name, until);
  const lines = printLines(
    client.stream(logsVm, { name, follow: true }, until),
    position.reader(),
    print,
  );
  try {
    // The wait says how it ended, the log's end that nothing is missing.
    const [vm] = await Promise.all([ended, lines]);
    return vm;
  } finally {
    over.abort();
    await Promise.allSettled([ended, lines]);
  }
}

async function waitForEnd(
  client: Client,
  name: string,
  signal: AbortSignal,
): Promise<VmView> {
  for (;;) {
    try {
      return await client.call(waitVm, { name, timeout: WAIT_SECONDS }, signal);
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "timed-out") throw error;
    }
  }
}

async function printLines(
  lines: AsyncIterable<LogLine>,
  isNew: (line: LogLine) => boolean,
  print: (line: LogLine) => void,
): Promise<void> {
  for await (const line of lines) {
    if (isNew(line)) print(line);
  }
}

/**
 * Up to where a log was read, by the time of its last line: lines may not be
 * counted, because the oldest are thrown away as the log grows.
 */
export class LogPosition {
  #time = "";
  /** Lines read that have this time. */
  #count = 0;

  /** Whether there is a line that a log can be read on from. */
  get isKnown(): boolean {
    return this.#time !== "";
  }

  /** For a log that is read from its beginning: whether a line was not read yet. */
  reader(): (line: Pick<LogLine, "timestamp">) => boolean {
    const before = this.#time;
    let same = this.#count;
    let isBehind = before === "";
    return ({ timestamp }) => {
      if (!isBehind && timestamp < before) return false;
      if (!isBehind && timestamp === before && same-- > 0) return false;
      isBehind = true;
      this.#add(timestamp);
      return true;
    };
  }

  #add(timestamp: string): void {
    // What is no line of the workload's has no time.
    if (timestamp === "") return;
    this.#count = timestamp === this.#time ? this.#count + 1 : 1;
    this.#time = timestamp;
  }
}
