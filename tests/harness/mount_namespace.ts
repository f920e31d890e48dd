/**
 * A mount namespace of a test's own: what is mounted in it is seen by what runs
 * in it, and goes with it. An ordinary user's lies in a user namespace of its
 * own.
 */

import assert from "node:assert/strict";

const IS_ROOT = Deno.uid() === 0;

export class MountNamespace implements AsyncDisposable {
  readonly #anchor: Deno.ChildProcess;

  private constructor(anchor: Deno.ChildProcess) {
    this.#anchor = anchor;
  }

  static async create(): Promise<MountNamespace> {
    const anchor = new Deno.Command("unshare", {
      args: [
        ...(IS_ROOT ? [] : ["--user", "--map-root-user"]),
        ...["--mount", "--", "/bin/sh", "-c", "echo ready && exec cat"],
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = anchor.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    assert.equal(new TextDecoder().decode(value), "ready\n");
    return new MountNamespace(anchor);
  }

  /** Words before a command that is to run in it. */
  get enter(): readonly string[] {
    return [
      ...["nsenter", "--target", String(this.#anchor.pid)],
      ...(IS_ROOT ? [] : ["--user", "--preserve-credentials"]),
      ...["--mount", "--"],
    ];
  }

  /** Runs a command in it, which must end well. */
  async run(...command: readonly string[]): Promise<void> {
    const [program = "", ...args] = [...this.enter, ...command];
    const { code, stderr } = await new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
    }).output();
    const said = new TextDecoder().decode(stderr);
    assert.equal(code, 0, `${command.join(" ")}: ${said}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#anchor.stdin.close();
    await this.#anchor.stdout.cancel();
    await this.#anchor.status;
  }
}
