/**
 * Backups while guests run: what a guest has acknowledged is in it, the machine
 * runs on whatever becomes of the backup, and what was restored is what was
 * backed up.
 */

import assert from "node:assert/strict";
import {
  acknowledged,
  backUp,
  counterManifest,
  restoredInto,
  vmmOf,
} from "./harness/backups.ts";
import { run } from "./harness/root_image.ts";
import { filesBelow, TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

Deno.test("a backup of a guest that writes holds all that it had acknowledged", async () => {
  await using volant = await TmpVolant.start();
  const manifest = await counterManifest(volant);
  await volant.run("vm", "create", "counter", "--manifest", manifest);
  await until("it counts", async () => await acknowledged(volant) > 5);
  const pid = await vmmOf(volant);

  const before = await acknowledged(volant);
  const backup = await backUp(volant);
  const { mode } = await Deno.stat(backup);
  assert.equal((mode ?? 0) & 0o777, 0o600);
  await until("it counts on", async () => await acknowledged(volant) > before);
  assert.equal(await vmmOf(volant), pid);

  await using other = await restoredInto(volant, backup);
  const disk = `${other.stateDir}/vms/1/state.ext4`;
  await assertClean(volant, disk);
  await other.startDaemon();
  const [vm] = await other.json("vm", "list");
  assert.equal(vm.name, "counter");
  assert.equal(vm.exit?.cause ?? vm.status, "restored");
  await other.run("vm", "start", "counter");
  const kept = await keptBy(other);
  assert.ok(kept >= before, `kept ${kept} of ${before} acknowledged`);
  // The log went along: it holds what was acknowledged before.
  await until("it counts on", async () => await acknowledged(other) > kept);
});

/** What the guest found on its disk when it was started last. */
async function keptBy(volant: TmpVolant): Promise<number> {
  let found = -1;
  await until("it tells what it kept", async () => {
    const log = await volant.run("vm", "logs", "counter");
    const all = [...log.matchAll(/^kept (\d+)$/gm)];
    if (all.length < 2) return false;
    found = Number(all.at(-1)?.[1]);
    return true;
  });
  return found;
}

/** As after a power cut: the journal is replayed, and nothing else to mend. */
async function assertClean(volant: TmpVolant, disk: string): Promise<void> {
  const copy = `${volant.folder}/checked.ext4`;
  await run("cp", "--sparse=always", disk, copy);
  await run("e2fsck", "-E", "journal_only", "-y", copy);
  await run("e2fsck", "-f", "-n", copy);
}

Deno.test("a daemon killed at each step of a backup leaves nothing, and the machine runs on", async (t) => {
  await using volant = await TmpVolant.start();
  const manifest = await counterManifest(volant);
  await volant.run("vm", "create", "counter", "--manifest", manifest);
  await until("it counts", async () => await acknowledged(volant) > 0);
  const pid = await vmmOf(volant);
  const backup = await backUp(volant);
  await Deno.remove(backup);
  const steps = await backupSteps(volant);
  for (
    const known of [
      "backup:machine-held",
      "backup:disks-copied",
      "backup:vm-sent",
    ]
  ) assert.ok(steps.includes(known), steps.join());

  for (const step of steps) {
    await t.step(step, async () => {
      await volant.endDaemon("SIGTERM");
      await volant.startDaemon({ VOLANT_KILL_AT: step });
      const { status, stderr } = await volant.volant(
        "backup",
        "create",
        backup,
      );
      // After its last byte was sent the backup is whole, whoever dies.
      if (step !== "backup:staging-removed") assert.notEqual(status, 0, step);
      if (status !== 0) {
        assert.match(stderr, /broke off|broken off|Cannot reach/);
      } else await Deno.remove(backup);
      await volant.daemonEnded();
      await until("the machine runs", () => processState(pid) !== "T");
      await volant.startDaemon();
      assert.deepEqual(await leftovers(volant), []);
      assert.equal(await vmmOf(volant), pid);
      const before = await acknowledged(volant);
      await until(
        "it counts on",
        async () => await acknowledged(volant) > before,
      );
    });
  }
});

async function backupSteps(volant: TmpVolant): Promise<string[]> {
  const log = await Deno.readTextFile(`${volant.folder}/daemon.log`);
  const all = [...log.matchAll(/Step \\?"(backup:[\w-]+)\\?"/g)];
  return [...new Set(all.map(([, name = ""]) => name))];
}

function processState(pid: number): string {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return stat.slice(stat.lastIndexOf(")") + 2)[0] ?? "";
}

/** Files of backups that were broken off. */
async function leftovers(volant: TmpVolant): Promise<string[]> {
  const beside = await Array.fromAsync(Deno.readDir(volant.folder));
  return [
    ...filesBelow(`${volant.stateDir}/backup.staging`),
    ...beside.map(({ name }) => name).filter((name) =>
      name.startsWith("volant.backup")
    ),
  ];
}

Deno.test("a client that goes in the middle of a backup leaves nothing behind", async () => {
  await using volant = await TmpVolant.start();
  const manifest = await counterManifest(volant);
  await volant.run("vm", "create", "counter", "--manifest", manifest);
  await until("it counts", async () => await acknowledged(volant) > 0);
  const pid = await vmmOf(volant);

  // One that reads the beginning and then nothing: the daemon waits for it.
  const slow = volant.spawn("backup", "create", "--no-compress", "-");
  const reader = slow.stdout.getReader();
  await reader.read();
  await until(
    "the daemon is at it",
    () => filesBelow(`${volant.stateDir}/backup.staging`).length > 0,
  );
  const { status, stderr } = await volant.volant("backup", "create", "-");
  assert.equal(status, 73);
  assert.match(stderr, /another one is being made/);
  assert.notEqual(processState(pid), "T");
  slow.kill("SIGKILL");
  await slow.status;
  await reader.cancel();
  await slow.stderr.cancel();
  await until(
    "nothing is left",
    async () => (await leftovers(volant)).length === 0,
  );

  const interrupted = volant.spawn(
    "backup",
    "create",
    `${volant.folder}/volant.backup`,
  );
  interrupted.kill("SIGINT");
  const { code } = await interrupted.output();
  assert.notEqual(code, 0);
  await until(
    "nothing is left",
    async () => (await leftovers(volant)).length === 0,
  );
  await Deno.remove(await backUp(volant));
});

Deno.test("a stopped and a deleted VM, plugins and addresses are as they were", async () => {
  await using volant = await TmpVolant.start();
  const manifest = await counterManifest(volant);
  await volant.run("plugin", "install", manifest);
  await volant.run("vm", "create", "first", "--plugin", "counter");
  await volant.run(
    "vm",
    "create",
    "second",
    "--no-start",
    "--plugin",
    "counter",
  );
  await volant.run(
    "vm",
    "create",
    "third",
    "--no-start",
    "--manifest",
    manifest,
  );
  await until("it counts", async () => await acknowledged(volant, "first") > 0);
  await volant.run("vm", "stop", "--kill", "first");
  await volant.run("vm", "delete", "third");
  const listed = await volant.json("vm", "list");
  const plugins = await volant.json("plugin", "list");

  const backup = await backUp(volant);
  await using other = await restoredInto(volant, backup);
  await other.startDaemon();
  const stable = (vms: Record<string, unknown>[]) =>
    vms.map(({ id, name, status, ip_address, mac_address, created_at }) => ({
      id,
      name,
      status,
      ip_address,
      mac_address,
      created_at,
    }));
  assert.deepEqual(stable(await other.json("vm", "list")), stable(listed));
  assert.deepEqual(await other.json("plugin", "list"), plugins);
  const files = (base: string) =>
    [...filesBelow(`${base}/vms`), ...filesBelow(`${base}/artifacts`)]
      .map((path) => path.slice(base.length)).sort();
  assert.deepEqual(files(other.stateDir), files(volant.stateDir));
  const disk = "vms/1/state.ext4";
  await run("cmp", `${volant.stateDir}/${disk}`, `${other.stateDir}/${disk}`);
  const { uid } = await Deno.stat(`${volant.stateDir}/${disk}`);
  assert.equal((await Deno.stat(`${other.stateDir}/${disk}`)).uid, uid);
  // With them go the files they hold.
  for (const each of [volant, other]) {
    await each.run("plugin", "remove", "counter");
  }
});
