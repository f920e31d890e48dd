/**
 * Artifacts by URL, from a server of the test's own that misbehaves as told.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { until } from "../../lib/deadline.ts";
import { Fault } from "../../lib/fault.ts";
import { ArtifactStore } from "./artifact_store.ts";
import { DOWNLOAD_RULES } from "./download.ts";
import type { DownloadRules } from "./transfer.ts";

const BODY = crypto.getRandomValues(new Uint8Array(50_000));
const CHECKSUM = `sha256:${createHash("sha256").update(BODY).digest("hex")}`;
const never = new AbortController().signal;

interface Asked {
  readonly path: string;
  readonly headers: Headers;
}

interface Site extends AsyncDisposable {
  readonly origin: string;
  readonly store: ArtifactStore;
  readonly asked: readonly Asked[];
  /** Files that are in the store, in whatever state. */
  files(): string[];
}

async function site(
  answer: (asked: Asked, count: number) => Response | Promise<Response>,
  rules: Partial<DownloadRules> = {},
): Promise<Site> {
  const folder = await Deno.makeTempDir();
  const asked: Asked[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      const one = {
        path: new URL(request.url).pathname,
        headers: request.headers,
      };
      asked.push(one);
      return answer(one, asked.length);
    },
  );
  const store = new ArtifactStore(folder, {
    ...DOWNLOAD_RULES,
    allowLoopback: true,
    pausesMs: [1, 1],
    ...rules,
  });
  await store.open();
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    store,
    asked,
    files: () =>
      ["incoming", "sha256"].flatMap((name) =>
        [...Deno.readDirSync(`${folder}/artifacts/${name}`)].map(
          (entry) => `${name}/${entry.name}`,
        )
      ),
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/**
 * Serves `files`, one per connection, in pieces: a connection is closed once
 * the store has `pieceSize` bytes more than it asked behind.
 */
function cuttingServer(
  { store, files }: Pick<Site, "store" | "files">,
  bodies: readonly Uint8Array<ArrayBuffer>[],
  pieceSize: number,
): { readonly origin: string; readonly heads: string[] } & Disposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const heads: string[] = [];
  const received = async (size: number) => {
    const [file = ""] = files().filter((name) => name.startsWith("incoming"));
    const path = store.path("").replace(/sha256\/$/, file);
    return (await Deno.stat(path)).size >= size ? true : undefined;
  };
  const serve = async () => {
    for (const body of bodies) {
      using connection = await listener.accept();
      const buffer = new Uint8Array(10_000);
      const count = await connection.read(buffer) ?? 0;
      const asked = new TextDecoder().decode(buffer.subarray(0, count));
      heads.push(asked);
      const from = Number(/^range: bytes=(\d+)-/im.exec(asked)?.[1] ?? 0);
      const piece = body.slice(from, from + pieceSize);
      const head = from === 0 ? "200 OK" : "206 Partial Content\r\n" +
        `Content-Range: bytes ${from}-${body.length - 1}/${body.length}`;
      const more = `Content-Length: ${body.length - from}\r\nETag: "one"`;
      const writer = connection.writable.getWriter();
      await writer.write(
        new TextEncoder().encode(`HTTP/1.1 ${head}\r\n${more}\r\n\r\n`),
      );
      await writer.write(piece);
      if (from + piece.length === body.length) continue;
      await until(() => received(from + piece.length), 10_000);
    }
  };
  // What fails here is missing there.
  serve().catch(() => {});
  return {
    origin: `http://127.0.0.1:${listener.addr.port}`,
    heads,
    [Symbol.dispose]: () => listener.close(),
  };
}

async function refusal(
  { store, origin, files }: Site,
  { path = "/a", checksum }: { path?: string; checksum?: string } = {
    checksum: CHECKSUM,
  },
): Promise<Fault> {
  const url = path.startsWith("/") ? origin + path : path;
  try {
    await store.import({ url, checksum }, never);
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    assert.deepEqual(files(), []);
    return error;
  }
  assert.fail("nothing was thrown");
}

Deno.test("import() fetches a file, once for each digest", async () => {
  await using here = await site(() => new Response(BODY));
  const { store, origin, asked } = here;
  const artifact = { url: `${origin}/a`, checksum: CHECKSUM };
  assert.equal(await store.import(artifact, never), CHECKSUM);
  assert.deepEqual(await Deno.readFile(store.path(CHECKSUM)), BODY);
  assert.equal(await store.import(artifact, never), CHECKSUM);
  assert.equal(await store.import({ url: CHECKSUM }, never), CHECKSUM);
  const gone = { url: "/no/such/file", checksum: CHECKSUM };
  assert.equal(await store.import(gone, never), CHECKSUM);
  assert.equal(asked.length, 1);
});

Deno.test("import() says that a digest is not held", async () => {
  await using here = await site(() => new Response(BODY));
  const { code, message } = await refusal(here, { path: CHECKSUM });
  assert.equal(code, "file-not-found");
  assert.match(message, /no file of that digest is held/);
});

Deno.test("import() keeps nothing of a file with another checksum", async () => {
  await using here = await site(() => new Response("other"));
  assert.equal((await refusal(here)).code, "checksum-mismatch");
});

Deno.test("import() goes on where a transfer broke off", async () => {
  await using here = await site(() => new Response());
  using server = cuttingServer(here, [BODY, BODY, BODY], 20_000);
  const url = `${server.origin}/a`;
  await here.store.import({ url, checksum: CHECKSUM }, never);
  assert.deepEqual(await Deno.readFile(here.store.path(CHECKSUM)), BODY);
  assert.doesNotMatch(server.heads[0] ?? "", /range/i);
  assert.match(server.heads[2] ?? "", /^range: bytes=40000-\r$/im);
  assert.match(server.heads[2] ?? "", /^if-range: "one"\r$/im);
});

Deno.test("import() begins again when the server does", async () => {
  await using here = await site(({ headers }) => {
    assert.equal(headers.get("range"), "bytes=20000-");
    return new Response(BODY);
  });
  const other = new Uint8Array(BODY.length);
  using server = cuttingServer(here, [other], 20_000);
  await using front = await site(
    (_, count) =>
      new Response(null, redirect(count === 1 ? server.origin : here.origin)),
  );
  const url = `${front.origin}/a`;
  await here.store.import({ url, checksum: CHECKSUM }, never);
  assert.deepEqual(await Deno.readFile(here.store.path(CHECKSUM)), BODY);
});

Deno.test("import() gives up after three tries", async () => {
  await using here = await site(() => new Response("busy", { status: 503 }));
  const { code, message } = await refusal(here);
  assert.equal(code, "download-failed");
  assert.match(message, /the server answered 503; tried 3 times$/);
  assert.equal(here.asked.length, 3);
});

Deno.test("import() does not ask again for what is not there", async () => {
  await using here = await site(() => new Response("no", { status: 404 }));
  assert.equal((await refusal(here)).code, "file-not-found");
  assert.equal(here.asked.length, 1);
});

Deno.test("import() stops an endless body, and refuses a long one unread", async () => {
  const rules = { bytesMax: 100_000 };
  await using here = await site(() => new Response(endless()), rules);
  const { code, message } = await refusal(here);
  assert.equal(code, "download-failed");
  assert.match(message, /more than 100000 bytes/);
  await using told = await site(
    () => new Response(endless(), { headers: { "content-length": "100001" } }),
    rules,
  );
  assert.match((await refusal(told)).message, /more than 100000 bytes/);
});

Deno.test("import() refuses what the disk has no room for", async () => {
  const length = String(2 ** 60);
  await using here = await site(
    () => new Response(endless(), { headers: { "content-length": length } }),
    { bytesMax: Infinity },
  );
  assert.equal((await refusal(here)).code, "disk-full");
});

Deno.test("import() does not wait for a server that says nothing", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  await using here = await site(() => promise, { idleMs: 100, pausesMs: [] });
  assert.match((await refusal(here)).message, /nothing came for 0\.1 seconds/);
  resolve(new Response());
});

Deno.test("import() does not wait for the rest of a body, nor goes on when told to end", async () => {
  const begun = () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(9_000)),
      }),
    );
  await using here = await site(begun, { idleMs: 100, pausesMs: [] });
  assert.match((await refusal(here)).message, /nothing came for 0\.1 seconds/);

  await using slow = await site(begun);
  const stop = new AbortController();
  const importing = slow.store.import(
    { url: `${slow.origin}/a`, checksum: CHECKSUM },
    stop.signal,
  );
  await until(() => slow.files().length > 0 ? true : undefined, 10_000);
  const reason = new Error("enough");
  stop.abort(reason);
  await assert.rejects(importing, reason);
  assert.deepEqual(slow.files(), []);
});

Deno.test("import() follows redirects, but only so many", async () => {
  await using here = await site(({ path }) => {
    if (path === "/round") return new Response(null, redirect("/round"));
    return path === "/a"
      ? new Response(null, redirect("/b"))
      : new Response(BODY);
  });
  const round = await refusal(here, { path: "/round", checksum: CHECKSUM });
  assert.match(round.message, /redirected more than 5 times/);
  await here.store.import(
    { url: `${here.origin}/a`, checksum: CHECKSUM },
    never,
  );
});

Deno.test("import() goes nowhere a manifest must not lead, by redirect or not", async () => {
  await using here = await site(({ path }) =>
    new Response(null, redirect(decodeURIComponent(path.slice(1))))
  );
  const metadata = "http://169.254.169.254/latest";
  const cases: [target: string, reason: RegExp][] = [
    [metadata, /169\.254\.169\.254 is link-local/],
    ["http://[::ffff:169.254.169.254]/", /is link-local/],
    ["file:///etc/passwd", /redirected to "file:/],
  ];
  for (const [target, reason] of cases) {
    const path = `/${encodeURIComponent(target)}`;
    const fault = await refusal(here, { path, checksum: CHECKSUM });
    assert.match(fault.message, reason);
  }
  const direct = await refusal(here, { path: metadata, checksum: CHECKSUM });
  assert.equal(direct.code, "invalid-input");
});

Deno.test("import() asks this host for nothing unless that is allowed", async () => {
  await using here = await site(() => new Response(BODY), {
    allowLoopback: false,
  });
  const { port } = new URL(here.origin);
  for (const host of ["127.0.0.1", "localhost", "[::1]", "0x7f.1"]) {
    const path = `http://${host}:${port}/a`;
    const { code, message } = await refusal(here, { path, checksum: CHECKSUM });
    assert.equal(code, "invalid-input", host);
    assert.match(message, /is this host itself/);
  }
  assert.equal(here.asked.length, 0);
});

Deno.test("import() takes nothing over http that no checksum pins", async () => {
  await using here = await site(() => new Response(BODY));
  const { code, message, hint } = await refusal(here, {});
  assert.equal(code, "invalid-input");
  assert.match(message, /comes over http, and the manifest has no checksum/);
  assert.match(hint ?? "", /sha256sum/);
});

Deno.test("import() shows no password of a URL", async () => {
  await using here = await site(() => new Response("", { status: 403 }));
  const path = here.origin.replace("//", "//user:secret@") + "/a";
  const { message } = await refusal(here, { path, checksum: CHECKSUM });
  assert.doesNotMatch(message, /secret/);
  assert.match(here.asked[0]?.headers.get("authorization") ?? "", /^Basic /);
});

Deno.test("import() ends when it is told to", async () => {
  await using here = await site(() => new Response(BODY));
  const reason = new Error("enough");
  await assert.rejects(
    here.store.import(
      { url: `${here.origin}/a`, checksum: CHECKSUM },
      AbortSignal.abort(reason),
    ),
    reason,
  );
  assert.deepEqual(here.files(), []);
});

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(10_000)),
  });
}

function redirect(location: string): ResponseInit {
  return { status: 302, headers: { location } };
}
