/**
 * The rootfs path on real guests: what a guest writes to its root is kept, or
 * forgotten, as it was asked for, whatever the root is made of.
 */

import assert from "node:assert/strict";
import { buildAppliance } from "./harness/appliance.ts";
import {
  type RootFormat,
  rootImage,
  rootManifest,
  run,
} from "./harness/root_image.ts";
import { filesBelow, TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

/**
 * As a database: a journal that is synced before each commit is told. Busybox's
 * commands are called by name of the one program there is.
 */
const DATABASE = `
b=/bin/busybox
$b echo "start: $($b cat /data/journal 2> /dev/null | $b wc -l) records, uid $($b id -u)"
n=0
while :; do
  n=$((n+1))
  $b echo "record $n of $($b cat /proc/sys/kernel/random/boot_id)" >> /data/journal
  $b sync
  $b echo "committed $n"
  $b sleep 0.2
done
`;

/** Counts its starts in a file, says which this is, and stays. */
const COUNTER = `
b=/bin/busybox
n=$($b cat /data/starts 2> /dev/null || $b echo 0)
n=$((n+1))
$b echo $n > /data/starts
$b echo "start $n"
exec $b sleep 1000
`;

const BARE = ["--network", "none"];

async function lines(volant: TmpVolant, name: string): Promise<string[]> {
  return (await volant.run("vm", "logs", name)).trimEnd().split("\n");
}

async function logged(
  volant: TmpVolant,
  name: string,
  wanted: (all: string[]) => boolean,
): Promise<string[]> {
  let all: string[] = [];
  await until(`${name} says it`, async () => {
    all = await lines(volant, name);
    return wanted(all);
  }).catch((error) => assert.fail(`${error.message}: ${all.join(" | ")}`));
  return all;
}

const starts = (all: string[]) => all.filter((line) => /^start/.test(line));

Deno.test("a database on a shared read-only root keeps what it committed", async (t) => {
  await using volant = await TmpVolant.start();
  const image = await rootImage(volant, "erofs");
  const manifest = await rootManifest(volant, {
    name: "db",
    image,
    format: "erofs",
    script: DATABASE,
  });
  const create = (name: string) =>
    volant.run("vm", "create", name, "--manifest", manifest, ...BARE);
  /** Waits for some commits, and says how many are known to be made. */
  const committed = async (): Promise<number> => {
    const before = (await lines(volant, "db")).length;
    const all = await logged(volant, "db", (now) => now.length >= before + 3);
    return all.filter((line) => line.startsWith("committed")).length;
  };
  const kept = async (count: number, commits: number) => {
    const all = await logged(volant, "db", (now) => starts(now).length > count);
    const [, found] = /(\d+) records/.exec(starts(all)[count] ?? "") ?? [];
    assert.ok(
      Number(found) >= commits,
      `start ${count + 1} finds ${found} records, ${commits} were committed`,
    );
  };
  await create("db");

  await t.step("over stop and start", async () => {
    const commits = await committed();
    await volant.run("vm", "stop", "db");
    await volant.run("vm", "start", "db");
    await kept(1, commits);
  });
  await t.step("over restart", async () => {
    const commits = await committed();
    await volant.run("vm", "restart", "db");
    await kept(2, commits);
  });
  await t.step("when its VMM is killed", async () => {
    const commits = await committed();
    Deno.kill((await volant.json("vm", "get", "db")).pid, "SIGKILL");
    await volant.volant("vm", "wait", "db");
    assert.equal((await volant.json("vm", "get", "db")).status, "crashed");
    await volant.run("vm", "start", "db");
    await kept(3, commits);
  });
  await t.step(
    "when the daemon is killed and the VM stopped after",
    async () => {
      const commits = await committed();
      await volant.crashDaemon();
      await volant.run("vm", "stop", "db");
      await volant.run("vm", "start", "db");
      await kept(4, commits);
    },
  );

  await t.step("and another VM of the image sees nothing of it", async () => {
    await create("other");
    const [first] = await logged(volant, "other", (all) => all.length > 1);
    assert.match(first ?? "", /^start: 0 records/);
    assert.equal(filesBelow(`${volant.stateDir}/artifacts`).length, 1);
  });

  await t.step("until it is deleted: then nothing is left", async () => {
    await volant.run("vm", "delete", "--force", "db");
    await create("db");
    const [first] = await logged(volant, "db", (all) => all.length > 1);
    assert.match(first ?? "", /^start: 0 records/);
  });

  await t.step(
    "and its disk takes what was written, not its size",
    async () => {
      const { id } = await volant.json("vm", "get", "db");
      const disk = await Deno.stat(`${volant.stateDir}/vms/${id}/state.ext4`);
      assert.equal(disk.size, 256 * 1024 * 1024);
      assert.ok(
        (disk.blocks ?? 0) * 512 < disk.size / 8,
        `${disk.blocks} blocks`,
      );
    },
  );
});

Deno.test("a state disk gives back to the host what its guest removes", async () => {
  await using volant = await TmpVolant.start();
  const manifest = await rootManifest(volant, {
    name: "big",
    image: await rootImage(volant, "erofs"),
    format: "erofs",
    script: `
      b=/bin/busybox
      $b dd if=/dev/urandom of=/data/big bs=1M count=32 2> /dev/null; $b sync
      $b echo written
      $b sleep 3
      $b rm /data/big; $b sync; $b echo removed
      exec $b sleep 1000`,
  });
  await volant.run("vm", "create", "big", "--manifest", manifest, ...BARE);
  const { id } = await volant.json("vm", "get", "big");
  const taken = async () => {
    const disk = `${volant.stateDir}/vms/${id}/state.ext4`;
    return ((await Deno.stat(disk)).blocks ?? 0) * 512;
  };
  const size = 32 * 1024 * 1024;
  await until("it is written", async () => await taken() > size);
  await logged(volant, "big", (all) => all.includes("removed"));
  await until("it is given back", async () => await taken() < size);
});

Deno.test("disks that a lost database knew are kept, and their VM with its record", async (t) => {
  await using volant = await TmpVolant.start();
  const manifest = await rootManifest(volant, {
    name: "kept",
    image: await rootImage(volant, "erofs"),
    format: "erofs",
    script: COUNTER,
  });
  await volant.run("vm", "create", "kept", "--manifest", manifest, ...BARE);
  await logged(volant, "kept", (now) => starts(now).length === 1);
  await volant.run("vm", "stop", "kept");
  const loseDatabase = async () => {
    await volant.endDaemon("SIGTERM");
    for (const { name } of Deno.readDirSync(volant.stateDir)) {
      if (!name.startsWith("volant.db")) continue;
      await Deno.remove(`${volant.stateDir}/${name}`);
    }
  };
  const { id } = await volant.json("vm", "get", "kept");
  await t.step("the VM is back and finds what it wrote", async () => {
    await loseDatabase();
    await volant.startDaemon();
    await volant.run("vm", "start", "kept");
    await logged(volant, "kept", (now) => now.includes("start 2"));
    await volant.run("vm", "stop", "kept");
  });
  await t.step("without its record, its disk is moved aside", async () => {
    await loseDatabase();
    await Deno.writeTextFile(`${volant.stateDir}/vms/${id}/vm.json`, "{");
    await volant.startDaemon();
    const [disk] = filesBelow(`${volant.stateDir}/forgotten`).filter((path) =>
      path.endsWith("/state.ext4")
    );
    assert.match(disk ?? "", /\/forgotten\/1-\d+\/state\.ext4$/);
    const log = await Deno.readTextFile(`${volant.folder}/daemon.log`);
    assert.match(log, /No VM owns .*was moved to/);
  });
});

Deno.test("an ephemeral guest forgets what it wrote at each stop", async (t) => {
  await using volant = await TmpVolant.start();
  for (const format of ["erofs", "ext4"] as const) {
    await t.step(format, async () => {
      const name = `counter-${format}`;
      const manifest = await rootManifest(volant, {
        name,
        image: await rootImage(volant, format),
        format,
        script: COUNTER,
        manifest: { ephemeral: true },
      });
      await volant.run("vm", "create", name, "--manifest", manifest, ...BARE);
      await logged(volant, name, (now) => starts(now).length === 1);
      await volant.run("vm", "restart", name);
      const all = await logged(volant, name, (now) => starts(now).length === 2);
      assert.deepEqual(starts(all), ["start 1", "start 1"]);
      const { id } = await volant.json("vm", "get", name);
      assert.deepEqual(
        filesBelow(`${volant.stateDir}/vms/${id}`).filter((path) =>
          !path.includes("/logs/")
        ),
        [`${volant.stateDir}/vms/${id}/vm.json`],
        "no disk of its own, only its record",
      );
    });
  }
});

Deno.test("every format of a root boots, is written to, and keeps it", async (t) => {
  await using volant = await TmpVolant.start();
  const formats: readonly RootFormat[] = [
    ...["squashfs", "ext4", "xfs", "btrfs", "raw", "qcow2"] as const,
  ];
  for (const format of formats) {
    await t.step(format, async () => {
      const image = await rootImage(volant, format);
      const before = await run("sha256sum", image);
      const manifest = await rootManifest(volant, {
        name: format,
        image,
        format,
        script: COUNTER,
      });
      await volant.run("vm", "create", format, "--manifest", manifest, ...BARE);
      await logged(volant, format, (now) => starts(now).length === 1);
      await volant.run("vm", "restart", format);
      const all = await logged(
        volant,
        format,
        (now) => starts(now).length === 2,
      );
      assert.deepEqual(starts(all), ["start 1", "start 2"]);
      assert.equal(await run("sha256sum", image), before, "a copy was written");
      await volant.run("vm", "delete", "--force", format);
    });
  }
});

Deno.test("beside a rootfs the shim of a given initramfs moves on to it, of any format", async (t) => {
  await using volant = await TmpVolant.start();
  for (const format of ["ext4", "xfs", "squashfs"] as const) {
    await t.step(format, async () => {
      const name = `both-${format}`;
      const image = await rootImage(volant, format);
      const { manifest } = await buildAppliance(volant, {
        name,
        script: COUNTER,
        memoryMib: 128,
        manifest: { rootfs: { url: image, format } },
      });
      await volant.run("vm", "create", name, "--manifest", manifest, ...BARE);
      await logged(volant, name, (now) => starts(now).length === 1);
      await volant.run("vm", "restart", name);
      const all = await logged(volant, name, (now) => starts(now).length === 2);
      assert.deepEqual(starts(all), ["start 1", "start 2"]);
      await volant.run("vm", "delete", "--force", name);
    });
  }
});

Deno.test("a disk that is gone is a fault, not an empty disk", async (t) => {
  await using volant = await TmpVolant.start();
  const disks = [["erofs", "state.ext4"], ["ext4", "root.img"]] as const;
  for (const [format, disk] of disks) {
    await t.step(disk, async () => {
      const manifest = await rootManifest(volant, {
        name: format,
        image: await rootImage(volant, format),
        format,
        script: COUNTER,
      });
      await volant.run("vm", "create", format, "--manifest", manifest, ...BARE);
      await logged(volant, format, (now) => starts(now).length === 1);
      await volant.run("vm", "stop", format);
      const { id } = await volant.json("vm", "get", format);
      const path = `${volant.stateDir}/vms/${id}/${disk}`;
      await Deno.rename(path, `${volant.folder}/elsewhere`);
      const { status, stderr } = await volant.volant("vm", "start", format);
      assert.equal(status, 66);
      assert.match(stderr, /it was made for this VM before, and is gone/);
      assert.ok(stderr.includes(path), stderr);
      await Deno.rename(`${volant.folder}/elsewhere`, path);
      await volant.run("vm", "start", format);
      const all = await logged(
        volant,
        format,
        (now) => starts(now).length === 2,
      );
      assert.deepEqual(starts(all), ["start 1", "start 2"]);
    });
  }
});

Deno.test("folders that an image brings below /run and /tmp are there", async () => {
  await using volant = await TmpVolant.start();
  const manifest = await rootManifest(volant, {
    name: "folders",
    image: await rootImage(volant, "erofs"),
    format: "erofs",
    script: "cd /run/app && exec /bin/busybox echo in $PWD",
  });
  await volant.run("vm", "create", "f", "--manifest", manifest, ...BARE);
  await volant.run("vm", "wait", "f");
  assert.deepEqual(await lines(volant, "f"), ["in /run/app"]);
});

Deno.test("a program of the image is PID 1 where the manifest says so", async () => {
  await using volant = await TmpVolant.start();
  const manifest = await rootManifest(volant, {
    name: "own-init",
    image: await rootImage(volant, "ext4"),
    format: "ext4",
    script: "",
    manifest: {
      init: { path: "/bin/sh" },
      workload: undefined,
      kernel: { cmdline: "rootwait" },
    },
  });
  await volant.run("vm", "create", "own", "--manifest", manifest, ...BARE);
  await until("the shell is up", async () => {
    const { stdout } = await volant.volant(
      "vm",
      "logs",
      "--source",
      "console",
      "own",
    );
    // ash says so on a console that is no terminal of its own.
    return /can't access tty|# /.test(stdout);
  });
  assert.equal((await volant.json("vm", "get", "own")).status, "running");
});
