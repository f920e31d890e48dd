/**
 * Runs one program of the kernel's build.
 *
 * Nothing of the caller's environment reaches it: a stray `CFLAGS` or
 * `KBUILD_*` would change the bytes. What it prints is kept for the fault.
 *
 * @module
 */

import { Fault } from "../src/lib/fault.ts";

/**
 * Where Debian's packages put programs. Kconfig looks for compilers of its own
 * accord (rustc, pahole): one that is there by accident would change the
 * configuration, and with it a tree that was kept to be linked again.
 */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const LINES_SHOWN_MAX = 25;

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Resolves to what the program printed; a fault with its last lines if it fails. */
export async function run(
  words: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const [program = "", ...args] = words;
  const command = new Deno.Command(program, {
    args,
    clearEnv: true,
    env: {
      PATH,
      LC_ALL: "C",
      TZ: "UTC",
      ...options.env,
    },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const output = await command.output().catch((cause: unknown) => {
    throw new Fault("build-failed", `Cannot run "${program}"`, {
      cause,
      hint: `Install the package that has ${program}`,
    });
  });
  const text = new TextDecoder();
  const stdout = text.decode(output.stdout);
  if (output.success) return stdout;
  throw new Fault(
    "build-failed",
    `Cannot run "${words.join(" ")}": it ended with ${output.code}:\n` +
      lastLines(`${stdout}${text.decode(output.stderr)}`),
  );
}

/** The end of a long output, where the error stands. */
export function lastLines(
  text: string,
  linesMax: number = LINES_SHOWN_MAX,
): string {
  return text.trimEnd().split("\n").slice(-linesMax).join("\n");
}
