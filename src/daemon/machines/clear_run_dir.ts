/**
 * Removing the run directory of a machine that is thought to be gone.
 *
 * A monitor that was started by a daemon that is dead by now may not have come as
 * far as its lock yet. Whoever has the lock decides: with it in our hand nothing
 * can start there any more, because a monitor reads what it is to start only
 * after it has the lock; and a monitor that has it is ended first.
 *
 * @module
 */

import { pause, within } from "../../lib/deadline.ts";
import { Fault } from "../../lib/fault.ts";
import { removeIfThere } from "../../lib/files.ts";
import { tryLock } from "./locks.ts";
import { adoptMachine } from "./monitored_machine.ts";

const TRIES = 100;
const PAUSE_MS = 50;
/** A machine that is killed may take so long to end. */
const END_MS = 15_000;

/** Removes it, and ends the machine that is in it, or about to be. */
export async function clearRunDir(path: string): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const lock = await tryLock(path);
    if (lock === "no folder") return;
    if (lock !== "held") {
      using _lock = lock;
      await removeIfThere(path);
      return;
    }
    await endMachine(path);
    // A monitor that has ended its machine still serves the last words.
    await pause(PAUSE_MS);
  }
  throw new Fault(
    "timed-out",
    `Cannot remove run directory "${path}": a monitor holds it and does not end`,
    { hint: "See what that process does, or end it" },
  );
}

async function endMachine(path: string): Promise<void> {
  const machine = await adoptMachine(path);
  if (machine === undefined) return;
  using held = machine;
  await held.kill();
  await within(held.ended, END_MS);
}
