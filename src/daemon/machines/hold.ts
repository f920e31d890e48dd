/**
 * Holding a machine: its VMM stands still while the connection is open, and
 * goes on when this process lets go of it, or ends. docs/monitor.md, `hold`.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import type { Hold } from "../hypervisors/hypervisor.ts";

/** No answer of a monitor's is longer. */
const ANSWER_MAX = 256;

/** Undefined when the machine is about to end, or has ended. */
export async function holdMachine(
  socketPath: string,
  longestMs: number,
): Promise<Hold | undefined> {
  const connection = await Deno.connect({
    transport: "unix",
    path: socketPath,
  }).catch(() => undefined);
  // The socket is gone before the monitor is.
  if (connection === undefined) return undefined;
  const answers = new Answers(connection);
  let held = false;
  try {
    const answer = await answers.ask(`hold ${longestMs}`);
    if (answer === "" || answer.startsWith("error the machine ")) {
      return undefined;
    }
    if (answer !== "ok") throw refused(socketPath, answer);
    held = true;
  } finally {
    if (!held) connection.close();
  }
  return {
    release: async () => await answers.ask("release") === "ok",
    [Symbol.dispose]: () => connection.close(),
  };
}

class Answers {
  readonly #connection: Deno.UnixConn;
  #rest = "";

  constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
  }

  /** One line for one line; "" when the monitor hung up in place of it. */
  async ask(words: string): Promise<string> {
    try {
      await this.#connection.write(new TextEncoder().encode(`${words}\n`));
      return await this.#line();
    } catch (error) {
      const isGone = error instanceof Deno.errors.BrokenPipe ||
        error instanceof Deno.errors.ConnectionReset;
      if (isGone) return "";
      throw error;
    }
  }

  async #line(): Promise<string> {
    const chunk = new Uint8Array(ANSWER_MAX);
    while (!this.#rest.includes("\n") && this.#rest.length < ANSWER_MAX) {
      const count = await this.#connection.read(chunk);
      if (count === null) return "";
      this.#rest += new TextDecoder().decode(chunk.subarray(0, count));
    }
    const [line = "", ...rest] = this.#rest.split("\n");
    this.#rest = rest.join("\n");
    return line;
  }
}

function refused(socketPath: string, answer: string): Fault {
  // A monitor lives as long as its machine, whatever was installed since.
  const isOld = answer.startsWith("error the line is none of ");
  return new Fault(
    isOld ? "not-supported" : "timed-out",
    `Cannot hold the machine at "${socketPath}": ${
      isOld ? "an older Volant started it" : answer
    }`,
    {
      hint: isOld
        ? "Restart that VM once, or stop it for the backup"
        : "Close consoles of that machine and try again",
    },
  );
}
