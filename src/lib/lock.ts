/**
 * One daemon per state and runtime directory, held by a lock that dies with its
 * holder.
 *
 * @module
 */

import { Fault } from "./fault.ts";
import { storageFault } from "./files.ts";

/**
 * Locks `path` for this process, or says who holds it. The file is for its
 * owner alone: who can read it could lock it, and keep the daemon from starting.
 */
export async function lockFile(path: string): Promise<Disposable> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, {
      read: true,
      write: true,
      create: true,
      mode: 0o600,
    });
    await Deno.chmod(path, 0o600);
  } catch (error) {
    throw storageFault(error, "open", path);
  }
  if (!await file.tryLock(true)) {
    const holder = (await Deno.readTextFile(path)).trim();
    file.close();
    throw new Fault(
      "state-locked",
      `Cannot lock "${path}": a daemon (pid ${holder || "unknown"}) holds it`,
      {
        hint:
          "Stop that daemon, or set VOLANT_STATE_DIR (and VOLANT_RUNTIME_DIR, if set) to other folders",
      },
    );
  }
  await file.truncate();
  await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
  return { [Symbol.dispose]: () => file.close() };
}
