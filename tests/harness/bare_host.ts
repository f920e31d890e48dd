/**
 * A host with nothing on it: namespaces of its own over a bare root, with the
 * executable copied into it. Nothing of the repository can be seen in there,
 * and no network reached. Disposing of it, or the death of the test, ends
 * everything inside; nothing of it is left on the real host.
 *
 * @module
 */

import assert from "node:assert/strict";
import { debianTree } from "./debian_tree.ts";
import { built, source } from "./built.ts";
import { until } from "./until.ts";

export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What Volant's users install beside it. */
const RUNTIME_PACKAGES = [
  "qemu-system-x86",
  "passt",
  "e2fsprogs",
  "iproute2",
  "nftables",
];

const ENVIRONMENT = { PATH: "/usr/bin:/usr/sbin", HOME: "/root" };
const DEADLINE_MS = 120_000;

/** Others have the rights to make namespaces in a user namespace only. */
const IS_ROOT = Deno.uid() === 0;

export class BareHost implements AsyncDisposable {
  readonly #work: string;
  readonly #anchor: Deno.ChildProcess;
  /** Of the process that is PID 1 in there, on the real host. */
  readonly #pid: string;

  private constructor(work: string, anchor: Deno.ChildProcess, pid: string) {
    this.#work = work;
    this.#anchor = anchor;
    this.#pid = pid;
  }

  /** Arguments of nsenter. */
  get #enter(): string[] {
    return [
      ...["--target", this.#pid],
      ...(IS_ROOT ? [] : ["--user", "--preserve-credentials"]),
      ...["--mount", "--pid", "--net", "--ipc", "--uts", "--"],
    ];
  }

  static async start(): Promise<BareHost> {
    const tree = await debianTree(RUNTIME_PACKAGES);
    const work = await Deno.makeTempDir({ prefix: "volant-bare-" });
    const anchor = new Deno.Command("unshare", {
      args: [
        ...(IS_ROOT ? [] : ["--user", "--map-root-user"]),
        ...["--mount", "--pid", "--net", "--ipc", "--uts"],
        ...["--fork", "--kill-child", "--propagation", "private", "--"],
        source("tests/fixtures/bare_root/enter.sh"),
        ...[tree, built("volant"), work],
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const output = anchor.stdout.getReader();
    const { value } = await output.read();
    await output.cancel();
    const pid = new TextDecoder().decode(value).trim();
    const host = new BareHost(work, anchor, pid);
    if (/^\d+$/.test(pid)) return host;
    await host[Symbol.asyncDispose]();
    throw new Error("Cannot set up a bare host: see above for what failed");
  }

  /** Runs a program in there to its end. */
  async run(...words: readonly string[]): Promise<Result> {
    const { code, stdout, stderr } = await new Deno.Command("nsenter", {
      args: [...this.#enter, ...words],
      clearEnv: true,
      env: ENVIRONMENT,
      stdin: "null",
      signal: AbortSignal.timeout(DEADLINE_MS),
    }).output();
    const text = new TextDecoder();
    return {
      status: code,
      stdout: text.decode(stdout),
      stderr: text.decode(stderr),
    };
  }

  /** Runs Volant's command line, which must succeed; its standard output. */
  async volant(...words: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run("/volant", ...words);
    assert.equal(status, 0, `volant ${words.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Starts a daemon in there; it ends with the host at the latest. */
  async startDaemon(): Promise<void> {
    const daemon = new Deno.Command("nsenter", {
      args: [...this.#enter, "/volant", "daemon"],
      clearEnv: true,
      env: ENVIRONMENT,
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    daemon.unref();
    await until("the daemon answers", async () => {
      return (await this.run("/volant", "system", "info")).status === 0;
    }, DEADLINE_MS);
  }

  /** Copies a file of the real host to `to`, a path in there. */
  async copy(from: string, to: string): Promise<void> {
    const path = `/proc/${this.#pid}/root${to}`;
    await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.copyFile(from, path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#anchor.stdin.close();
    await this.#anchor.status;
    await Deno.remove(this.#work);
  }
}
