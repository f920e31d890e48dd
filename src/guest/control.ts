/**
 * The lines of the control port, between the shim in a guest and whoever is on
 * the host side of it (the monitor; tests). `docs/boot.md` is the contract.
 *
 * Pure: it splits bytes into lines, reads what a guest says and words what the
 * host says. A guest is not trusted: what does not follow the contract is no
 * message, and a line that is too long is dropped whole.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";

export const CONTROL_VERSION = 1;

/** Longest line in either direction, with its end. */
export const CONTROL_LINE_BYTES = 512;

/** Why a guest ended its machine. */
export type OffReason = "stop" | "exit" | "button" | "fault";

/** What a guest says. */
export type GuestMessage =
  | { readonly kind: "version"; readonly version: number }
  | { readonly kind: "booting" }
  | {
    readonly kind: "started";
    readonly pid: number;
    readonly restarts: number;
  }
  | {
    readonly kind: "waiting";
    readonly status: number;
    readonly restarts: number;
    readonly delayMs: number;
    readonly oom: boolean;
  }
  | { readonly kind: "stopping" }
  | { readonly kind: "exited"; readonly status: number; readonly oom: boolean }
  | { readonly kind: "fault"; readonly sentence: string }
  | { readonly kind: "off"; readonly reason: OffReason }
  | { readonly kind: "error"; readonly line: string };

/** What the host says. */
export type HostMessage =
  | { readonly kind: "hello" }
  | { readonly kind: "stop"; readonly graceMs: number }
  | { readonly kind: "kill" }
  | { readonly kind: "signal"; readonly signal: number };

const OFF_REASONS: readonly string[] = ["stop", "exit", "button", "fault"];

const STARTED_REGEXP = /^state started pid=(\d{1,9}) restarts=(\d{1,9})$/;
const WAITING_REGEXP =
  /^state waiting status=(\d{1,3}) restarts=(\d{1,9}) delay_ms=(\d{1,10})( oom=1)?$/;
const EXITED_REGEXP = /^state exited status=(\d{1,3})( oom=1)?$/;

const STATUS_MAX = 255;
const SIGNAL_MAX = 64;
const GRACE_MS_MAX = 0x7fff_ffff;

/** What a line of the guest (without its end) says; undefined for one that follows no rule. */
export function parseGuestLine(line: string): GuestMessage | undefined {
  if (line === "state booting") return { kind: "booting" };
  if (line === "state stopping") return { kind: "stopping" };
  if (line.startsWith("state ")) return parseState(line);
  const space = line.indexOf(" ");
  const rest = line.slice(space + 1);
  switch (line.slice(0, Math.max(space, 0))) {
    case "volant":
      return /^\d{1,9}$/.test(rest)
        ? { kind: "version", version: Number(rest) }
        : undefined;
    case "fault":
      return { kind: "fault", sentence: rest };
    case "off":
      return isOffReason(rest) ? { kind: "off", reason: rest } : undefined;
    case "error":
      return { kind: "error", line: rest };
    default:
      return undefined;
  }
}

function parseState(line: string): GuestMessage | undefined {
  const started = STARTED_REGEXP.exec(line);
  if (started !== null) {
    const [, pid, restarts] = started.map(Number);
    return { kind: "started", pid: pid ?? 0, restarts: restarts ?? 0 };
  }
  const waiting = WAITING_REGEXP.exec(line);
  if (waiting !== null) {
    const [, status = 0, restarts = 0, delayMs = 0] = waiting.map(Number);
    if (status > STATUS_MAX) return undefined;
    const oom = waiting[4] !== undefined;
    return { kind: "waiting", status, restarts, delayMs, oom };
  }
  const exited = EXITED_REGEXP.exec(line);
  const status = Number(exited?.[1] ?? STATUS_MAX + 1);
  if (status > STATUS_MAX) return undefined;
  return { kind: "exited", status, oom: exited?.[2] !== undefined };
}

function isOffReason(word: string): word is OffReason {
  return OFF_REASONS.includes(word);
}

/** The line, with its end, that says it. */
export function formatHostLine(message: HostMessage): string {
  switch (message.kind) {
    case "hello":
      return `hello ${CONTROL_VERSION}\n`;
    case "kill":
      return "kill\n";
    case "stop":
      return `stop ${whole(message.graceMs, 0, GRACE_MS_MAX, "grace")}\n`;
    case "signal":
      return `signal ${whole(message.signal, 1, SIGNAL_MAX, "signal")}\n`;
  }
}

function whole(value: number, min: number, max: number, name: string): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new Fault(
    "invalid-input",
    `Cannot send ${name} "${value}" to the guest: it is not a whole number from ${min} to ${max}`,
  );
}

/** Makes lines of the bytes of a control port, as they come. */
export class ControlLines {
  readonly #decoder = new TextDecoder();
  #bytes: number[] = [];
  #tooLong = false;

  /** The lines that these bytes complete, without their ends and without empty ones. */
  push(bytes: Uint8Array): string[] {
    const lines: string[] = [];
    for (const byte of bytes) {
      if (byte !== 0x0a) {
        this.#tooLong ||= this.#bytes.length >= CONTROL_LINE_BYTES - 1;
        if (!this.#tooLong) this.#bytes.push(byte);
        continue;
      }
      const line = this.#decoder.decode(Uint8Array.from(this.#bytes));
      if (line !== "" && !this.#tooLong) lines.push(line);
      this.#bytes = [];
      this.#tooLong = false;
    }
    return lines;
  }
}
