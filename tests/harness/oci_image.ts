/**
 * Images for tests and the demo: OCI layouts on the disk, made of files that a
 * test names or of a folder of the host. The same input gives the same bytes.
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip, gzipSync, zstdCompressSync } from "node:zlib";
import { tar, type TarFile, tarPadding, tarStart } from "./tar.ts";

export interface LayoutLayer {
  readonly entries: readonly TarFile[];
  readonly compression?: "gzip" | "zstd" | "none";
}

/** The part of an image's config that says how it runs; Docker's names. */
export interface RunConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly StopSignal?: string;
  readonly ExposedPorts?: Readonly<Record<string, unknown>>;
  readonly Volumes?: Readonly<Record<string, unknown>>;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Healthcheck?: Readonly<Record<string, unknown>>;
}

export interface LayoutImage {
  /** `latest` when absent. */
  readonly tag?: string;
  readonly layers: readonly LayoutLayer[];
  readonly config?: RunConfig;
  readonly created?: string;
  /** That of this host when absent. */
  readonly architecture?: string;
}

export interface WrittenImage {
  /** Of the manifest. */
  readonly digest: string;
  /** What to give `volant run`. */
  readonly reference: string;
}

/** A blob of a layout, as the documents that name it describe it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Readonly<Record<string, string>>;
}

interface WrittenLayer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
}

const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";

export const HOST_ARCHITECTURE = Deno.build.arch === "aarch64"
  ? "arm64"
  : "amd64";

/** Writes a layout with one image; adds the image to a layout that is there. */
export async function writeOciLayout(
  folder: string,
  image: LayoutImage,
): Promise<WrittenImage> {
  return await writeImage(
    folder,
    image,
    await writeLayers(folder, image.layers),
  );
}

async function writeLayers(
  folder: string,
  layers: readonly LayoutLayer[],
): Promise<WrittenLayer[]> {
  const written: WrittenLayer[] = [];
  for (const { entries, compression = "gzip" } of layers) {
    const plain = tar(entries);
    const stored = compression === "gzip"
      ? gzipSync(plain)
      : compression === "zstd"
      ? zstdCompressSync(plain)
      : plain;
    const type = compression === "none"
      ? LAYER_TYPE
      : `${LAYER_TYPE}+${compression}`;
    written.push({
      descriptor: await writeBlob(folder, type, stored),
      diffId: sha256(plain),
    });
  }
  return written;
}

/**
 * Writes a layout whose first layer holds a folder of the host: names sorted,
 * all of root, times 0; permissions and links as they are. The named layers go
 * on top.
 */
export async function ociLayoutFromFolder(
  folder: string,
  { root, layers = [], ...image }:
    & Omit<LayoutImage, "layers">
    & Partial<Pick<LayoutImage, "layers">>
    & { readonly root: string },
): Promise<WrittenImage> {
  await Deno.mkdir(`${folder}/blobs/sha256`, { recursive: true });
  const partial = `${folder}/blobs/layer.partial`;
  const plainHash = createHash("sha256");
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of folderTar(root)) {
      plainHash.update(chunk);
      yield chunk;
    }
  }
  await pipeline(
    Readable.from(hashed(), { objectMode: false }),
    createGzip({ level: 1 }),
    createWriteStream(partial),
  );
  const storedHash = createHash("sha256");
  for await (const chunk of createReadStream(partial)) storedHash.update(chunk);
  const digest = `sha256:${storedHash.digest("hex")}`;
  const { size } = await Deno.stat(partial);
  await Deno.rename(partial, blobPath(folder, digest));
  const descriptor = { mediaType: `${LAYER_TYPE}+gzip`, digest, size };
  const diffId = `sha256:${plainHash.digest("hex")}`;
  return await writeImage(folder, image, [
    { descriptor, diffId },
    ...await writeLayers(folder, layers),
  ]);
}

/** An archive of a layout, as `skopeo copy` to `oci-archive:` writes it. */
export async function layoutArchive(folder: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of folderTar(folder)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function writeBlob(
  folder: string,
  mediaType: string,
  bytes: Uint8Array,
): Promise<Descriptor> {
  const digest = sha256(bytes);
  await Deno.mkdir(`${folder}/blobs/sha256`, { recursive: true });
  await Deno.writeFile(blobPath(folder, digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

export async function writeJsonBlob(
  folder: string,
  mediaType: string,
  value: unknown,
): Promise<Descriptor> {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return await writeBlob(folder, mediaType, bytes);
}

export function blobPath(folder: string, digest: string): string {
  return `${folder}/blobs/${digest.replace(":", "/")}`;
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

async function writeImage(
  folder: string,
  image: Omit<LayoutImage, "layers">,
  layers: readonly WrittenLayer[],
): Promise<WrittenImage> {
  const { tag = "latest", created, architecture = HOST_ARCHITECTURE } = image;
  const config = await writeJsonBlob(
    folder,
    "application/vnd.oci.image.config.v1+json",
    {
      ...(created === undefined ? {} : { created }),
      architecture,
      os: "linux",
      config: image.config ?? {},
      rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    },
  );
  const manifest = await writeJsonBlob(folder, MANIFEST_TYPE, {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config,
    layers: layers.map(({ descriptor }) => descriptor),
  });
  await addToIndex(folder, {
    ...manifest,
    annotations: { "org.opencontainers.image.ref.name": tag },
  });
  return { digest: manifest.digest, reference: `oci:${folder}:${tag}` };
}

/** Adds a manifest, or an index, to the layout's own index. */
export async function addToIndex(
  folder: string,
  descriptor: Descriptor,
): Promise<void> {
  const path = `${folder}/index.json`;
  const there: Descriptor[] = await Deno.readTextFile(path).then(
    (text) => JSON.parse(text).manifests,
    () => [],
  );
  const index = { schemaVersion: 2, manifests: [...there, descriptor] };
  await Deno.writeTextFile(path, JSON.stringify(index));
  await Deno.writeTextFile(
    `${folder}/oci-layout`,
    JSON.stringify({ imageLayoutVersion: "1.0.0" }),
  );
}

async function* folderTar(root: string): AsyncGenerator<Uint8Array> {
  yield* folderEntries(root, "");
  yield new Uint8Array(1024);
}

async function* folderEntries(
  root: string,
  below: string,
): AsyncGenerator<Uint8Array> {
  const names = [];
  for await (const { name } of Deno.readDir(`${root}/${below}`)) {
    names.push(name);
  }
  for (const name of names.sort()) {
    const path = `${root}/${below}${name}`;
    const info = await Deno.lstat(path);
    const file = {
      name: Buffer.from(`${below}${name}`).toString("latin1"),
      mode: (info.mode ?? 0o644) & 0o7777,
    };
    if (info.isDirectory) {
      yield* tarStart({ ...file, name: `${file.name}/`, type: "5", size: 0 });
      yield* folderEntries(root, `${below}${name}/`);
    } else if (info.isSymlink) {
      const target = await Deno.readLink(path);
      const linkName = Buffer.from(target).toString("latin1");
      yield* tarStart({ ...file, mode: 0o777, type: "2", linkName, size: 0 });
    } else if (info.isFile) {
      yield* tarStart({ ...file, size: info.size });
      for await (const chunk of createReadStream(path)) yield chunk;
      yield tarPadding(info.size);
    }
  }
}
