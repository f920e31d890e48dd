/**
 * The steps between which a process may be killed, or held.
 *
 * Whatever changes something outside of the process says so here, right after it
 * did. Each step is a line of the debug log, so a test can read the steps of an
 * operation off it, and then break the operation off at every single one:
 * `killAt` names one from the start, `takeOrders` a file that can name another at
 * any time.
 *
 * @module
 */

import { logger } from "./log.ts";

let fatal: string | undefined;
let ordersPath: string | undefined;

/** Has this process kill itself at the first step of that name, such as `start:launched`. */
export function killAt(name: string): void {
  fatal = name;
  logger("step").warn("This daemon will kill itself at {name}", { name });
}

/**
 * Has this process look at each step whether the file says `kill NAME`: end as
 * `kill -9` would, or `hold NAME`: stand still until somebody sends SIGCONT. The
 * file is removed when its order is carried out; there may be none.
 */
export function takeOrders(path: string): void {
  ordersPath = path;
  logger("step").warn("This daemon takes orders of {path}", { path });
}

export function step(name: string): void {
  logger("step").debug("Step {name}", { name });
  if (name === fatal) Deno.kill(Deno.pid, "SIGKILL");
  if (ordersPath !== undefined) obey(ordersPath, name);
}

const SIGNALS: Readonly<Record<string, Deno.Signal>> = {
  kill: "SIGKILL",
  hold: "SIGSTOP",
};

function obey(path: string, name: string): void {
  const [verb = "", at] = order(path).trim().split(" ");
  const signal = SIGNALS[verb];
  if (at !== name || signal === undefined) return;
  // Once: the next process must not come upon it.
  Deno.removeSync(path);
  Deno.kill(Deno.pid, signal);
}

function order(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
