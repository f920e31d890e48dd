/**
 * What a manifest's `url` may be, and how its bytes come in: a file of this
 * host is copied, a URL is fetched, both hashed on the way.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { Fault } from "../../lib/fault.ts";
import { openRegularFile, storageFault, writeAll } from "../../lib/files.ts";
import { DiskRoom } from "./disk_room.ts";
import { download } from "./download.ts";
import { shownUrl } from "./http_get.ts";
import { type DownloadRules, unpinned } from "./transfer.ts";

/** As long as what is read at once. */
const ZEROES = Buffer.alloc(64 * 1024);

interface LocalFile {
  readonly kind: "file";
  readonly path: string;
  readonly shown: string;
}

interface RemoteFile {
  readonly kind: "remote";
  readonly url: URL;
  /** Without a password. */
  readonly shown: string;
}

interface HeldFile {
  readonly kind: "held";
  readonly digest: string;
}

export type Source = LocalFile | RemoteFile | HeldFile;

/** Throws `invalid-input` for what the daemon cannot find. */
export function sourceOf(url: string): Source {
  if (/^sha256:[0-9a-f]{64}$/.test(url)) return { kind: "held", digest: url };
  if (url.startsWith("/")) return { kind: "file", path: url, shown: url };
  if (/^file:\/\/(?:localhost)?\//i.test(url)) {
    const path = decodeURIComponent(new URL(url).pathname);
    return { kind: "file", path, shown: path };
  }
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) {
    const remote = new URL(url);
    return { kind: "remote", url: remote, shown: shownUrl(remote) };
  }
  throw new Fault(
    "invalid-input",
    `Cannot find artifact "${url}": it is no absolute path, http(s) URL or sha256: digest`,
    { hint: "Give an absolute path: the daemon may run in another folder" },
  );
}

export interface TakeOptions {
  /** Made here. */
  readonly target: string;
  /** Whether the caller knows the digest and will compare it. */
  readonly isPinned: boolean;
  readonly rules: DownloadRules;
  readonly signal: AbortSignal;
}

/** Writes the file to `target`; its digest. */
export async function takeIn(
  source: LocalFile | RemoteFile,
  options: TakeOptions,
): Promise<string> {
  const { target, isPinned, rules, signal } = options;
  if (source.kind === "file") {
    return await copyAndHash(source.path, target, signal);
  }
  const { url } = source;
  if (url.protocol === "http:" && !isPinned) throw unpinned(url);
  await makeReadable(target);
  return await download({ url, isPinned, target, rules, signal });
}

async function copyAndHash(
  source: string,
  target: string,
  signal: AbortSignal,
): Promise<string> {
  using from = await openRegularFile(source, {
    what: "artifact",
    hint: "Check the url in the manifest",
  });
  try {
    await makeReadable(target);
    using to = await Deno.open(target, { write: true });
    const hash = createHash("sha256");
    const room = new DiskRoom(target, `Cannot copy artifact "${source}"`);
    await room.check();
    let size = 0;
    let at = 0;
    for await (const chunk of from.readable) {
      signal.throwIfAborted();
      hash.update(chunk);
      // A disk image may be a thousand times what is in it: its holes stay.
      if (!isZero(chunk)) {
        await room.took(chunk.length);
        if (at !== size) await to.seek(size, Deno.SeekMode.Start);
        await writeAll(to, chunk);
        at = size + chunk.length;
      }
      size += chunk.length;
    }
    await to.truncate(size);
    await to.sync();
    return `sha256:${hash.digest("hex")}`;
  } catch (error) {
    throw storageFault(error, "write", target);
  }
}

function isZero(chunk: Uint8Array): boolean {
  const zeroes = ZEROES.subarray(0, chunk.length);
  return zeroes.length === chunk.length && zeroes.equals(chunk);
}

/** For the VMM, which may run as somebody else, under any umask. */
async function makeReadable(target: string): Promise<void> {
  try {
    (await Deno.open(target, { write: true, createNew: true })).close();
    await Deno.chmod(target, 0o644);
  } catch (error) {
    throw storageFault(error, "write", target);
  }
}
