/**
 * What every command is given: where to print, whom to ask.
 *
 * Nothing is opened before a command asks for it, so that `volant version`
 * neither needs a daemon nor a home directory.
 *
 * @module
 */

import type { CommandContext, StricliProcess } from "@stricli/core";
import { Client } from "../api/client.ts";
import { folders } from "../lib/folders.ts";
import type { Output } from "./output.ts";

/** A signal asked a command to end; it has cleaned up. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  /** 128 and the signal's number, as a shell reports it. */
  readonly status: number;

  constructor(status: number) {
    super("interrupted");
    this.status = status;
  }
}

export interface Context extends CommandContext {
  readonly process: StricliProcess;
  readonly out: Output;
  /** Path of the daemon's socket, `named` first. */
  socketPath(named: string | undefined): string;
  /** A client for that socket. */
  connect(named: string | undefined): Client;
  /** A variable of the caller's environment. */
  env(name: string): string | undefined;
  /** Ends the program with this status although nothing failed. */
  exitWith(status: number): void;
}

export interface ContextOptions {
  readonly out: Output;
  /** Socket named ahead of the command. */
  readonly socket: string | undefined;
  readonly env?: (name: string) => string | undefined;
}

export function makeContext(options: ContextOptions): Context {
  const { out, socket, env = (name) => Deno.env.get(name) } = options;
  const process: StricliProcess = {
    stdout: { write: (text) => out.raw(text) },
    stderr: { write: (text) => out.note(text.replace(/\n$/, "")) },
    exitCode: null,
  };
  const socketPath = (named: string | undefined) =>
    named ?? socket ?? folders(env).socketPath;
  return {
    process,
    out,
    socketPath,
    connect: (named) => new Client(socketPath(named)),
    env,
    exitWith(status) {
      process.exitCode = status;
    },
  };
}
