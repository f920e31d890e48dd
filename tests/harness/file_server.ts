/**
 * A server of files on a loopback port, that misbehaves where it is asked to:
 * below `/cut/` it closes each connection after a part of the file, `/endless`
 * does not end, `/to-metadata` leads where no manifest may.
 */

export interface FileServer extends AsyncDisposable {
  readonly origin: string;
  /** The Range headers that were sent. */
  readonly ranges: readonly string[];
}

const PIECES = 2;

export function fileServer(folder: string): FileServer {
  const ranges: string[] = [];
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
      const { pathname } = new URL(request.url);
      const range = request.headers.get("range");
      if (range !== null) ranges.push(range);
      if (pathname === "/endless") return new Response(endless());
      if (pathname === "/to-metadata") {
        const location = "http://169.254.169.254/latest";
        return new Response(null, { status: 302, headers: { location } });
      }
      const path = `${folder}/${pathname.split("/").at(-1)}`;
      const body = await Deno.readFile(path).catch(() => undefined);
      if (body === undefined) return new Response("none", { status: 404 });
      return pathname.startsWith("/cut/")
        ? cutAnswer(body, range)
        : new Response(body);
    },
  );
  return {
    origin: `http://127.0.0.1:${server.addr.port}`,
    ranges,
    async [Symbol.asyncDispose]() {
      // Not `shutdown`, which would wait for what does not end.
      end.abort();
      await server.finished;
    },
  };
}

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
  });
}

/** A part of the file in blocks, then a connection that breaks off unless it was the last. */
function cutAnswer(
  body: Uint8Array<ArrayBuffer>,
  range: string | null,
): Response {
  const from = Number(/^bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0);
  const end = Math.min(body.length, from + Math.ceil(body.length / PIECES));
  const block = 65_536;
  let at = from;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at < end) {
        controller.enqueue(body.subarray(at, Math.min(end, at + block)));
        at += block;
      } else if (end === body.length) controller.close();
      else controller.error(new Error("cut on purpose"));
    },
  });
  return new Response(stream, {
    status: from === 0 ? 200 : 206,
    headers: {
      etag: '"one"',
      "content-length": String(body.length - from),
      "content-range": `bytes ${from}-${body.length - 1}/${body.length}`,
    },
  });
}
