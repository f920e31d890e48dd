/**
 * Names and numbers of the signals and resource limits of Linux, as a
 * manifest writes them and as the boot config tells them to the shim.
 *
 * @module
 */

const SIGNAL_NAMES = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGILL",
  "SIGTRAP",
  "SIGABRT",
  "SIGBUS",
  "SIGFPE",
  "SIGKILL",
  "SIGUSR1",
  "SIGSEGV",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGTERM",
  "SIGSTKFLT",
  "SIGCHLD",
  "SIGCONT",
  "SIGSTOP",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGURG",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGVTALRM",
  "SIGPROF",
  "SIGWINCH",
  "SIGIO",
  "SIGPWR",
  "SIGSYS",
] as const;

/**
 * The first real-time signal as programs know it: the C libraries keep 32 and
 * 33 for themselves, and image authors count from theirs.
 */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** The number of a signal named `SIGTERM` or `SIGRTMIN+3`; undefined for no signal. */
export function signalNumber(name: string): number | undefined {
  const index = (SIGNAL_NAMES as readonly string[]).indexOf(name);
  if (index >= 0) return index + 1;
  const offset = /^SIGRTMIN(?:\+([0-9]{1,2}))?$/.exec(name);
  if (offset === null) return undefined;
  const number = SIGRTMIN + Number(offset[1] ?? 0);
  return number <= SIGRTMAX ? number : undefined;
}

/**
 * The one spelling of a signal written `SIGTERM`, `term`, `15` or 15; what is
 * none comes back as text, unchanged but for its case.
 */
export function spellSignal(written: string | number): string {
  const word = String(written).trim().toUpperCase();
  if (/^[0-9]+$/.test(word)) return signalName(Number(word)) ?? word;
  return word.startsWith("SIG") ? word : `SIG${word}`;
}

function signalName(number: number): string | undefined {
  if (number >= SIGRTMIN && number <= SIGRTMAX) {
    return number === SIGRTMIN ? "SIGRTMIN" : `SIGRTMIN+${number - SIGRTMIN}`;
  }
  return SIGNAL_NAMES[number - 1];
}

/** Name in a manifest -> number of the resource (x86_64, arm64: asm-generic). */
export const RLIMITS = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
} as const;

export type RlimitName = keyof typeof RLIMITS;
