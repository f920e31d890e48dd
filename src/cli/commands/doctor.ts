/**
 * `volant doctor`: what this host can do, and what mends what it cannot.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { FAULTS } from "../../lib/fault.ts";
import { folders } from "../../lib/folders.ts";
import type { CheckStatus, HostCheck } from "../../host/check.ts";
import type { Context } from "../context.ts";
import { help, JSON_FLAG } from "../flags.ts";
import type { Cell } from "../output.ts";

interface Flags {
  readonly json?: boolean;
  readonly all?: boolean;
}

export const doctor = buildCommand<Flags, [], Context>({
  docs: help({
    brief: "Say what this host can do and how to mend what is missing",
    text: [
      "Asks this host, not a daemon. Whether KVM works is found out by booting a small guest.",
      "Each line that is not ok tells what it costs, and the command that mends it.",
    ].join("\n"),
    examples: [
      ["volant doctor", "Check this host"],
      ["volant doctor --json", "The same for a program"],
    ],
    exits: [
      ["0", "guests can be run"],
      ["69", "something is missing without which they cannot"],
    ],
  }),
  parameters: {
    flags: {
      json: JSON_FLAG,
      all: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Also what is absent and not needed here",
      },
    },
    aliases: { a: "all" },
  },
  async func({ json, all }) {
    const { canRunGuests, hostChecks } = await import("../../host/checks.ts");
    const { stateDir } = folders((name) => this.env(name));
    const checks = await hostChecks({
      stateDir,
      subnet: this.env("VOLANT_SUBNET"),
      bridge: this.env("VOLANT_BRIDGE"),
    });
    const isReady = canRunGuests(checks);
    if (json) this.out.json({ can_run_guests: isReady, checks });
    else show(checks, all === true, isReady, this.out);
    if (!isReady) this.exitWith(FAULTS["hypervisor-unavailable"].exit);
  },
});

const STATUS_CELLS: Readonly<Record<CheckStatus, Cell>> = {
  ok: { text: "ok", style: "green" },
  warn: { text: "warn", style: "yellow" },
  missing: { text: "missing", style: "red" },
  unused: { text: "unused", style: "dim" },
};

function show(
  checks: readonly HostCheck[],
  all: boolean,
  isReady: boolean,
  out: Context["out"],
): void {
  const shown = checks.filter(({ status }) => all || status !== "unused");
  out.table(
    ["CHECK", "STATUS", "FOUND"],
    shown.map(({ name, status, found }) => [name, STATUS_CELLS[status], found]),
  );
  for (const { name, status, needed_for, remedy } of shown) {
    if (status === "ok") continue;
    out.line("");
    out.line(`${name}: for ${needed_for}.`);
    if (remedy !== undefined) out.line(`  mend: ${remedy}`);
  }
  out.line("");
  out.line(
    isReady
      ? "This host can run guests."
      : "This host cannot run guests: see what is missing above.",
  );
}
