/** What a guest has written is there again, and a full host is told to it. */

import assert from "node:assert/strict";
import { MountNamespace } from "../harness/mount_namespace.ts";
import { until, untilGone } from "../harness/until.ts";
import { DEADLINE_MS } from "./guest.ts";
import { Stage } from "./stage.ts";

/** With room for the daemon's files and all that the guest will write. */
const SMALL_DISK = "192m";

export async function keepsDisk(stage: Stage): Promise<void> {
  await using guest = await stage.guest({ root: "state-disk" });
  await guest.type("put 7");
  await guest.says("put 7");
  await guest.volant("stop", "--grace", "60s");
  await guest.volant("start");
  await guest.says("kept 7");
}

/** A crash takes nothing that the guest was told is on its disk. */
export async function keepsDiskThroughCrash(stage: Stage): Promise<void> {
  await using guest = await stage.guest({ root: "state-disk" });
  await guest.type("put 8");
  await guest.says("put 8");
  const pid = await guest.vmmPid();
  Deno.kill(pid, "SIGKILL");
  await guest.endsWith({ is: "crashed", cause: "vmm-crashed" });
  await untilGone(pid);
  await guest.volant("start");
  await guest.says("kept 8");
}

/**
 * The host's disk is full under a guest that writes: it is told so and runs on,
 * what was acknowledged is kept, and with room it writes again, at the latest
 * when it was started again.
 */
export async function livesOnFullDisk({ subject }: Stage): Promise<void> {
  await using mounts = await MountNamespace.create();
  await using stage = await Stage.start(subject);
  const { volant } = stage;
  await volant.endDaemon("SIGTERM");
  await mounts.run(
    ...["mount", "-t", "tmpfs", "-o", `size=${SMALL_DISK},mode=755`],
    ...["small", volant.stateDir],
  );
  volant.enter = mounts.enter;
  await volant.startDaemon();

  await using guest = await stage.guest({ root: "state-disk" });
  await guest.type("put 1");
  await guest.says("put 1");
  const filler = `${volant.stateDir}/filler`;
  await mounts.run("sh", "-c", `cat /dev/zero > ${filler} || true`);
  await guest.type("grow 64", "console lives");
  await (await guest.viewer()).sees("lives");
  await until("the guest is told", async () => {
    const { seen } = await guest.viewer();
    return /I\/O error, dev vd/.test(seen) ||
      // A simulated one has but one sector, which has its room.
      (await guest.lines()).some((line) => line.includes("no such command"));
  }, DEADLINE_MS);
  assert.equal((await guest.get()).status, "running");

  await mounts.run("rm", filler);
  // Its file system may have gone read-only for what it could not write.
  await guest.type("put 2");
  await guest.says(/^(cannot do ")?put 2/);
  const kept = (await guest.lines()).includes("put 2") ? 2 : 1;
  await guest.volant("restart", "--grace", "5s");
  await guest.says(`kept ${kept}`);
  await guest.type("put 3");
  await guest.says("put 3");
}
