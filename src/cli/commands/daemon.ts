/**
 * `volant daemon`, as help lists it.
 *
 * The program starts the daemon before it asks the CLI, so that a daemon
 * carries no command-line parser. Here is only what help says about it.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { Fault } from "../../lib/fault.ts";
import type { Context } from "../context.ts";
import { help } from "../flags.ts";

export const daemon = buildCommand<Record<never, never>, [], Context>({
  docs: help({
    brief: "Run the daemon in the foreground (also `volantd`)",
    text: [
      "It listens on the socket, takes up the machines that still run, and looks after them",
      "until SIGTERM or SIGINT; machines outlive it. As root it keeps its state in",
      "/var/lib/volant, else in $XDG_STATE_HOME/volant. `volant daemon --help` lists its options.",
    ].join("\n"),
    examples: [
      ["volant daemon", "Run it with the folders of this user"],
      ["VOLANT_STATE_DIR=/tmp/v volant daemon", "Run one apart from others"],
    ],
  }),
  parameters: {},
  func() {
    throw new Fault(
      "invalid-input",
      "Cannot start the daemon by this name: it is another program",
      { hint: "Run `volant daemon`" },
    );
  },
});
