/**
 * Words that people bring from other tools for what is done here by another
 * name, and what to say to those who write them.
 *
 * @module
 */

/** Of Docker and Incus, to the command here that does it. */
const COMMANDS_MEANT: Readonly<Record<string, string>> = {
  rm: "vm delete",
  remove: "vm delete",
  ls: "vm list",
  ps: "vm list",
  list: "vm list",
  inspect: "vm get",
  show: "vm get",
  info: "vm get",
  run: "run",
  launch: "vm create",
  create: "vm create",
  start: "vm start",
  stop: "vm stop",
  restart: "vm restart",
  delete: "vm delete",
  get: "vm get",
  logs: "vm logs",
  wait: "vm wait",
  console: "vm console",
  kill: "vm stop --kill",
  attach: "vm console",
  help: "--help",
};

/** What no command does. */
const NOT_HERE: ReadonlySet<string> = new Set(["exec", "shell", "ssh", "cp"]);

/** The command that is meant by `word`, without the program's name. */
export function commandMeant(word: string): string | undefined {
  return Object.hasOwn(COMMANDS_MEANT, word) ? COMMANDS_MEANT[word] : undefined;
}

export function isNotInThisVersion(word: string): boolean {
  return NOT_HERE.has(word);
}
