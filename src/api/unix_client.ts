/**
 * HTTP over the daemon's Unix socket, whatever the environment says of proxies.
 *
 * To the runtime a socket is one more proxy, and NO_PROXY would take the daemon
 * to a TCP port instead.
 *
 * @module
 */

/** Host part of every URL; it names nobody (RFC 6761), the socket decides. */
export const DAEMON_HOST = "volant.invalid";

const NAMES = ["NO_PROXY", "no_proxy"];

/** The variables are read while a client is made, and only then. */
export function unixClient(path: string): Deno.HttpClient {
  const before = NAMES.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of NAMES) Deno.env.delete(name);
  try {
    return Deno.createHttpClient({ proxy: { transport: "unix", path } });
  } finally {
    for (const [name, value] of before) {
      if (value !== undefined) Deno.env.set(name, value);
    }
  }
}
