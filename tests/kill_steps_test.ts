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
import { until } from "./harness/until.ts";

/** Counts its starts on its disk, and stays until it is told to end. */
const COUNTER = `
b=/bin/busybox
n=$($b cat /data/n 2> /dev/null || $b echo 0)
$b echo $((n+1)) > /data/n; $b sync
$b echo "start $((n+1))"
trap 'exit 0' TERM
while :; do $b sleep 1; done
`;

interface Operation {
  readonly name: string;
  /** What to do first, to have a VM that it can be done to. */
  readonly before: readonly (readonly string[])[];
  readonly words: readonly string[];
  /** Whether what the guest wrote before must be there after. */
  readonly keeps: boolean;
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
      keeps: false,
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
      keeps: true,
      before: [create, ["vm", "stop", "--grace", "5s", "v"]],
      words: ["vm", "start", "v"],
      after: ["stopped", "starting", "running", "crashed"],
      known: ["start:recorded", "start:launched"],
    },
    {
      name: "stop",
      keeps: true,
      before: [create],
      words: ["vm", "stop", "--grace", "5s", "v"],
      after: ["running", "stopping", "stopped"],
      known: ["stop:recorded", "stop:asked", "detach:tap-removed"],
    },
    {
      name: "delete",
      keeps: false,
      before: [create],
      words: ["vm", "delete", "--force", "v"],
      // What was begun is finished by the next daemon.
      after: ["gone"],
      known: ["delete:recorded", "delete:folders-removed"],
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
  for (const words of operation.before) {
    await volant.run(...words);
    if (words.includes("create")) {
      await until("it counts", () => started(volant));
    }
  }
}

async function starts(volant: TmpVolant): Promise<string[]> {
  const log = await volant.run("vm", "logs", "v");
  // A shell that is ended has a word to say of that, too.
  return log.split("\n").filter((line) => /^start \d+$/.test(line));
}

async function started(volant: TmpVolant): Promise<boolean> {
  return (await starts(volant)).length > 0;
}

/** Starts the VM once more: the guest must find what it wrote before. */
async function assertKept(volant: TmpVolant, what: string): Promise<void> {
  const before = (await starts(volant)).length;
  await volant.run("vm", "restart", "--grace", "5s", "v");
  await until(
    "it counts on",
    async () => (await starts(volant)).length > before,
  );
  const last = (await starts(volant)).at(-1) ?? "";
  assert.ok(Number(last.replace("start ", "")) >= 2, `${what}: ${last}`);
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
  // Made with the first guest of a namespace, and kept.
  if (step.startsWith("bridge:")) {
    await volant.netns?.run("ip", "link", "delete", "vbr0");
  }
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
  if (operation.keeps) {
    await assertKept(volant, `${operation.name} killed at ${step}`);
  }
  // What was begun can be done: nothing stands in the way of another try.
  if (vm !== undefined) await volant.run("vm", "delete", "--force", "v");
  await assertTrue(volant, `deleted after ${operation.name} at ${step}`);
}

Deno.test("a daemon killed at each step of an operation leaves nothing, and loses nothing", async (t) => {
  await using netns = await Netns.create();
  await using volant = await TmpVolant.start({ netns });
  const manifest = await rootManifest(volant, {
    name: "counter",
    image: await rootImage(volant, "erofs"),
    format: "erofs",
    script: COUNTER,
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
