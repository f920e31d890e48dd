/**
 * What a daemon finds in run directories when it starts is taken for what it is:
 * a machine that nobody owns is named and ended, and a process that only has the
 * number of one that is gone is neither adopted nor touched.
 */

import assert from "node:assert/strict";
import { idleAppliance } from "./harness/appliance.ts";
import { killMonitor, runDirOf, startOf, stateOf } from "./harness/machine.ts";
import { alive } from "./harness/monitor.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { until, untilGone } from "./harness/until.ts";

/** A process of the test's own that has nothing to do with any machine. */
class Innocent implements AsyncDisposable {
  readonly #child = new Deno.Command("sleep", { args: ["1000"] }).spawn();

  get pid(): number {
    return this.#child.pid;
  }

  get isAlive(): boolean {
    return alive(this.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // Somebody else killed it, which the test has said by now.
    }
    await this.#child.status;
  }
}

interface Forgery {
  readonly name: string;
  /** Written over what the monitor left. */
  fields(pid: number): Readonly<Record<string, string>>;
  /** Of the VM, then. */
  readonly cause: string;
}

const OTHER_BOOT = "00000000-0000-4000-8000-000000000000";

/** Pid and start of both, as that process has them. */
function both(pid: number): Record<string, string> {
  const start = startOf(pid);
  return {
    monitor_pid: String(pid),
    monitor_start: start,
    vmm_pid: String(pid),
    vmm_start: start,
  };
}

const FORGERIES: readonly Forgery[] = [
  {
    name: "the pids are another process's by now",
    fields: (pid) => ({
      monitor_pid: String(pid),
      vmm_pid: String(pid),
    }),
    cause: "monitor-lost",
  },
  {
    name: "the pids are those of another boot",
    fields: (pid) => ({ ...both(pid), boot_id: OTHER_BOOT }),
    cause: "host-rebooted",
  },
  {
    name: "a process of another program started in the same moment",
    fields: both,
    cause: "monitor-lost",
  },
];

async function forge(
  path: string,
  fields: Readonly<Record<string, string>>,
): Promise<void> {
  const text = await Deno.readTextFile(path);
  const rest = text.split("\n").filter((line) =>
    !(line.replace(/=.*/, "") in fields)
  );
  const lines = Object.entries(fields).map(([key, value]) => `${key}=${value}`);
  await Deno.writeTextFile(path, [...lines, ...rest].join("\n"));
}

Deno.test("what only looks like a machine is neither adopted nor touched", async (t) => {
  await using volant = await TmpVolant.start();
  const { manifest } = await idleAppliance(volant);
  for (const { name, fields, cause } of FORGERIES) {
    await t.step(name, async () => {
      await using innocent = await Promise.resolve(new Innocent());
      await volant.run(
        ...["vm", "create", "v", "--manifest", manifest, "--network", "none"],
      );
      const { id } = await volant.json("vm", "get", "v");
      await volant.endDaemon("SIGKILL");
      await killMonitor(volant, id);
      const state = `${runDirOf(volant, id)}/monitor.state`;
      await forge(state, fields(innocent.pid));
      // The same in a directory of nobody's, whose machine is to be ended.
      await copyRunDir(volant, id, 999);
      await volant.startDaemon();
      await volant.volant("vm", "wait", "v", "--timeout", "20s");
      const { status, exit } = await volant.json("vm", "get", "v");
      assert.deepEqual([status, exit?.cause], ["crashed", cause]);
      await until("the run directory of nobody is removed", () => {
        return !names(`${volant.runtimeDir}/vms`).includes("999");
      });
      assert.ok(innocent.isAlive, "the process lives");
      // It can be started, and is then a machine like any other.
      await volant.run("vm", "start", "v");
      await volant.run("vm", "delete", "--force", "v");
      assert.ok(innocent.isAlive, "the process lives on");
    });
  }
});

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

async function copyRunDir(
  volant: TmpVolant,
  from: number,
  to: number,
): Promise<void> {
  const target = runDirOf(volant, to);
  await Deno.mkdir(target);
  await Deno.copyFile(
    `${runDirOf(volant, from)}/monitor.state`,
    `${target}/monitor.state`,
  );
}

Deno.test("a machine that no VM owns is named, ended and removed at the start", async () => {
  await using volant = await TmpVolant.start();
  const { manifest } = await idleAppliance(volant);
  await volant.run(
    ...["vm", "create", "a", "--manifest", manifest, "--network", "none"],
  );
  const { id, pid } = await volant.json("vm", "get", "a");
  const monitor = Number(stateOf(volant, id)["monitor_pid"]);
  await volant.endDaemon("SIGKILL");
  // As if the record were gone: the daemon finds the machine under another id.
  await Deno.rename(runDirOf(volant, id), runDirOf(volant, 999));
  await volant.startDaemon();
  await untilGone(pid);
  await untilGone(monitor);
  assert.match(
    await Deno.readTextFile(`${volant.folder}/daemon.log`),
    /Ending the machine in .{0,2}\/[^ ]*\/vms\/999.{0,2}: no VM owns it/,
  );
  const { status, exit } = await volant.json("vm", "get", "a");
  assert.equal(status, "crashed");
  assert.equal(exit.cause, "monitor-lost");
  assert.ok(!names(`${volant.runtimeDir}/vms`).includes("999"));
});
