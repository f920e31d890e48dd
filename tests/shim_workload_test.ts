/**
 * What a workload finds when the shim has started it: who it is, its file
 * systems, its network, its names, and a root file system on a disk.
 */

import assert from "node:assert/strict";
import { type BootConfig } from "../src/guest/boot_config.ts";
import { runGuest } from "./harness/guest.ts";
import { baseFiles, type InitramfsFiles } from "./harness/initramfs.ts";

/** The output between `== TITLE` and the next title. */
function section(output: string, title: string): string {
  return output.split("== ").find((part) => part.startsWith(`${title}\n`))
    ?.slice(title.length + 1) ?? "";
}

/** A script that prints the output of each command under its title. */
function sections(commands: Readonly<Record<string, string>>): string {
  return Object.entries(commands)
    .map(([title, command]) => `echo "== ${title}"; ${command}`).join("\n");
}

const ORDINARY: Partial<BootConfig> = {
  hostname: "box",
  ip: "10.0.2.15/20",
  gateway: "10.0.2.2",
  mtu: 1400,
  dns: ["10.0.2.3", "9.9.9.9"],
  search: ["a.example", "b.example"],
  hosts: ["10.0.2.2 gateway", "10.0.2.9 db"],
  env: { A: "1 = one", EMPTY: "", PATH: "/nowhere:/etc/:/opt/tools:/bin" },
  cwd: "/opt",
  uid: 1000,
  gid: 100,
  groups: [4, 20],
  rlimits: [
    { resource: 7, soft: 64, hard: 128 },
    { resource: 4, soft: "unlimited", hard: "unlimited" },
  ],
};

Deno.test("a workload finds what its boot config says", async (t) => {
  const script = sections({
    id: "id; cat /proc/self/status | grep Groups",
    limits: "cat /proc/self/limits",
    where: "echo $PWD; cat /proc/self/cgroup; cat /proc/self/stat",
    environment: "env",
    descriptors: "ls -l /proc/self/fd",
    reopen: "echo reopened > /dev/stdout",
    signals: "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status",
    interfaces: "ip addr",
    routes: "ip route",
    hosts: "cat /etc/hosts",
    resolver: "cat /etc/resolv.conf",
    hostname: "hostname",
    mounts: "cat /proc/mounts",
    shm: "stat -c %a /dev/shm /tmp /run; touch /tmp/x && echo written",
    first: "cat /proc/1/comm; ls -l /proc/1/fd",
  });
  const { output, lines } = await runGuest({
    boot: { ...ORDINARY, args: ["say", script] },
    files: {
      "opt/tools/say": {
        bytes: new TextEncoder().encode('#!/bin/sh\nexec sh -c "$1"\n'),
        mode: 0o755,
      },
      "etc/say": { bytes: new TextEncoder().encode("not this"), mode: 0o644 },
      // A link to where nothing is: an image made on a systemd host has one.
      "etc/resolv.conf": { link: "../run/systemd/resolve/stub-resolv.conf" },
    },
  });
  assert.equal(lines.at(-1), "off exit");

  await t.step("its ids, groups and limits", () => {
    assert.match(section(output, "id"), /^uid=1000 gid=100 groups=.*4.*20/);
    assert.match(section(output, "id"), /Groups:\s+4 20\s/);
    const limits = section(output, "limits");
    assert.match(limits, /Max open files\s+64\s+128/);
    assert.match(limits, /Max core file size\s+unlimited\s+unlimited/);
  });

  await t.step("its folder, cgroup and session", () => {
    const where = section(output, "where").split("\n");
    assert.equal(where[0], "/opt");
    assert.equal(where[1], "0::/workload");
    const pid = /pid=(\d+)/.exec(lines.join("\n"))?.[1];
    const fields = where[2]?.split(" ");
    // Process group and session are its own; it has no terminal.
    assert.deepEqual(fields?.slice(4, 7), [pid, pid, "0"]);
  });

  await t.step(
    "its environment, found by PATH past a file that is not executable",
    () => {
      const env = section(output, "environment").split("\n");
      assert.ok(env.includes("A=1 = one"));
      assert.ok(env.includes("EMPTY="));
      assert.ok(env.includes("PATH=/nowhere:/etc/:/opt/tools:/bin"));
    },
  );

  await t.step("its descriptors and signals", () => {
    const descriptors = section(output, "descriptors");
    assert.match(descriptors, /0 -> \/dev\/null/);
    assert.match(descriptors, /1 -> \/dev\/ttyS2/);
    assert.match(descriptors, /2 -> \/dev\/ttyS2/);
    assert.equal(section(output, "reopen"), "reopened\n");
    assert.doesNotMatch(section(output, "signals"), /SigBlk:\s*0*[1-9a-f]/);
    assert.doesNotMatch(section(output, "signals"), /SigIgn:\s*0*[1-9a-f]/);
  });

  await t.step("its network", () => {
    const interfaces = section(output, "interfaces");
    assert.match(interfaces, /lo: <[^>]*UP[^>]*>/);
    assert.match(interfaces, /inet 127\.0\.0\.1\/8/);
    assert.match(interfaces, /eth0: <[^>]*MULTICAST,UP[^>]*> mtu 1400/);
    assert.match(interfaces, /inet 10\.0\.2\.15\/20 brd 10\.0\.15\.255/);
    assert.match(
      section(output, "routes"),
      /default via 10\.0\.2\.2 dev eth0/,
    );
    assert.match(section(output, "routes"), /10\.0\.0\.0\/20 dev eth0/);
  });

  await t.step("its names", () => {
    assert.equal(section(output, "hostname"), "box\n");
    assert.equal(
      section(output, "hosts"),
      "127.0.0.1 localhost\n::1 localhost\n10.0.2.15 box\n" +
        "10.0.2.2 gateway\n10.0.2.9 db\n",
    );
    assert.equal(
      section(output, "resolver"),
      "nameserver 10.0.2.3\nnameserver 9.9.9.9\n" +
        "search a.example b.example\n",
    );
  });

  await t.step("its file systems", () => {
    const mounts = section(output, "mounts");
    for (
      const line of [
        "devtmpfs /dev devtmpfs rw,nosuid",
        "proc /proc proc rw,nosuid,nodev,noexec",
        "sysfs /sys sysfs rw,nosuid,nodev,noexec",
        "devpts /dev/pts devpts rw,nosuid,noexec",
        "tmpfs /dev/shm tmpfs rw,nosuid,nodev",
        "tmpfs /tmp tmpfs rw,nosuid,nodev",
        "tmpfs /run tmpfs rw,nosuid,nodev",
        "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec",
      ]
    ) assert.ok(mounts.includes(`\n${line}`) || mounts.startsWith(line), line);
    assert.equal(section(output, "shm"), "1777\n1777\n755\nwritten\n");
  });

  await t.step("and a shim that it cannot look into", () => {
    assert.match(section(output, "first"), /^init\n.*Permission denied/);
  });
});

Deno.test("a workload of which the boot config says little finds what is usual", async () => {
  const { output, console } = await runGuest({
    script: sections({
      id: "id",
      where: "echo $PWD $PATH; hostname",
      hosts: "cat /etc/hosts; cat /etc/resolv.conf 2>&1",
      eth0: "ip addr show eth0",
      descriptors: "ls -l /proc/self/fd",
    }),
    boot: { output: undefined },
  });
  // Without a device of its own it writes to the console.
  assert.equal(output, "");
  const text = console.replaceAll("\r", "");
  assert.match(section(text, "id"), /^uid=0 gid=0/);
  assert.equal(
    section(text, "where"),
    "/ /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nvolant\n",
  );
  assert.match(section(text, "hosts"), /^127\.0\.1\.1 volant$/m);
  assert.match(section(text, "hosts"), /resolv.conf'?: No such file/);
  assert.doesNotMatch(section(text, "eth0"), /inet |[<,]UP/);
  assert.match(section(text, "descriptors"), /1 -> \/dev\/console/);
});

Deno.test("names files, and records, longer than a page are written whole", async () => {
  const numbers = Array.from({ length: 300 }, (_, index) => index);
  const hosts = [
    ...numbers.map((number) => `10.1.0.1 a-host-of-number-${number}`),
    `10.1.0.2 ${
      numbers.map((number) => `alias-of-number-${number}`).join(" ")
    }`,
  ];
  const dns = numbers.map((number) => `10.9.${number >> 8}.${number & 255}`);
  const search = numbers.map((number) => `domain-${number}.example`);
  const { output } = await runGuest({
    script: sections({
      hosts: "cat /etc/hosts",
      resolver: "cat /etc/resolv.conf",
    }),
    boot: { hosts, dns, search },
  });
  assert.deepEqual(section(output, "hosts").split("\n"), [
    "127.0.0.1 localhost",
    "::1 localhost",
    "127.0.1.1 volant",
    ...hosts,
    "",
  ]);
  assert.deepEqual(section(output, "resolver").split("\n"), [
    ...dns.map((address) => `nameserver ${address}`),
    `search ${search.join(" ")}`,
    "",
  ]);
});

/** A folder with busybox and what an image has, as a root file system. */
async function rootFolder(files: InitramfsFiles): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "volant-root-" });
  for (const [name, file] of Object.entries(files)) {
    const path = `${folder}/${name}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if ("link" in file) await Deno.symlink(file.link, path);
    else await Deno.writeFile(path, file.bytes, { mode: file.mode });
  }
  return folder;
}

async function run(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args })
    .output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

/** Whether the guest left an ext4 with nothing to recover. */
async function isClean(path: string): Promise<void> {
  assert.doesNotMatch(await run("dumpe2fs", "-h", path), /needs_recovery/);
  await run("e2fsck", "-fn", path);
}

Deno.test("a workload lives on a root file system of its own", async (t) => {
  await using undo = new AsyncDisposableStack();
  const { init: _, ...files } = await baseFiles();
  const tree = await rootFolder({
    ...files,
    "etc/resolv.conf": { link: "/run/systemd/resolve/stub-resolv.conf" },
    "data/mine": {
      bytes: new TextEncoder().encode("of the image\n"),
      mode: 0o644,
    },
  });
  const disks = await Deno.makeTempDir({ prefix: "volant-disks-" });
  for (const folder of [tree, disks]) {
    undo.defer(() => Deno.remove(folder, { recursive: true }));
  }
  await run("mkfs.erofs", "--quiet", `${disks}/root.erofs`, tree);
  await run("truncate", "-s", "16M", `${disks}/root.ext4`, `${disks}/state`);
  await run("mke2fs", "-q", "-t", "ext4", "-d", tree, `${disks}/root.ext4`);
  await run("mke2fs", "-q", "-t", "ext4", `${disks}/state`);
  const script = sections({
    root: "grep ' / ' /proc/mounts; cat /proc/mounts",
    files: "ls /; cat /data/*",
    names: "cat /etc/hosts /etc/resolv.conf",
    write: "echo of this guest > /data/ours; rm /data/mine; ls /data",
    devices: "echo x > /dev/null && echo ok; ls /dev/pts /sys/fs/cgroup",
  }) + "\nexit 5";
  const boot = (root: BootConfig["root"], names: readonly string[]) =>
    runGuest({
      script,
      boot: { root, dns: ["9.9.9.9"] },
      disks: names.map((name) => `${disks}/${name}`),
    });
  const device = "/dev/vdb";
  const exited = ["state exited status=5", "off exit"];

  await t.step("erofs under a tmpfs that is forgotten", async () => {
    for (let times = 0; times < 2; times++) {
      const root = { device, fs: "erofs", mode: "overlay" } as const;
      const { output, lines } = await boot(root, ["root.erofs"]);
      assert.deepEqual(lines.slice(-2), exited);
      assert.match(section(output, "root"), /^overlay \/ overlay rw/);
      assert.match(section(output, "files"), /of the image\n$/);
      assert.match(section(output, "names"), /nameserver 9\.9\.9\.9/);
      assert.equal(section(output, "write"), "ours\n");
      assert.match(section(output, "devices"), /^ok\n/);
    }
  });

  await t.step("erofs under a state disk that is kept", async () => {
    const root = {
      device,
      fs: "erofs",
      mode: "overlay",
      state: "/dev/vdc",
    } as const;
    const first = await boot(root, ["root.erofs", "state"]);
    assert.match(section(first.output, "files"), /of the image\n$/);
    const second = await boot(root, ["root.erofs", "state"]);
    assert.match(section(second.output, "files"), /of this guest\n$/);
    await isClean(`${disks}/state`);
  });

  await t.step("ext4, written to", async () => {
    const root = { device, fs: "ext4", mode: "rw" } as const;
    const first = await boot(root, ["root.ext4"]);
    assert.match(section(first.output, "root"), /^\/dev\/vdb \/ ext4 rw/);
    const second = await boot(root, ["root.ext4"]);
    assert.match(section(second.output, "files"), /of this guest\n$/);
    await isClean(`${disks}/root.ext4`);
  });
});
