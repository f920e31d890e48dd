/**
 * Runs a program of the host to its end and hands back what it printed.
 *
 * Its last words on stderr become the fault's cause, so that nobody has to
 * run it again to see what it said. Programs that stay (VMMs) are not started
 * here but by the monitor.
 *
 * @module
 */

import { Fault, type FaultCode } from "./fault.ts";

export interface ExecOptions {
  /** Over the daemon's own; `LC_ALL` is C unless it stands here. */
  readonly env?: Readonly<Record<string, string>>;
  readonly clearEnv?: boolean;
  readonly cwd?: string;
  /** Its standard input; none if absent. */
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** The code of the fault when it fails; default `boot-failed`. */
  readonly fault?: FaultCode;
  readonly hint?: string;
}

export interface ExecResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it and hands back its status and output, whatever the status. */
export async function execute(
  path: string,
  args: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  const { env, clearEnv, cwd, input, signal } = options;
  try {
    const child = new Deno.Command(path, {
      args: [...args],
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      // What it prints is read here, in one language.
      env: { LC_ALL: "C", ...env },
      ...(clearEnv !== undefined && { clearEnv }),
      ...(cwd !== undefined && { cwd }),
      ...(signal && { signal }),
    }).spawn();
    const [output] = await Promise.all([
      child.output(),
      input === undefined ? undefined : feed(child.stdin, input),
    ]);
    // One that was ended for the signal's sake has no status to speak of.
    signal?.throwIfAborted();
    const text = new TextDecoder();
    return {
      status: output.code,
      stdout: text.decode(output.stdout),
      stderr: text.decode(output.stderr),
    };
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof Deno.errors.PermissionDenied) {
      throw new Fault(
        options.fault ?? "boot-failed",
        `Cannot run "${path}": permission denied`,
        {
          cause,
          hint: options.hint ??
            "Make it executable; its file system may be mounted noexec",
        },
      );
    }
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new Fault(
      options.fault ?? "boot-failed",
      `Cannot run "${path}": it is not there`,
      { cause, hint: options.hint },
    );
  }
}

async function feed(
  stdin: WritableStream<Uint8Array<ArrayBuffer>>,
  input: string,
): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch {
    // It ended without reading all; its status tells why.
  }
}

/** As `execute`, but a status other than 0 is a fault. */
export async function run(
  path: string,
  args: readonly string[],
  options: ExecOptions = {},
): Promise<string> {
  const { status, stdout, stderr } = await execute(path, args, options);
  if (status === 0) return stdout;
  const words = stderr.trim().split("\n").slice(-5).join("; ");
  throw new Fault(
    options.fault ?? "boot-failed",
    `Cannot run "${path}": it ended with status ${status}: ${words}`,
    { hint: options.hint },
  );
}

/** The absolute path of a program, or undefined if `PATH` has none. */
export async function findProgram(
  name: string,
  path: string = Deno.env.get("PATH") ?? "/usr/local/bin:/usr/bin:/bin",
): Promise<string | undefined> {
  for (const folder of [...path.split(":"), "/usr/sbin", "/sbin"]) {
    if (folder === "") continue;
    const file = `${folder}/${name}`;
    const info = await Deno.stat(file).catch(() => undefined);
    if (info?.isFile && ((info.mode ?? 0) & 0o111) !== 0) return file;
  }
  return undefined;
}
