/**
 * `volant vm console`: the guest's serial console on this terminal.
 *
 * The terminal is raw meanwhile, so that the guest gets each key, Ctrl-C
 * too; it is restored however the command ends.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { getVm } from "../../api/vms.ts";
import { Fault } from "../../lib/fault.ts";
import { ConsoleEscape } from "../console_escape.ts";
import { type ConsoleEnd, openConsole } from "../console_socket.ts";
import type { Context } from "../context.ts";
import { DAEMON_FLAGS, help, ONE_NAME } from "../flags.ts";

interface Flags {
  readonly socket?: string;
}

/** The signals that would end the program with the terminal still raw. */
const ENDING_SIGNALS = ["SIGTERM", "SIGHUP", "SIGINT"] as const;

export const vmConsole = buildCommand<Flags, [string], Context>({
  docs: help({
    brief: "Open the serial console of a virtual machine",
    text: [
      "The kernel's console; the workload's stdin is not connected; there is no shell in this\nversion.",
      "Shows the end of what the console has said so far, and goes on. Type Enter ~ . to",
      "leave, Enter ~ ~ for a tilde. With its input from a file or pipe it sends that and",
      "goes on until the machine ends.",
    ].join("\n"),
    examples: [
      ["volant vm console web", "Open it on this terminal"],
      ["volant vm console web < /dev/null", "Only look on"],
    ],
  }),
  parameters: {
    flags: { socket: DAEMON_FLAGS.socket },
    positional: ONE_NAME,
  },
  async func({ socket }, name) {
    using client = this.connect(socket);
    const vm = await client.call(getVm, { name });
    if (vm.pid === undefined) {
      throw new Fault(
        "wrong-state",
        `Cannot open the console of VM "${name}": it is ${vm.status}`,
        { hint: `See \`volant vm logs --source console ${name}\`` },
      );
    }
    await converse(this, this.socketPath(socket), name);
  },
});

async function converse(
  { out }: Context,
  socketPath: string,
  name: string,
): Promise<void> {
  const { promise: ended, resolve: onEnd } = Promise.withResolvers<
    ConsoleEnd
  >();
  const close = (why: string) => onEnd({ why, isLost: false });
  const isTyped = Deno.stdin.isTerminal();
  let end: ConsoleEnd;
  {
    using _raw = rawTerminal(isTyped, () => close("a signal came"));
    const webSocket = await openConsole(socketPath, name, {
      onBytes: (bytes) => out.stdout.write(bytes),
      onEnd,
    });
    if (isTyped) out.errorLine("Connected; Enter ~ . leaves.\r");
    forwardInput(webSocket, isTyped).then(
      (left) => left && close("left"),
      (error) => close(String(error)),
    );
    end = await ended;
    webSocket.close();
  }
  if (end.isLost) throw lost(name, end.why);
  // The cursor stands wherever the guest left it.
  if (isTyped) out.note(`\nConsole closed: ${end.why}.`);
}

/** What was typed while no daemon ran would be lost: whoever types must know. */
function lost(name: string, why: string): Fault {
  return new Fault(
    "daemon-unavailable",
    `Cannot go on with the console of VM "${name}": ${why}`,
    {
      hint: "The machine runs on: open it again when the daemon is back",
    },
  );
}

/** Sends what is typed until there is no more; true when the user left. */
async function forwardInput(
  webSocket: WebSocket,
  isTyped: boolean,
): Promise<boolean> {
  const escape = new ConsoleEscape();
  const buffer = new Uint8Array(4_096);
  for (;;) {
    const count = await Deno.stdin.read(buffer);
    if (count === null) return isTyped;
    const typed = buffer.slice(0, count);
    const { bytes, leave } = isTyped
      ? escape.feed(typed)
      : { bytes: typed, leave: false };
    if (webSocket.readyState !== WebSocket.OPEN) return false;
    if (bytes.length > 0) webSocket.send(bytes);
    if (leave) return true;
  }
}

/** Makes the terminal raw; disposing of it makes it what it was. */
function rawTerminal(isTyped: boolean, onSignal: () => void): Disposable {
  if (!isTyped) return { [Symbol.dispose]: () => {} };
  Deno.stdin.setRaw(true);
  for (const signal of ENDING_SIGNALS) Deno.addSignalListener(signal, onSignal);
  return {
    [Symbol.dispose]() {
      Deno.stdin.setRaw(false);
      for (const signal of ENDING_SIGNALS) {
        Deno.removeSignalListener(signal, onSignal);
      }
    },
  };
}
