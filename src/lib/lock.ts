/**
 * One daemon per state and runtime directory, held by a lock that dies with its
 * holder.
 *
 * @module
 */

import { pause } from "./deadline.ts";
import { Fault } from "./fault.ts";
import { readTextIfThere, storageFault } from "./files.ts";

/** A file that was replaced while it was locked is opened again so often. */
const TRIES_MAX = 10;
/** Who has just locked a file writes its name into it within so long. */
const NAME_MS = 500;
const COMMAND_MAX = 100;

const HINT =
  "Stop that daemon, or set VOLANT_STATE_DIR (and VOLANT_RUNTIME_DIR, if set) to other folders";

/**
 * Locks `path` for this process, or says who holds it. The file is for its
 * owner alone: who can read it could lock it, and keep the daemon from starting.
 */
export async function lockFile(path: string): Promise<Disposable> {
  for (let tries = 1;; tries++) {
    const file = await open(path);
    try {
      if (!await tryLock(file, path)) throw await heldBy(path);
      // Somebody may have removed it between the two: what holds then is the
      // lock of a file that nobody else can find.
      if (await isStill(file, path)) {
        await sign(file, path);
        return { [Symbol.dispose]: () => file.close() };
      }
      if (tries === TRIES_MAX) throw replaced(path);
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
  }
}

async function open(path: string): Promise<Deno.FsFile> {
  try {
    const file = await Deno.open(path, {
      ...{ read: true, write: true, create: true, mode: 0o600 },
    });
    await Deno.chmod(path, 0o600);
    return file;
  } catch (error) {
    const owner = await Deno.stat(path).then(({ uid }) => uid, () => undefined);
    if (
      error instanceof Deno.errors.PermissionDenied && owner !== undefined &&
      owner !== Deno.uid()
    ) {
      throw new Fault(
        "invalid-input",
        `Cannot lock "${path}": it belongs to user ${owner}, and you are user ${Deno.uid()}`,
        { cause: error, hint: "Run as its owner, or name another folder" },
      );
    }
    if (/os error 21\b/.test(String(error))) {
      throw new Fault(
        "invalid-input",
        `Cannot lock "${path}": it is a folder`,
        {
          cause: error,
          hint: "Move it away",
        },
      );
    }
    throw storageFault(error, "open", path);
  }
}

/** Some network file systems have no locks, and say so in their own ways. */
async function tryLock(file: Deno.FsFile, path: string): Promise<boolean> {
  try {
    return await file.tryLock(true);
  } catch (cause) {
    const fault = storageFault(cause, "lock", path);
    if (fault instanceof Fault) throw fault;
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new Fault(
      "not-supported",
      `Cannot lock "${path}": its file system has no locks (${text})`,
      { cause, hint: "Set VOLANT_STATE_DIR to a folder on a local disk" },
    );
  }
}

async function isStill(file: Deno.FsFile, path: string): Promise<boolean> {
  const [mine, named] = await Promise.all([
    file.stat(),
    Deno.stat(path).catch(() => undefined),
  ]);
  return mine.ino === named?.ino && mine.dev === named.dev;
}

/** First the pid, alone on its line; then when that was. */
async function sign(file: Deno.FsFile, path: string): Promise<void> {
  try {
    const since = new Date().toISOString();
    await file.truncate();
    await file.write(new TextEncoder().encode(`${Deno.pid}\n${since}\n`));
  } catch (error) {
    throw storageFault(error, "write", path);
  }
}

async function heldBy(path: string): Promise<Fault> {
  const end = performance.now() + NAME_MS;
  let [pid = "", since = ""] = await signature(path);
  while (pid === "" && performance.now() < end) {
    await pause(20);
    [pid = "", since = ""] = await signature(path);
  }
  const command = await commandOf(pid);
  const who = [
    `pid ${pid || "unknown"}`,
    ...(since === "" ? [] : [`since ${since}`]),
    ...(command === "" ? [] : [`as "${command}"`]),
  ].join(", ");
  return new Fault(
    "state-locked",
    `Cannot lock "${path}": a daemon (${who}) holds it`,
    { hint: HINT, details: { pid: Number(pid) || null, since, command } },
  );
}

async function signature(path: string): Promise<string[]> {
  const text = await readTextIfThere(path) ?? "";
  // Only of whole lines: it may be written just now.
  return text.split("\n").slice(0, -1);
}

async function commandOf(pid: string): Promise<string> {
  if (!/^\d+$/.test(pid)) return "";
  const words = await readTextIfThere(`/proc/${pid}/cmdline`)
    // It may be gone by now, or be another user's.
    .catch(() => undefined) ?? "";
  const line = words.split("\0").join(" ").trim();
  // deno-lint-ignore no-control-regex
  return line.replace(/[\x00-\x1f\x7f"]/g, " ").slice(0, COMMAND_MAX);
}

function replaced(path: string): Fault {
  return new Fault(
    "state-locked",
    `Cannot lock "${path}": something keeps replacing it`,
    { hint: "Find out what else works in that folder" },
  );
}
