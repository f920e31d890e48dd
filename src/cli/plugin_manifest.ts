/**
 * Reads the manifest of a plugin from a file or a URL, in the form the daemon
 * can use wherever it runs: files by absolute path or URL, the documents of
 * cloud-init in the manifest itself.
 *
 * A manifest that came by URL names nothing of this host: each path in it is
 * one on its server. This module brings the schemas with it: import it only
 * when a manifest is read.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { Fault } from "../lib/fault.ts";
import type { CloudInitDocument, Manifest } from "../manifest/manifest.ts";
import { MANIFEST_BYTES_MAX, parseManifest } from "../manifest/parse.ts";
import { digest, isDigest } from "../manifest/values.ts";
import {
  absolutePath,
  formatOf,
  readManifestFile,
  unreadable,
  withPlaces,
} from "./manifest_file.ts";

const FETCH_MS = 30_000;

export async function readPluginManifest(
  source: string,
  checksum: string | undefined,
  signal: AbortSignal,
): Promise<Manifest> {
  if (/^https?:\/\//i.test(source)) {
    return await readUrl(source, checksum, signal);
  }
  if (checksum !== undefined) {
    throw new Fault(
      "invalid-input",
      `Cannot use --checksum with manifest "${source}": it is a file`,
      { hint: "Leave --checksum out; it is for a manifest that is fetched" },
    );
  }
  const path = source.replace(/^file:\/\//i, "");
  const manifest = await readManifestFile(path);
  const folder = path.includes("/")
    ? path.slice(0, path.lastIndexOf("/"))
    : ".";
  return await withDocuments(manifest, async (name) => {
    const file = absolutePath(name, absolutePath(folder || "/", Deno.cwd()));
    return await Deno.readTextFile(file).catch((cause) => {
      throw unreadable(file, "cloud-init document", cause);
    });
  });
}

async function readUrl(
  source: string,
  checksum: string | undefined,
  signal: AbortSignal,
): Promise<Manifest> {
  if (!URL.canParse(source)) {
    throw new Fault("invalid-input", `Cannot fetch "${source}": it is no URL`, {
      hint: "Write one such as https://example.com/web/manifest.json",
    });
  }
  const wanted = checksum === undefined ? undefined : digest(checksum);
  const { text, url } = await fetchText(new URL(source), signal);
  if (wanted === undefined) refuseUnpinned(url);
  const found = `sha256:${createHash("sha256").update(text).digest("hex")}`;
  if (wanted !== undefined && wanted !== found) {
    throw new Fault(
      "checksum-mismatch",
      `Cannot use manifest "${source}": its checksum is ${found}, not ${wanted}`,
      { hint: "Compare with what its publisher says" },
    );
  }
  const name = url.pathname;
  const format = formatOf(name, text);
  const manifest = parseManifest(text, { name: source, format });
  const beside = (where: string) =>
    isDigest(where) ? where : new URL(where, url).href;
  return await withDocuments(
    withPlaces(manifest, beside),
    async (path) => (await fetchText(new URL(path, url), signal)).text,
  );
}

/** Anybody on the way may change what comes over http, but not on this host. */
function refuseUnpinned(url: URL): void {
  const isLocal = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === "https:" || isLocal) return;
  throw new Fault(
    "invalid-input",
    `Cannot install from "${url.href}": it comes over http, and no checksum is given`,
    { hint: "Add --checksum with the manifest's SHA-256, or use https" },
  );
}

/** The text, and where it was found after redirects. */
async function fetchText(
  from: URL,
  signal: AbortSignal,
): Promise<{ readonly text: string; readonly url: URL }> {
  const failed = (reason: string, cause?: unknown) =>
    new Fault("download-failed", `Cannot fetch "${from.href}": ${reason}`, {
      cause,
      hint: "Check the address and the network, or name a local file",
    });
  try {
    const response = await fetch(from, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)]),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw failed(`the server answered ${response.status}`);
    }
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > MANIFEST_BYTES_MAX) {
        throw failed(`it has more than ${MANIFEST_BYTES_MAX} bytes`);
      }
      chunks.push(chunk);
    }
    const text = await new Blob(chunks).text();
    return { text, url: new URL(response.url) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Fault) throw error;
    throw failed(error instanceof Error ? error.message : String(error), error);
  }
}

/** The manifest with the documents of cloud-init in place of their paths. */
async function withDocuments(
  manifest: Manifest,
  read: (path: string) => Promise<string>,
): Promise<Manifest> {
  const { cloud_init } = manifest;
  if (cloud_init === undefined) return manifest;
  const inlined = async (
    document: CloudInitDocument | undefined,
  ): Promise<CloudInitDocument | undefined> =>
    document?.path === undefined
      ? document
      : { inline: true, content: await read(document.path) };
  const documents = {
    user_data: await inlined(cloud_init.user_data),
    meta_data: await inlined(cloud_init.meta_data),
    network_config: await inlined(cloud_init.network_config),
  };
  return { ...manifest, cloud_init: { ...cloud_init, ...documents } };
}
