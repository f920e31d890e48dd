/**
 * Waiting in tests: for the thing itself, with a deadline.
 */

/** How many times as long as elsewhere all deadlines are: for slow hosts. */
const PATIENCE = Number(Deno.env.get("VOLANT_TEST_PATIENCE") ?? 1);

/** Asks until `condition` is true; an error that names `what` after `ms`. */
export async function until(
  what: string,
  condition: () => Promise<boolean> | boolean,
  ms = 30_000,
): Promise<void> {
  const end = performance.now() + ms * PATIENCE;
  while (!await condition()) {
    if (performance.now() > end) {
      throw new Error(`Waited ${ms} ms in vain until ${what}`);
    }
    await new Promise((wake) => setTimeout(wake, 20));
  }
}

/** Waits until no process has that pid, or only what its parent has not reaped. */
export async function untilGone(pid: number): Promise<void> {
  await until(`process ${pid} is gone`, () => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/stat`).includes(") Z ");
    } catch {
      return true;
    }
  });
}
