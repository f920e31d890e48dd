/**
 * Backups while things change: VMs that are stopped, started, made and deleted
 * under one, a reader that is slow, a disk without room. The guests are
 * simulated: what is looked at is what the daemon does.
 */

import assert from "node:assert/strict";
import { backUp, emptyVolant } from "./harness/backups.ts";
import { MountNamespace } from "./harness/mount_namespace.ts";
import {
  createWords,
  simulatedManifest,
  startSimulated,
} from "./harness/simulated.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

/** More than all that lies between a daemon and who reads from its client. */
const MANY_MIB = 16;

async function create(
  volant: TmpVolant,
  name: string,
  ...flags: readonly string[]
): Promise<void> {
  const manifest = `${volant.folder}/simulated.json`;
  await volant.run(...createWords(name, manifest, "put 9"), ...flags);
  await until(`${name} has written`, async () => {
    return (await volant.run("vm", "logs", name)).includes("put 9");
  });
}

/** Says of a VM's folder that a disk of so many MiB is in it. */
const disk = (
  mib: number,
) => ["bs=1M", `count=${mib}`, "status=none", "if=/dev/urandom"];

async function addDisk(volant: TmpVolant, id: number, mib: number) {
  const path = `${volant.stateDir}/vms/${id}/root.img`;
  const { code } = await new Deno.Command("dd", {
    args: [...disk(mib), `of=${path}`],
  }).output();
  assert.equal(code, 0);
}

/** How many VMs were copied for backups so far. */
async function copies(volant: TmpVolant): Promise<number> {
  const log = await Deno.readTextFile(`${volant.folder}/daemon.log`);
  return log.split('"name":"backup:logs-copied"').length;
}

/** A backup that is in the middle of the first VM until it is read on. */
async function stalled(volant: TmpVolant): Promise<{
  readonly rest: (path: string) => Promise<Deno.CommandStatus>;
  readonly stderr: Promise<string>;
}> {
  const before = await copies(volant);
  const child = volant.spawn("backup", "create", "--no-compress", "-");
  const reader = child.stdout.getReader();
  const first = await reader.read();
  await until("the first VM is being sent", async () => {
    return (await copies(volant)) > before;
  });
  reader.releaseLock();
  return {
    stderr: new Response(child.stderr).text(),
    async rest(path) {
      using file = await Deno.open(path, { write: true, create: true });
      await file.write(first.value ?? new Uint8Array(0));
      for await (const chunk of child.stdout) {
        for (let done = 0; done < chunk.length;) {
          done += await file.write(chunk.subarray(done));
        }
      }
      return await child.status;
    },
  };
}

Deno.test("VMs are stopped, started, made and deleted while a slow reader takes a backup", async () => {
  await using volant = await startSimulated();
  await simulatedManifest(volant, { withDisk: true });
  for (const name of ["v1", "v2", "v3", "v4"]) await create(volant, name);
  await addDisk(volant, 1, MANY_MIB);
  await volant.run("vm", "stop", "v4");

  // One who asks for the head alone takes nothing, and blocks nobody.
  const head = await volant.request("/api/v1/backup", { method: "HEAD" });
  assert.equal(head.headers.get("content-type"), "application/x-tar");

  const backup = await stalled(volant);
  await volant.run("vm", "stop", "v1");
  await volant.run("vm", "delete", "--force", "v2");
  await volant.run("vm", "stop", "--kill", "v3");
  await volant.run("vm", "start", "v4");
  await create(volant, "v5");
  const path = `${volant.folder}/slow.backup`;
  const { code } = await backup.rest(path);
  assert.equal(code, 0, await backup.stderr);

  const { vms } = await volant.json("backup", "verify", path);
  assert.deepEqual(
    vms.map(({ name }: { name: string }) => name),
    ["v1", "v3", "v4"],
  );
  await using other = await emptyVolant({ VOLANT_HYPERVISOR: "simulated" });
  await volant.run(
    ...["backup", "restore", "--state-dir", other.stateDir, path],
  );
  await other.startDaemon();
  for (const name of ["v1", "v3", "v4"]) {
    await other.volant("vm", "stop", "--kill", name);
    await other.run("vm", "start", name);
    await until(`${name} finds what it wrote`, async () => {
      return (await other.run("vm", "logs", name)).includes("kept 9");
    });
  }
});

Deno.test("a VM that is to run always runs again when the restored daemon starts", async () => {
  await using volant = await startSimulated();
  await simulatedManifest(volant, { withDisk: true });
  await create(volant, "ever", "--restart", "always");
  await create(volant, "once", "--restart", "no");
  const backup = await backUp(volant);
  await using other = await emptyVolant({ VOLANT_HYPERVISOR: "simulated" });
  await volant.run(
    ...["backup", "restore", "--state-dir", other.stateDir, backup],
  );
  await other.startDaemon();
  await other.run("vm", "wait", "--for", "running", "--timeout", "30s", "ever");
  await until("it finds what it wrote", async () => {
    return (await other.run("vm", "logs", "ever")).includes("kept 9");
  });
  const once = await other.json("vm", "get", "once");
  assert.equal(once.exit.cause, "restored");
  assert.notEqual(once.status, "running");
});

Deno.test("a disk without room for the copy is told before anything stands still, or where it was met", async () => {
  await using namespace = await MountNamespace.create();
  await using volant = await startSimulated();
  await simulatedManifest(volant, { withDisk: true });
  await volant.endDaemon("SIGTERM");
  const { stateDir } = volant;
  await namespace.run(
    ...["mount", "-t", "tmpfs", "-o", "size=512m", "small", stateDir],
  );
  volant.enter = namespace.enter;
  await volant.startDaemon();
  for (const name of ["v1", "v2"]) await create(volant, name);
  const dd = (...words: readonly string[]) =>
    namespace.run("dd", ...words.map((word) => word.replace("@", stateDir)));
  await dd(...disk(MANY_MIB), "of=@/vms/1/root.img");
  await dd(...disk(2 * MANY_MIB), "of=@/vms/2/root.img");
  // The reserve, and half of the smaller disk: too little for the larger one
  // also when the copy of the smaller one is gone.
  const left = 64 + MANY_MIB / 2;
  const fill = ["/bin/sh", "-c"];
  const filler =
    `free=$(df -m --output=avail ${stateDir} | tail -1); dd if=/dev/zero of=${stateDir}/filler bs=1M count=$((free-${left})) status=none`;
  await namespace.run(...fill, filler);

  const path = `${volant.folder}/volant.backup`;
  const refused = await volant.volant("backup", "create", path);
  assert.equal(refused.status, 74, refused.stderr);
  assert.match(
    refused.stderr,
    /Cannot back up the largest VM: a copy of its disks takes 3\d MiB for a while, and \d+ MiB are free/,
  );
  assert.doesNotMatch(
    await Deno.readTextFile(`${volant.folder}/daemon.log`),
    /backup:machine-held/,
  );

  // Now there is room at the beginning, and none when the second is due.
  await namespace.run("rm", `${stateDir}/filler`);
  const backup = await stalled(volant);
  await namespace.run(...fill, filler);
  const { code } = await backup.rest(path);
  const said = await backup.stderr;
  assert.equal(code, 74, said);
  assert.match(said, /Cannot back up VM "v2": a copy of its disks/);
  const verified = await volant.volant("backup", "verify", path);
  assert.match(verified.stderr, /Cannot back up VM "v2"/);
  await Deno.remove(path);
  await namespace.run("rm", `${stateDir}/filler`);
  await volant.run("backup", "create", path);
  await volant.run("backup", "verify", path);
});
