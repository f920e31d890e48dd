/**
 * One measured figure, and small things the parts share.
 */

export interface Figure {
  readonly key: string;
  readonly value: number;
  readonly unit: string;
  /** What it is compared with, measured in the same run, in the same unit. */
  readonly baseline?: number;
  readonly ratio?: number;
  /** Method and versions, in a sentence. */
  readonly how: string;
}

/** With so many significant digits that a change of a percent shows. */
export function rounded(value: number, digits = 3): number {
  return Number(value.toPrecision(digits));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** Runs a program that must succeed; what it printed. */
export async function output(
  path: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Record<string, string> } =
    {},
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(path, {
    args: [...args],
    stdin: "null",
    ...options,
  }).output();
  const text = new TextDecoder();
  const result = { stdout: text.decode(stdout), stderr: text.decode(stderr) };
  if (code !== 0) {
    throw new Error(`${path} ${args.join(" ")}: ${code}: ${result.stderr}`);
  }
  return result;
}
