/**
 * The steps between which a process may be killed.
 *
 * Whatever changes something outside of the process says so here, right after it
 * did. Each step is a line of the debug log, and `killAt` names one at which the
 * process ends itself as `kill -9` would: so a test can read the steps of an
 * operation off the log, and then break it off at every single one.
 *
 * @module
 */

import { logger } from "./log.ts";

let fatal: string | undefined;

/** Has this process kill itself at the first step of that name, such as `start:launched`. */
export function killAt(name: string): void {
  fatal = name;
  logger("step").warn("This daemon will kill itself at {name}", { name });
}

export function step(name: string): void {
  logger("step").debug("Step {name}", { name });
  if (name === fatal) Deno.kill(Deno.pid, "SIGKILL");
}
