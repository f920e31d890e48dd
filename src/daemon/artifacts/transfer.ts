/**
 * One transfer of an artifact into a file, hashed on the way, within limits: so
 * many bytes, so much of the disk, so long without a byte, so many redirects.
 * It may be tried again after it broke off, and then goes on where it stopped
 * if the server shows that the file is the same, or a checksum will.
 * `download.ts` says how often.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import { Fault, type FaultCode } from "../../lib/fault.ts";
import { storageFault, writeAll } from "../../lib/files.ts";
import { DiskRoom } from "./disk_room.ts";
import { httpGet, type Reply, shownUrl } from "./http_get.ts";

const REDIRECTS_MAX = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface DownloadRules {
  /** Whether this host's own addresses may be asked: for tests and mirrors. */
  readonly allowLoopback: boolean;
  readonly bytesMax: number;
  /** How long no byte may come. */
  readonly idleMs: number;
  /** How long to wait before each further try. */
  readonly pausesMs: readonly number[];
}

export interface TransferOptions {
  readonly url: URL;
  /** Whether the caller knows the digest and will compare it. */
  readonly isPinned: boolean;
  /** An existing, empty file. */
  readonly target: string;
  readonly rules: DownloadRules;
  readonly signal: AbortSignal;
}

/** The transfer broke off; it may be tried again. */
export class BrokenOff extends Error {
  override readonly name = "BrokenOff";
}

export class Transfer {
  readonly #file: Deno.FsFile;
  readonly #options: TransferOptions;
  #hash: Hash = createHash("sha256");
  #size = 0;
  /** What the server said the file is: a strong ETag, or a time. */
  #validator: string | undefined;

  constructor(file: Deno.FsFile, options: TransferOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** One try, from where the last one ended; the digest. Throws `BrokenOff`. */
  async attempt(): Promise<string> {
    const { signal, rules, isPinned } = this.#options;
    const isSame = isPinned || this.#validator !== undefined;
    if (this.#size > 0 && !isSame) await this.#reset();
    using idle = new IdleWatch(rules.idleMs, signal);
    try {
      const reply = await this.#ask(idle.signal);
      idle.beat();
      try {
        await this.#receive(reply, () => idle.beat());
      } finally {
        reply.cancel();
      }
      return `sha256:${this.#hash.digest("hex")}`;
    } catch (error) {
      if (error instanceof Fault || error instanceof BrokenOff) throw error;
      throw idle.signal.aborted ? idle.signal.reason : new BrokenOff(
        error instanceof Error ? error.message : String(error),
        { cause: error },
      );
    }
  }

  /** The answer that holds the file, after redirects. */
  async #ask(signal: AbortSignal): Promise<Reply> {
    const { allowLoopback } = this.#options.rules;
    let { url } = this.#options;
    for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
      const headers = this.#headers();
      const reply = await httpGet(url, { headers, allowLoopback, signal });
      const target = reply.header("location");
      if (!REDIRECTS.has(reply.status) || target === undefined) {
        return reply;
      }
      reply.cancel();
      url = this.#redirected(url, target);
    }
    throw this.#failed(`it was redirected more than ${REDIRECTS_MAX} times`);
  }

  #redirected(from: URL, target: string): URL {
    const url = URL.canParse(target, from) ? new URL(target, from) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      throw this.#failed(`it was redirected to "${target}"`);
    }
    if (url.protocol === "http:" && !this.#options.isPinned) {
      throw unpinned(url);
    }
    return url;
  }

  #headers(): Record<string, string> {
    // The bytes of the file are wanted, not a compressed form of them.
    const headers = { "accept-encoding": "identity", "user-agent": "volant" };
    if (this.#size === 0) return headers;
    return {
      ...headers,
      range: `bytes=${this.#size}-`,
      ...(this.#validator !== undefined && { "if-range": this.#validator }),
    };
  }

  /** Writes what comes behind what is there, or in its place. */
  async #receive(reply: Reply, beat: () => void): Promise<void> {
    await this.#checkStatus(reply);
    this.#validator = validatorOf(reply);
    const length = reply.header("content-length");
    const whole = length === undefined
      ? undefined
      : this.#size + Number(length);
    this.#checkSize(whole ?? 0);
    const { url, target } = this.#options;
    const what = `Cannot fetch artifact "${shownUrl(url)}"`;
    const room = new DiskRoom(target, what);
    await room.check(Number(length ?? 0));
    for await (const chunk of reply.body) {
      beat();
      this.#checkSize(this.#size + chunk.length);
      await room.took(chunk.length);
      await this.#write(chunk);
    }
    if (whole !== undefined && this.#size < whole) {
      throw new BrokenOff(`it ended after ${this.#size} of ${whole} bytes`);
    }
  }

  async #checkStatus({ status, header }: Reply): Promise<void> {
    if (status === 206 && this.#size > 0) {
      const range = header("content-range") ?? "";
      if (range.startsWith(`bytes ${this.#size}-`)) return;
      await this.#reset();
      throw new BrokenOff(`the server sent another part: "${range}"`);
    }
    if (status === 200) return await this.#reset();
    if (status === 416) await this.#reset();
    const answer = `the server answered ${status}`;
    const mayPass = [408, 416, 425, 429].includes(status) || status >= 500;
    if (mayPass) throw new BrokenOff(answer);
    const isGone = status === 404 || status === 410;
    throw this.#failed(answer, isGone ? "file-not-found" : "download-failed");
  }

  async #reset(): Promise<void> {
    this.#hash = createHash("sha256");
    this.#size = 0;
    await this.#file.truncate(0);
    await this.#file.seek(0, Deno.SeekMode.Start);
  }

  async #write(chunk: Uint8Array): Promise<void> {
    try {
      await writeAll(this.#file, chunk);
    } catch (error) {
      throw storageFault(error, "write", this.#options.target);
    }
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  #checkSize(bytes: number): void {
    const { bytesMax } = this.#options.rules;
    if (bytes <= bytesMax) return;
    throw failed(this.#options.url, `it has more than ${bytesMax} bytes`, {
      hint: "Start the daemon with a larger --download-limit",
    });
  }

  #failed(reason: string, code?: FaultCode): Fault {
    return failed(this.#options.url, reason, { code });
  }
}

/**
 * Aborts when nothing has come for a while, or with `outer`. `AbortSignal.any`
 * would let go of signals that nobody else holds.
 */
class IdleWatch implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #outer: AbortSignal;
  readonly #stop = () => this.#controller.abort(this.#outer.reason);
  #last = performance.now();

  constructor(idleMs: number, outer: AbortSignal) {
    this.#outer = outer;
    outer.addEventListener("abort", this.#stop, { once: true });
    if (outer.aborted) this.#stop();
    this.#timer = setInterval(() => {
      if (performance.now() - this.#last < idleMs) return;
      const reason = `nothing came for ${idleMs / 1000} seconds`;
      this.#controller.abort(new BrokenOff(reason));
    }, idleMs / 4);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  beat(): void {
    this.#last = performance.now();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#outer.removeEventListener("abort", this.#stop);
  }
}

/** What tells later whether the file is still the same (RFC 9110, 13.1.5). */
function validatorOf({ header }: Reply): string | undefined {
  const tag = header("etag");
  if (tag !== undefined && tag.startsWith('"')) return tag;
  return header("last-modified");
}

/** Anybody on the way may change what comes over http. */
export function unpinned(url: URL): Fault {
  return new Fault(
    "invalid-input",
    `Cannot fetch artifact "${
      shownUrl(url)
    }": it comes over http, and the manifest has no checksum of it`,
    { hint: "Add its checksum, as sha256sum prints it, or use https" },
  );
}

export function failed(
  url: URL,
  reason: string,
  { code = "download-failed", hint, cause }: {
    readonly code?: FaultCode | undefined;
    readonly hint?: string;
    readonly cause?: unknown;
  } = {},
): Fault {
  return new Fault(
    code,
    `Cannot fetch artifact "${shownUrl(url)}": ${reason}`,
    {
      cause,
      hint: hint ??
        "Check the url in the manifest, and whether its server is well",
    },
  );
}
