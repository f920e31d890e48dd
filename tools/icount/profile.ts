/**
 * Says in which functions of the guest kernel the instructions went.
 *
 * Joins the profile that icount.c writes with a kernel's System.map:
 * `deno run -R tools/icount/profile.ts System.map PROFILE [rows]`. Code below the
 * kernel's half of the address space is a program's, or the kernel's before it
 * has switched paging on, and is one row. Sort by the column `first at` to see the order
 * of the boot.
 *
 * @module
 */

const ROWS_DEFAULT = 40;
const KERNEL_HALF = 0x8000_0000_0000_0000n;
const OUTSIDE = "(outside of the kernel)";

/** Functions of a System.map by address. */
export interface Symbols {
  readonly addresses: readonly bigint[];
  readonly names: readonly string[];
}

export interface Row {
  readonly name: string;
  readonly instructions: number;
  /** Times the function was entered at its first instruction. */
  readonly calls: number;
  /** Instructions executed before any of its own: when it ran first. */
  readonly first: number;
}

export function parseSystemMap(text: string): Symbols {
  const functions = text.trimEnd().split("\n")
    .map((line) => line.split(" "))
    .filter(([, kind = ""]) => /^[tTwW]$/.test(kind))
    .map(([address = "", , name = ""]) => ({
      address: BigInt(`0x${address}`),
      name,
    }))
    .sort((a, b) => Number(a.address - b.address));
  return {
    addresses: functions.map((f) => f.address),
    names: functions.map((f) => f.name),
  };
}

/** Instructions and calls of each function, the costliest first. */
export function tabulate(symbols: Symbols, profile: string): Row[] {
  const rows = new Map<string, Omit<Row, "name">>();
  for (const line of profile.trimEnd().split("\n")) {
    const [address = "", length, executions, first] = line.split(" ");
    const at = BigInt(`0x${address}`);
    const index = at < KERNEL_HALF ? -1 : lastNotAfter(symbols.addresses, at);
    const name = symbols.names[index] ?? OUTSIDE;
    const row = rows.get(name) ??
      { instructions: 0, calls: 0, first: Infinity };
    const called = symbols.addresses[index] === at;
    rows.set(name, {
      instructions: row.instructions + Number(length) * Number(executions),
      calls: row.calls + (called ? Number(executions) : 0),
      first: Math.min(row.first, Number(first)),
    });
  }
  return [...rows]
    .map(([name, row]) => ({ name, ...row }))
    .sort((a, b) => b.instructions - a.instructions);
}

export function formatRows(rows: readonly Row[], rowsMax: number): string {
  const total = rows.reduce((sum, row) => sum + row.instructions, 0);
  const lines = rows.slice(0, rowsMax).map((row) =>
    [
      String(row.instructions).padStart(12),
      `${(100 * row.instructions / total).toFixed(2)} %`.padStart(8),
      String(row.calls).padStart(9),
      String(row.first).padStart(11),
      ` ${row.name}`,
    ].join("")
  );
  return [
    "instructions   share    calls   first at function",
    ...lines,
    `${String(total).padStart(12)} in all`,
  ].join("\n");
}

/** Index of the last element that is not beyond `wanted`, or -1. */
function lastNotAfter(sorted: readonly bigint[], wanted: bigint): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? wanted) <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

if (import.meta.main) {
  const [map, profile, rows] = Deno.args;
  if (map === undefined || profile === undefined) {
    throw new TypeError(
      "Cannot tabulate: usage: profile.ts SYSTEM_MAP PROFILE [ROWS]",
    );
  }
  const symbols = parseSystemMap(await Deno.readTextFile(map));
  const table = tabulate(symbols, await Deno.readTextFile(profile));
  const text = formatRows(table, Number(rows ?? ROWS_DEFAULT));
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
