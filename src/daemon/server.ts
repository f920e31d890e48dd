/**
 * The HTTP server: routes to a handler, faults to answers, and the socket.
 *
 * Who may call is decided by the socket's file mode: its owner, and nobody else.
 *
 * @module
 */

import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { Fault, FAULTS } from "../lib/fault.ts";
import { type Logger, logger } from "../lib/log.ts";
import { openApiDocument } from "./routes/openapi.ts";
import { addRoutes, type Route } from "./routes/route.ts";

/** Above any manifest with its cloud-init documents. */
const BODY_MAX = 2 * 1024 * 1024;

export interface ServerOptions {
  readonly routes: readonly Route[];
  /** Adds what is no endpoint: WebSockets. */
  readonly extra: (app: Hono) => void;
  readonly version: string;
  readonly log: Logger;
}

export function createApp(
  { routes, extra, version, log }: ServerOptions,
): Hono {
  const app = new Hono();
  app.use(bodyLimit({
    maxSize: BODY_MAX,
    onError: () => {
      throw new Fault(
        "body-too-large",
        `Cannot read request body: it is over ${BODY_MAX} bytes`,
        { hint: "Send less" },
      );
    },
  }));
  addRoutes(app, routes);
  extra(app);
  app.get(
    "/openapi",
    (context) => context.json(openApiDocument(version)),
  );
  app.notFound((context) => {
    const { method, path } = context.req;
    return answer(
      new Fault(
        "no-such-endpoint",
        `Cannot ${method} "${path}": no such endpoint`,
        {
          hint: "See the list at /openapi",
        },
      ),
    );
  });
  app.onError((error, context) => {
    const fault = Fault.from(error);
    if (fault.code === "bug") {
      log.error("{method} {path} failed: {error}", {
        method: context.req.method,
        path: context.req.path,
        error,
      });
    }
    return answer(fault);
  });
  return app;
}

function answer({ code, message, hint, details }: Fault): Response {
  const body = {
    error: message,
    code,
    ...(hint !== undefined && { hint }),
    ...(Object.keys(details).length > 0 && { details }),
  };
  return Response.json(body, { status: FAULTS[code].status });
}

/**
 * Serves `app` on a Unix socket. A socket that is in the way is removed when
 * nobody listens on it any more.
 */
export async function serveSocket(
  app: Hono,
  path: string,
): Promise<Deno.HttpServer> {
  const old = await Deno.lstat(path).catch(() => undefined);
  if (old !== undefined && !old.isSocket) {
    throw new Fault(
      "invalid-input",
      `Cannot listen on "${path}": a file that is no socket is there`,
      { hint: "Move it away, or set VOLANT_SOCKET" },
    );
  }
  if (old !== undefined && await answers(path)) {
    throw new Fault(
      "state-locked",
      `Cannot listen on "${path}": another daemon does`,
      { hint: "Stop that daemon, or set VOLANT_SOCKET" },
    );
  }
  if (old !== undefined) await Deno.remove(path);
  const mask = Deno.umask(0o177);
  try {
    const options = { path, onListen: () => {}, onError: cutOff };
    return Deno.serve(options, app.fetch);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new Fault("invalid-input", `Cannot listen on "${path}": ${text}`, {
      cause,
      hint: "A socket's path may have 107 bytes; set VOLANT_SOCKET to another",
    });
  } finally {
    Deno.umask(mask);
  }
}

/** An answer that breaks off after it has begun, which its client sees by itself. */
function cutOff(error: unknown): Response {
  const isStopped = error instanceof Fault &&
    error.code === "daemon-unavailable";
  if (!isStopped) {
    logger("api").error("Cannot bring an answer to its end: {error}", {
      error,
    });
  }
  return new Response(null, { status: FAULTS.bug.status });
}

async function answers(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch {
    // Refused: whoever listened there is gone.
    return false;
  }
}
