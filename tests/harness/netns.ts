/**
 * A network namespace of a test's own: bridge, TAPs, routes and rules live in it
 * and go with it. An ordinary user's lies in a user namespace of its own, in
 * which the daemon is root.
 *
 * It lasts as long as one process in it, which ends when the test does, however
 * that ends.
 */

import assert from "node:assert/strict";
import { until } from "./until.ts";

const IS_ROOT = Deno.uid() === 0;
const FETCH = `
const signal = AbortSignal.timeout(10_000);
const response = await fetch(Deno.args[0], { signal }).catch(() => Deno.exit(1));
if (!response.ok) Deno.exit(1);
Deno.stdout.writeSync(new Uint8Array(await response.arrayBuffer()));
`;

export interface Output {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Netns implements AsyncDisposable {
  readonly #anchor: Deno.ChildProcess;

  private constructor(anchor: Deno.ChildProcess) {
    this.#anchor = anchor;
  }

  /**
   * With `lo` up, and nothing else. One beside `neighbour` has the same owner,
   * so that interfaces can be moved from the one to the other.
   */
  static async create(neighbour?: Netns): Promise<Netns> {
    const [program = "", ...args] = [
      ...neighbour?.enter ?? [],
      "unshare",
      ...(IS_ROOT || neighbour ? [] : ["--user", "--map-root-user"]),
      ...["--net", "--", "/bin/sh", "-c"],
      "ip link set lo up && echo ready && exec cat",
    ];
    const anchor = new Deno.Command(program, {
      args,
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const netns = new Netns(anchor);
    const reader = anchor.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    assert.equal(new TextDecoder().decode(value), "ready\n");
    return netns;
  }

  /** Pid of a process in it. */
  get pid(): number {
    return this.#anchor.pid;
  }

  /** Words before a command that is to run in it. */
  get enter(): readonly string[] {
    return [
      ...["nsenter", "--target", String(this.#anchor.pid)],
      ...(IS_ROOT ? [] : ["--user", "--preserve-credentials"]),
      ...["--net", "--"],
    ];
  }

  spawn(...command: readonly string[]): Deno.ChildProcess {
    const [program = "", ...args] = [...this.enter, ...command];
    return new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  async try(...command: readonly string[]): Promise<Output> {
    const { code, stdout, stderr } = await this.spawn(...command).output();
    const text = new TextDecoder();
    return {
      status: code,
      stdout: text.decode(stdout),
      stderr: text.decode(stderr),
    };
  }

  /** As `try`, for what must succeed; its standard output. */
  async run(...command: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.try(...command);
    assert.equal(status, 0, `${command.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** A page as a program in there gets it; undefined if it does not. */
  async fetchText(url: string): Promise<string | undefined> {
    const { status, stdout } = await this.try(
      ...[Deno.execPath(), "eval", "--no-config", "--no-check", FETCH, url],
    );
    return status === 0 ? stdout : undefined;
  }

  /** Names of its interfaces, but for `lo`. */
  async links(): Promise<string[]> {
    const links = JSON.parse(await this.run("ip", "-j", "link", "show"));
    return links.map(({ ifname }: { ifname: string }) => ifname)
      .filter((name: string) => name !== "lo");
  }

  /** Addresses of guests that the firewall knows, on a bridge of that name. */
  async knownGuests(bridge = "vbr0"): Promise<string[]> {
    const { status, stdout } = await this.try(
      ...["nft", "-j", "list", "set", "inet", `volant_${bridge}`, "guests"],
    );
    if (status !== 0) return [];
    const { nftables } = JSON.parse(stdout);
    return nftables.flatMap((
      { set }: { set?: { elem?: readonly string[] } },
    ) => set?.elem ?? []).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#anchor.stdin.close();
    await this.#anchor.stdout.cancel();
    await this.#anchor.status;
    // Devices go a moment after the last process.
    await until("the namespace is gone", async () => {
      const found = await Deno.lstat(`/proc/${this.#anchor.pid}`)
        .catch(() => undefined);
      return found === undefined;
    });
  }
}
