/**
 * Talks to a monitor on its socket: one line, and what it answers; see
 * docs/monitor.md.
 *
 * @module
 */

import { readBlocks } from "./monitor_protocol.ts";

export function connect(socketPath: string): Promise<Deno.UnixConn> {
  return Deno.connect({ transport: "unix", path: socketPath });
}

export async function send(
  connection: Deno.UnixConn,
  line: string,
): Promise<void> {
  const bytes = new TextEncoder().encode(`${line}\n`);
  for (let done = 0; done < bytes.length;) {
    done += await connection.write(bytes.subarray(done));
  }
}

/** The monitor's answer; undefined when it cannot be reached, or hung up. */
export async function ask(
  socketPath: string,
  words: string,
): Promise<string | undefined> {
  const connection = await connect(socketPath).catch(() => undefined);
  if (connection === undefined) return undefined;
  try {
    await send(connection, words);
    return await new Response(connection.readable).text();
  } catch {
    // It ended just now, or has as many clients as it can take.
    return undefined;
  } finally {
    close(connection);
  }
}

export function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Closed with its stream already.
  }
}

/** The state as the monitor tells it now; undefined if it does not. */
export async function askState(
  socketPath: string,
): Promise<string | undefined> {
  const connection = await connect(socketPath).catch(() => undefined);
  if (connection === undefined) return undefined;
  try {
    await send(connection, "watch");
    for await (const block of readBlocks(connection)) return block;
  } catch {
    // It ended just now.
  } finally {
    close(connection);
  }
  return undefined;
}

export async function isThere(socketPath: string): Promise<boolean> {
  return await Deno.lstat(socketPath).then(() => true, (error: unknown) => {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  });
}
