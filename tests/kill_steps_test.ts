/**
 * The daemon is killed at each step of each operation, one after the other, and
 * a new one puts everything right: no process, folder, disk, artifact, TAP or
 * rule is left that is nobody's, and what is said of the VM is true.
 *
 * The steps are not listed here: an operation is run once, and those it went
 * through are read off the daemon's log.
 */

import assert from "node:assert/strict";
import { assertTrue } from "./harness/invariants.ts";
import { Netns } from "./harness/netns.ts";
import { rootImage, rootManifest } from "./harness/root_image.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";

/** Ends when it is told to, and at once when it is to end by itself. */
const IDLE = "trap 'exit 0' TERM; while :; do /bin/busybox sleep 1; done";

interface Operation {
  readonly name: string;
  /** What to do first, to have a VM that it can be done to. */
  readonly before: readonly (readonly string[])[];
  readonly words: readonly string[];
  /** Statuses the VM may truly have after the kill; `gone`: there is none. */
  readonly after: readonly string[];
  /** Steps that must be among those it goes through. */
  readonly known: readonly string[];
}

function operations(manifest: string): Operation[] {
  const create = ["vm", "create", "v", "--manifest", manifest];
  return [
    {
      name: "create",
      before: [],
      words: create,
      after: ["gone", "pending", "starting", "running", "crashed"],
      known: [
        "create:recorded",
        "disks:state-disk-made",
        "attach:tap-made",
        "start:launched",
      ],
    },
    {
      name: "start",
      before: [create, ["vm", "stop", "--grace", "5s", "v"]],
      words: ["vm", "start", "v"],
      after: ["stopped", "starting", "running", "crashed"],
      known: ["start:recorded", "start:launched"],
    },
    {
      name: "stop",
      before: [create],
      words: ["vm", "stop", "--grace", "5s", "v"],
      after: ["running", "stopping", "stopped"],
      known: ["stop:recorded", "stop:asked", "detach:tap-removed"],
    },
    {
      name: "delete",
      before: [create],
      words: ["vm", "delete", "--force", "v"],
      after: ["gone", "running", "stopped"],
      known: ["delete:folders-removed", "delete:row-removed"],
    },
  ];
}

/** Steps the daemon has gone through, by its log. */
async function steps(volant: TmpVolant): Promise<string[]> {
  const log = await Deno.readTextFile(`${volant.folder}/daemon.log`);
  return [...log.matchAll(/Step \\?"([\w-]+:[\w-]+)\\?"/g)]
    .map(([, name = ""]) => name);
}

async function prepare(volant: TmpVolant, operation: Operation): Promise<void> {
  for (const { name } of await volant.json("vm", "list")) {
    await volant.run("vm", "delete", "--force", name);
  }
  for (const words of operation.before) await volant.run(...words);
}

async function stepsOf(
  volant: TmpVolant,
  operation: Operation,
): Promise<string[]> {
  await prepare(volant, operation);
  const { length } = await steps(volant);
  await volant.run(...operation.words);
  const taken = [...new Set((await steps(volant)).slice(length))];
  for (const known of operation.known) {
    assert.ok(taken.includes(known), `${known} is not in ${taken.join(", ")}`);
  }
  return taken;
}

async function killAt(
  volant: TmpVolant,
  operation: Operation,
  step: string,
): Promise<void> {
  await prepare(volant, operation);
  await volant.endDaemon("SIGTERM");
  await volant.startDaemon({ VOLANT_KILL_AT: step });
  const { status } = await volant.volant(...operation.words);
  assert.notEqual(status, 0, "its daemon was killed");
  await volant.daemonEnded();
  await volant.startDaemon();
  await assertTrue(volant, `${operation.name} killed at ${step}`);

  const [vm] = await volant.json("vm", "list");
  assert.ok(
    operation.after.includes(vm?.status ?? "gone"),
    `${operation.name} killed at ${step}: the VM is ${vm?.status}`,
  );
  // What was begun can be done: nothing stands in the way of another try.
  if (vm !== undefined) await volant.run("vm", "delete", "--force", "v");
  await assertTrue(volant, `deleted after ${operation.name} at ${step}`);
}

Deno.test("a daemon killed at each step of an operation leaves nothing, and loses nothing", async (t) => {
  await using netns = await Netns.create();
  await using volant = await TmpVolant.start({ netns });
  const manifest = await rootManifest(volant, {
    name: "idle",
    image: await rootImage(volant, "erofs"),
    format: "erofs",
    script: IDLE,
  });
  for (const operation of operations(manifest)) {
    const taken = await stepsOf(volant, operation);
    for (const step of taken) {
      await t.step(
        `${operation.name}: ${step}`,
        () => killAt(volant, operation, step),
      );
    }
  }
});
