/**
 * Turns numbers, times and untrusted text into what a person reads.
 *
 * Pure functions; `output.ts` prints what they make.
 *
 * @module
 */

/** `64 MiB`, `1.5 GiB`. */
export function formatMib(mib: number): string {
  if (mib < 1024) return `${mib} MiB`;
  return `${Number((mib / 1024).toFixed(1))} GiB`;
}

/** `512 B`, `12.5 KiB`, `3.4 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toFixed(unit === 0 ? 0 : 1))} ${units[unit]}`;
}

/** `8.31 ms`, `142 ms`, `1.50 s`: three digits that mean something. */
export function formatMilliseconds(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(2)} s`;
  if (ms >= 100) return `${ms.toFixed(0)} ms`;
  return ms >= 10 ? `${ms.toFixed(1)} ms` : `${ms.toFixed(2)} ms`;
}

/** How long ago a time was, in its largest unit: `5s`, `3m`, `2h`, `4d`. */
export function formatAge(since: string, nowMs: number): string {
  const seconds = Math.floor((nowMs - Date.parse(since)) / 1_000);
  if (!(seconds > 0)) return "0s";
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** Control sequences; strings for the terminal (titles, clipboard); the rest. */
const ESCAPES = [
  // deno-lint-ignore no-control-regex -- what is looked for
  /\x1b\[[0-?]*[ -/]*[@-~]/g,
  // deno-lint-ignore no-control-regex -- as above
  /\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?/g,
  // deno-lint-ignore no-control-regex -- as above
  /\x1b[ -/]*[0-~]/g,
];
// deno-lint-ignore no-control-regex -- as above
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/**
 * Text of a guest's that is safe to show on a terminal: no escape sequences,
 * no control characters but tab and newline.
 */
export function plain(text: string): string {
  const unescaped = ESCAPES.reduce(
    (rest, escape) => rest.replaceAll(escape, ""),
    text,
  );
  return unescaped.replaceAll(CONTROLS, "");
}
