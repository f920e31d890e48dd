/**
 * The host is started anew, as the daemon sees it: no process of a machine is
 * there any more, the runtime directory is empty, and the kernel gives another
 * boot id. The daemon is shown that in a mount namespace of its own. VMs come
 * back as their restart policy says, with their disks, addresses and ports.
 */

import assert from "node:assert/strict";
import { buildAppliance } from "./harness/appliance.ts";
import { assertTrue } from "./harness/invariants.ts";
import { monitorPid, stateOf } from "./harness/machine.ts";
import { Netns } from "./harness/netns.ts";
import { rootImage, rootManifest } from "./harness/root_image.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { until, untilGone } from "./harness/until.ts";

/** Counts its starts on its disk, and stays until it is told to end. */
const COUNTER = `
b=/bin/busybox
n=$($b cat /data/n 2> /dev/null || $b echo 0)
$b echo $((n+1)) > /data/n; $b sync
$b echo "start $((n+1))"
trap 'exit 0' TERM
while :; do $b sleep 0.2; done
`;

const ENDING = "echo up; trap 'exit 7' USR1; while :; do sleep 0.1; done";
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** Sets the host's boot as the next daemon sees it. */
async function nextBoot(volant: TmpVolant, netns: Netns): Promise<void> {
  const file = `${volant.folder}/boot_id`;
  await Deno.writeTextFile(file, `${crypto.randomUUID()}\n`);
  volant.enter = [
    ...netns.enter,
    ...["unshare", "--mount", "--", "/bin/sh", "-c"],
    `mount --bind "$0" ${BOOT_ID} && exec "$@"`,
    file,
  ];
}

/** The power goes: all at once, and no machine writes down how it ended. */
async function losePower(volant: TmpVolant, netns: Netns): Promise<void> {
  const vms = await volant.json("vm", "list");
  const running = vms.filter(({ pid }: { pid?: number }) => pid !== undefined);
  const monitors = running.map(({ id }: { id: number }) =>
    monitorPid(volant, id)
  );
  await volant.endDaemon("SIGKILL");
  for (const pid of monitors) Deno.kill(pid, "SIGKILL");
  for (const { pid } of running) await untilGone(pid);
  // A tmpfs, as is all of the network.
  await Deno.remove(volant.runtimeDir, { recursive: true });
  for (const link of await netns.links()) {
    await netns.run("ip", "link", "del", link);
  }
  await netns.run("nft", "flush", "ruleset");
  await nextBoot(volant, netns);
}

async function starts(volant: TmpVolant, name: string): Promise<string[]> {
  const log = await volant.run("vm", "logs", name);
  return log.split("\n").filter((line) => /^start \d+$/.test(line));
}

Deno.test("after a reboot of the host VMs come back by their policy, with all that is theirs", async (t) => {
  await using netns = await Netns.create();
  await using volant = await TmpVolant.start({ netns });
  const counting = await rootManifest(volant, {
    name: "counter",
    image: await rootImage(volant, "erofs"),
    format: "erofs",
    script: COUNTER,
  });
  const { manifest: ending } = await buildAppliance(volant, {
    name: "ending",
    script: ENDING,
    memoryMib: 32,
  });
  const create = (name: string, manifest: string, ...more: string[]) =>
    volant.run("vm", "create", name, "--manifest", manifest, ...more);
  await create("always", counting, "--restart", "always", "-p", "8080:80");
  await create("on-failure", counting, "--restart", "on-failure");
  await create("no", counting, "--restart", "no");
  await create("stopped", counting, "--restart", "always");
  await create("pending", counting, "--restart", "always", "--no-start");
  await create("done", ending, "--restart", "on-failure");
  for (const name of ["always", "on-failure", "no", "stopped"]) {
    await until(
      `${name} counts`,
      async () => (await starts(volant, name)).length === 1,
    );
  }
  await volant.run("vm", "stop", "--grace", "5s", "stopped");
  const get = (name: string) => volant.json("vm", "get", name);
  const before = new Map<string, Record<string, unknown>>();
  for (const { name } of await volant.json("vm", "list")) {
    before.set(name, await get(name));
  }

  await losePower(volant, netns);
  await volant.startDaemon();

  await t.step("those that shall run, run again", async () => {
    for (const name of ["always", "on-failure", "done"]) {
      await volant.run("vm", "wait", name, "--for", "running");
      const vm = await get(name);
      assert.equal(vm.status, "running", name);
      assert.notEqual(vm.pid, before.get(name)?.["pid"]);
      assert.equal(vm.machine_restarts, 0, "it is no failure of theirs");
    }
  });
  await t.step("the others are told to have ended with the host", async () => {
    const vm = await get("no");
    assert.equal(vm.status, "crashed");
    assert.equal(vm.exit.cause, "host-rebooted");
    assert.equal((await get("stopped")).status, "stopped");
    assert.equal((await get("stopped")).exit.cause, "stopped");
    assert.equal((await get("pending")).status, "pending");
  });
  await t.step("their disks, addresses and ports are the same", async () => {
    for (const name of ["always", "on-failure"]) {
      await until(`${name} has counted on`, async () => {
        return (await starts(volant, name)).join() === "start 1,start 2";
      });
    }
    await volant.run("vm", "start", "no");
    await until("it has counted on", async () => {
      return (await starts(volant, "no")).join() === "start 1,start 2";
    });
    for (const [name, was] of before) {
      const { ip_address, mac_address, expose } = await get(name);
      assert.deepEqual(
        { ip_address, mac_address, expose },
        {
          ip_address: was["ip_address"],
          mac_address: was["mac_address"],
          expose: was["expose"],
        },
      );
    }
    await assertTrue(volant, "after a reboot");
  });
  await t.step(
    "a second reboot while the first one's VMs come back",
    async () => {
      await losePower(volant, netns);
      // It is killed as soon as it has begun to start them.
      await assert.rejects(
        volant.startDaemon({ VOLANT_KILL_AT: "start:recorded" }),
      );
      await volant.startDaemon();
      for (const name of ["always", "on-failure", "done"]) {
        await volant.run("vm", "wait", name, "--for", "running");
      }
      assert.equal((await get("no")).status, "crashed");
      assert.equal((await get("stopped")).status, "stopped");
      await assertTrue(volant, "after two reboots");
    },
  );
});

Deno.test("a VM that ends again and again is started with growing pauses", async (t) => {
  await using volant = await TmpVolant.start();
  const { manifest } = await buildAppliance(volant, {
    name: "ending",
    script: ENDING,
    memoryMib: 32,
  });
  const create = (name: string, ...more: string[]) =>
    volant.run(
      ...["vm", "create", name, "--manifest", manifest, "--network", "none"],
      ...more,
    );
  const get = (name: string) => volant.json("vm", "get", name);
  /** Kills its VMM, and waits for what the daemon makes of that; the pause. */
  const killVmm = async (name: string): Promise<number> => {
    const { id } = await get(name);
    Deno.kill(Number(stateOf(volant, id)["vmm_pid"]), "SIGKILL");
    let pause: number | undefined;
    await until(`${name} waits for its next start`, async () => {
      const { restarting_at, exit, status } = await get(name);
      if (restarting_at === undefined) return false;
      assert.deepEqual([status, exit.cause], ["crashed", "vmm-crashed"]);
      pause = Date.parse(restarting_at) - Date.parse(exit.at);
      return true;
    });
    assert.ok(pause !== undefined);
    return pause;
  };
  const runsAgain = (name: string) =>
    until(
      `${name} runs again`,
      async () => (await get(name)).status === "running",
    );
  const isNotStarted = async (name: string) => {
    const { restarting_at, status } = await get(name);
    assert.deepEqual([status, restarting_at], ["crashed", undefined]);
    // When another's first pause is over, its own would be, too.
    await create("other", "--restart", "always");
    await killVmm("other");
    await runsAgain("other");
    assert.equal((await get(name)).status, "crashed");
    await volant.run("vm", "delete", "--force", "other");
  };

  await t.step("each pause is twice the last", async () => {
    await create("v", "--restart", "always");
    const pauses: number[] = [];
    for (let kills = 0; kills < 3; kills++) {
      pauses.push(await killVmm("v"));
      await runsAgain("v");
      assert.equal((await get("v")).machine_restarts, kills + 1);
    }
    assert.deepEqual(pauses, [1000, 2000, 4000]);
  });
  await t.step(
    "a daemon that is killed during the pause leaves it to the next",
    async () => {
      await killVmm("v");
      const { restarting_at } = await get("v");
      await volant.crashDaemon();
      const vm = await get("v");
      if (vm.status === "crashed") {
        assert.equal(
          vm.restarting_at,
          restarting_at,
        );
      }
      await runsAgain("v");
      assert.equal((await get("v")).machine_restarts, 4);
    },
  );
  await t.step("a user's start does not wait, and begins anew", async () => {
    await killVmm("v");
    await volant.run("vm", "start", "v");
    assert.equal((await get("v")).machine_restarts, 0);
  });
  await t.step("a user's stop ends it", async () => {
    await killVmm("v");
    await volant.run("vm", "stop", "v");
    await isNotStarted("v");
    await volant.crashDaemon();
    await isNotStarted("v");
  });
  await t.step("so does a delete", async () => {
    await volant.run("vm", "start", "v");
    await killVmm("v");
    await volant.run("vm", "delete", "v");
    assert.equal((await volant.volant("vm", "get", "v")).status, 66);
  });
  await t.step("and a policy of no", async () => {
    await create("n", "--restart", "no");
    const { pid } = await get("n");
    Deno.kill(pid, "SIGKILL");
    await until(
      "it has crashed",
      async () => (await get("n")).status === "crashed",
    );
    await isNotStarted("n");
  });
  await t.step("on-failure: not after an end that was well", async () => {
    await create("f", "--restart", "on-failure");
    assert.equal(await killVmm("f"), 1000);
    await runsAgain("f");
    await volant.run("vm", "stop", "--kill", "f");
    const { status, restarting_at } = await get("f");
    assert.deepEqual([status, restarting_at], ["stopped", undefined]);
  });
  await assertTrue(volant, "after all of it");
});
