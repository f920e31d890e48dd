/**
 * A registry of the test's own on a loopback port. It serves the images of a
 * layout on the disk, and misbehaves as it is told.
 */

import { type Descriptor, writeOciLayout } from "./oci_image.ts";
import type { LayoutImage } from "./oci_image.ts";

export interface Asked {
  readonly method: string;
  /** Without the host; with the query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
  /** The first one of this path is 1. */
  readonly count: number;
  readonly kind: "manifest" | "blob" | "other";
  /** A tag or digest. */
  readonly reference: string;
}

/** An answer in place of the right one; undefined for that. */
export type Misbehave = (
  asked: Asked,
) => Response | undefined | Promise<Response | undefined>;

export interface FakeRegistry extends AsyncDisposable {
  readonly host: string;
  readonly folder: string;
  readonly asked: readonly Asked[];
  /** What is asked of blobs and manifests, in short: `blob 1a2b`. */
  readonly lines: string[];
  misbehave: Misbehave;
  /** Adds an image to those served; the digest of its manifest. */
  add(image: LayoutImage): Promise<string>;
  /** A blob of the layout. */
  blob(digest: string): Promise<Uint8Array<ArrayBuffer>>;
}

const PATH_REGEXP = /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)$/;

export async function fakeRegistry(
  misbehave: Misbehave = () => undefined,
): Promise<FakeRegistry> {
  const folder = await Deno.makeTempDir({ prefix: "volant-fake-registry-" });
  const asked: Asked[] = [];
  const end = new AbortController();
  const server = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      signal: end.signal,
      onListen: () => {},
      // A body that is cut on purpose.
      onError: () => new Response(null, { status: 500 }),
    },
    async (request) => {
      const one = await askedOf(request, asked);
      asked.push(one);
      return await registry.misbehave(one) ?? await rightAnswer(folder, one);
    },
  );
  const registry: FakeRegistry = {
    host: `127.0.0.1:${server.addr.port}`,
    folder,
    asked,
    misbehave,
    get lines() {
      return asked.filter(({ kind }) => kind !== "other")
        .map(({ kind, reference }) =>
          `${kind} ${reference.replace("sha256:", "").slice(0, 12)}`
        );
    },
    async add(image) {
      return (await writeOciLayout(folder, image)).digest;
    },
    blob: (digest) =>
      Deno.readFile(`${folder}/blobs/${digest.replace(":", "/")}`),
    async [Symbol.asyncDispose]() {
      // Not `shutdown`, which would wait for what does not end.
      end.abort();
      await server.finished;
      await Deno.remove(folder, { recursive: true });
    },
  };
  return registry;
}

async function askedOf(
  request: Request,
  before: readonly Asked[],
): Promise<Asked> {
  const { pathname, search } = new URL(request.url);
  const [, , kind, reference = ""] = PATH_REGEXP.exec(pathname) ?? [];
  const path = pathname + search;
  return {
    method: request.method,
    path,
    headers: request.headers,
    body: await request.text(),
    count: before.filter((each) => each.path === path).length + 1,
    kind: kind === "manifests"
      ? "manifest"
      : kind === "blobs"
      ? "blob"
      : "other",
    reference,
  };
}

async function rightAnswer(folder: string, asked: Asked): Promise<Response> {
  if (asked.path === "/v2/") return new Response("{}");
  if (asked.kind === "other") return unknown("NAME_UNKNOWN");
  const found = await find(folder, asked);
  if (found === undefined) {
    return unknown(
      asked.kind === "manifest" ? "MANIFEST_UNKNOWN" : "BLOB_UNKNOWN",
    );
  }
  const { digest, mediaType } = found;
  const bytes = await Deno.readFile(
    `${folder}/blobs/${digest.replace(":", "/")}`,
  );
  return partOf(bytes, asked, {
    "content-type": mediaType,
    "docker-content-digest": digest,
  });
}

async function find(
  folder: string,
  { kind, reference }: Asked,
): Promise<Pick<Descriptor, "digest" | "mediaType"> | undefined> {
  if (reference.includes(":")) {
    const path = `${folder}/blobs/${reference.replace(":", "/")}`;
    const isThere = await Deno.stat(path).then(() => true, () => false);
    const mediaType = kind === "blob"
      ? "application/octet-stream"
      : "application/vnd.oci.image.manifest.v1+json";
    return isThere ? { digest: reference, mediaType } : undefined;
  }
  const { manifests } = JSON.parse(
    await Deno.readTextFile(`${folder}/index.json`),
  ) as { manifests: Descriptor[] };
  return manifests.find(({ annotations = {} }) =>
    annotations["org.opencontainers.image.ref.name"] === reference
  );
}

/** The bytes from where the request's Range begins. */
export function partOf(
  bytes: Uint8Array<ArrayBuffer>,
  { headers }: Pick<Asked, "headers">,
  more: Readonly<Record<string, string>> = {},
): Response {
  const from = rangeStart(headers);
  return new Response(bytes.subarray(from), {
    status: from === 0 ? 200 : 206,
    headers: {
      ...more,
      ...(from === 0 ? {} : {
        "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
      }),
    },
  });
}

export function rangeStart(headers: Headers): number {
  return Number(/^bytes=(\d+)-/.exec(headers.get("range") ?? "")?.[1] ?? 0);
}

/** A part of the bytes from where the Range begins, then a cut connection. */
export function cutAfter(
  bytes: Uint8Array<ArrayBuffer>,
  length: number,
  { headers }: Pick<Asked, "headers">,
): Response {
  const from = rangeStart(headers);
  const pieces = [bytes.subarray(from, from + length)];
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = pieces.shift();
      if (piece !== undefined) controller.enqueue(piece);
      else controller.error(new Error("cut on purpose"));
    },
  });
  return new Response(body, {
    status: from === 0 ? 200 : 206,
    headers: {
      "content-length": String(bytes.length - from),
      "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
    },
  });
}

export function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(32)),
  });
}

/** As registries say what is wrong. */
export function refusal(
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const message = code.toLowerCase().replaceAll("_", " ");
  return Response.json({ errors: [{ code, message }] }, { status, headers });
}

function unknown(code: string): Response {
  return refusal(404, code);
}
