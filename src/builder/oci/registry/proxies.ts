/**
 * Proxies of the environment, as others use them: never for this host itself.
 * The runtime reads the variables when a client is made, and takes a registry on
 * loopback to a proxy that cannot reach it unless NO_PROXY says so.
 *
 * @module
 */

const LOOPBACK = ["localhost", "127.0.0.0/8", "::1"];

/** Does `make`, which makes a client, with loopback kept from the proxies. */
export function keepingLoopback<Client>(make: () => Client): Client {
  const name = "NO_PROXY";
  const before = Deno.env.get(name);
  const listed = before ?? Deno.env.get(name.toLowerCase()) ?? "";
  Deno.env.set(
    name,
    [listed, ...LOOPBACK].filter((each) => each !== "").join(","),
  );
  try {
    return make();
  } finally {
    if (before === undefined) Deno.env.delete(name);
    else Deno.env.set(name, before);
  }
}
