/**
 * The shim, from outside: real guests are booted with it as process 1, and
 * looked at through their control port, console and output. What a workload
 * finds when it starts is in shim_workload_test.ts.
 */

import assert from "node:assert/strict";
import { fnv1a } from "../src/guest/boot_config.ts";
import { formatHostLine } from "../src/guest/control.ts";
import { built } from "./harness/built.ts";
import { bootConfig, Guest, runGuest } from "./harness/guest.ts";
import { guestProgram } from "./harness/initramfs.ts";

/** Signals whose default is to end a process, and that a process can send itself. */
const DEADLY = Array.from({ length: 31 }, (_, index) => index + 1)
  .filter((signal) => ![17, 18, 19, 20, 21, 22, 23, 28].includes(signal));

const LOOP = "while :; do sleep 1; done";

/** Sets n to the number of the run, from 0 on. */
const COUNT =
  "n=$(cat /tmp/n 2> /dev/null || echo 0); echo $((n + 1)) > /tmp/n";

Deno.test("the shim's file is at most 8,192 bytes, static, and asks for no loader", async () => {
  const file = await Deno.readFile(built("shim/shim"));
  assert.ok(file.length <= 8192, `${file.length} bytes`);
  const view = new DataView(file.buffer);
  assert.equal(view.getUint32(0), 0x7f454c46);
  const types = Array.from(
    { length: view.getUint16(56, true) },
    (_, index) => view.getUint32(64 + index * 56, true),
  );
  assert.deepEqual(types, [1, 1], "two segments to load, no interpreter");
});

Deno.test("every exit status and every deadly signal is told, each restart after the last", async () => {
  await using guest = await Guest.boot({
    files: { "bin/raise": await guestProgram("raise") },
    script: `${COUNT}; [ $n -lt 256 ] && exit $n
      set -- ${DEADLY.join(" ")}; shift $((n - 256)); [ $# = 0 ] && ${LOOP}
      exec raise $1`,
    boot: { restart: "always", backoffMs: { first: 1, longest: 1 } },
  });
  const expected = [
    ...Array.from({ length: 256 }, (_, status) => status),
    ...DEADLY.map((signal) => 128 + signal),
  ];
  for (const [index, status] of expected.entries()) {
    assert.deepEqual(await guest.control.message("waiting"), {
      kind: "waiting",
      status,
      restarts: index + 1,
      delayMs: 1,
      oom: false,
    });
    const started = await guest.control.message("started");
    assert.equal(started.restarts, index + 1);
  }
  await guest.control.send({ kind: "kill" });
  assert.equal((await guest.control.message("exited")).status, 137);
  assert.equal(await guest.control.next(), "off stop");
  await guest.end();
});

Deno.test("thousands of orphans are reaped while the workload runs", async () => {
  const { output, lines } = await runGuest({
    files: { "bin/orphans": await guestProgram("orphans") },
    boot: { args: ["orphans", "3000"] },
  });
  assert.equal(output, "making 3000\nno zombies\n");
  assert.deepEqual(lines.slice(-2), ["state exited status=0", "off exit"]);
});

Deno.test("a workload's whole life is told in order", async () => {
  const { lines } = await runGuest({ script: "exit 3" });
  assert.deepEqual(
    lines.map((line) => line.replace(/pid=\d+/, "pid=N")),
    [
      "volant 1",
      "state booting",
      "state started pid=N restarts=0",
      "state exited status=3",
      "off exit",
    ],
  );
});

Deno.test("a process group that ignores its stop signal is killed after the grace", async () => {
  await using guest = await Guest.boot({
    script: `trap "" TERM; (${LOOP}) & echo deaf; ${LOOP}`,
  });
  await guest.outputHas("deaf");
  await guest.control.send({ kind: "stop", graceMs: 300 });
  await guest.control.message("stopping");
  assert.deepEqual(await guest.control.message("exited"), {
    kind: "exited",
    status: 137,
    oom: false,
  });
  assert.equal(await guest.control.next(), "off stop");
  await guest.end();
});

Deno.test("a stop waits for the whole process group, also when its leader ends first", async () => {
  await using guest = await Guest.boot({
    script: `(trap 'sleep 0.5; echo tidied up; exit' USR1; echo up; ${LOOP}) &
      trap 'exit 7' USR1; echo up; ${LOOP}`,
    boot: { stopSignal: 10 },
  });
  await guest.outputHas("up\nup");
  await guest.control.send({ kind: "stop", graceMs: 20_000 });
  assert.equal((await guest.control.message("exited")).status, 7);
  assert.equal(await guest.control.next(), "off stop");
  await guest.end();
  assert.match(await guest.output(), /tidied up/);
});

Deno.test("a stop reaches a workload that is stopped by a signal, and a later one with less grace counts", async () => {
  await using guest = await Guest.boot({
    script: `trap "echo asked" TERM; echo up; kill -STOP $$; ${LOOP}`,
  });
  await guest.outputHas("up");
  await guest.control.send({ kind: "stop", graceMs: 600_000 });
  await guest.outputHas("asked");
  await guest.control.send({ kind: "stop", graceMs: 10 });
  assert.equal((await guest.control.message("exited")).status, 137);
  await guest.end();
});

Deno.test("a missing command is status 127, one that cannot be executed 126", async () => {
  const cases: readonly (readonly [string, number, RegExp])[] = [
    ["/bin/nothing", 127, /volant: cannot execute \/bin\/nothing: errno 2/],
    ["nothing", 127, /volant: cannot execute nothing: errno 2/],
    ["/etc/hosts", 126, /volant: cannot execute \/etc\/hosts: errno 13/],
    ["/etc", 126, /volant: cannot execute \/etc: errno 13/],
  ];
  for (const [command, status, sentence] of cases) {
    const said = await runGuest({ boot: { args: [command] } });
    assert.match(said.console, sentence);
    assert.deepEqual(said.lines.slice(2), [
      `state exited status=${status}`,
      "off exit",
    ]);
  }
});

Deno.test("a step that fails is told on control port and console, and ends the machine", async () => {
  const cases:
    readonly (readonly [Parameters<typeof bootConfig>[0], string])[] = [
      [
        { boot: { cwd: "/no/where" } },
        "cannot change to working directory /no/where: errno 2",
      ],
      [
        { boot: { output: "/dev/ttyS9" } },
        "cannot open output /dev/ttyS9: errno 2",
      ],
      [{ boot: { ip: "10.0.2/24" } }, "cannot use address 10.0.2/24: errno 22"],
      [
        { boot: { ip: "10.0.2.15/24", gateway: "10.9.9.9" } },
        "cannot add gateway 10.9.9.9: errno 101",
      ],
      [
        { boot: { rlimits: [{ resource: 7, soft: 2, hard: 1 }] } },
        "cannot set resource limit 7 2 1: errno 22",
      ],
      [
        { boot: { root: { device: "/dev/vdz", fs: "ext4", mode: "rw" } } },
        "cannot mount /dev/vdz on /root as ext4: errno 2",
      ],
    ];
  for (const [options, sentence] of cases) {
    const said = await runGuest(options);
    assert.deepEqual(said.lines.slice(-2), [`fault ${sentence}`, "off fault"]);
    assert.ok(said.console.includes(`volant: ${sentence}`), said.console);
  }
});

Deno.test("a control port that cannot work is told on the console", async () => {
  // The fourth UART has a name in /dev and no hardware behind it.
  for (const [control, errno] of [["/dev/ttyS3", 5], ["/dev/nothing", 2]]) {
    const said = await runGuest({ boot: { control: String(control) } });
    assert.match(
      said.console,
      new RegExp(`volant: cannot open control port ${control}: errno ${errno}`),
    );
  }
});

Deno.test("a boot config that is damaged is refused, each way with its sentence", async () => {
  const good = bootConfig({});
  const changed = (at: number, value: number) => {
    const bytes = good.slice();
    bytes[at] = value;
    return bytes;
  };
  const foreign = bootConfig({ boot: { cwd: "/secret-value" } });
  foreign.set(new TextEncoder().encode("cat"), indexOf(foreign, "cwd"));
  rehash(foreign);
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ["empty", new Uint8Array(512), "it does not begin with VOLANTBC"],
    ["magic", changed(0, 0x76), "it does not begin with VOLANTBC"],
    ["version", changed(8, 2), "its version is not 1"],
    ["reserved field", changed(28, 1), "its version is not 1"],
    ["a record", changed(40, 0x7e), "its checksum does not match"],
    [
      "checksum",
      changed(20, (good[20] ?? 0) ^ 1),
      "its checksum does not match",
    ],
    ["length", changed(14, 1), "it ends too early"],
    ["key", foreign, "it has a key that this shim does not know: cat"],
  ];
  for (const [name, bytes, sentence] of cases) {
    const said = await runGuest({ bootConfig: bytes });
    assert.ok(
      said.console.includes(
        `volant: cannot use boot config /dev/vda: ${sentence}`,
      ),
      `${name}: ${said.console}`,
    );
    assert.ok(!said.console.includes("secret-value"), "no value is shown");
    assert.deepEqual(said.lines, [], "it does not know the control port yet");
  }
});

Deno.test("a boot config in the initramfs is cut short, missing, or good", async () => {
  const bytes = bootConfig({ script: "echo from the initramfs" });
  const file = (bytes: Uint8Array) => ({
    "etc/volant/boot.conf": { bytes, mode: 0o600 },
  });
  const short = await runGuest({
    bootConfig: null,
    files: file(bytes.subarray(0, 100)),
  });
  assert.match(short.console, /\/etc\/volant\/boot.conf: it ends too early/);
  const header = await runGuest({
    bootConfig: null,
    files: file(bytes.subarray(0, 31)),
  });
  assert.match(header.console, /\/etc\/volant\/boot.conf: it ends too early/);
  const none = await runGuest({ bootConfig: null });
  assert.match(
    none.console,
    /volant: cannot open boot config \/etc\/volant\/boot.conf: errno 2/,
  );
  const good = await runGuest({ bootConfig: null, files: file(bytes) });
  assert.equal(good.output, "from the initramfs\n");
});

Deno.test("a control port that closes and opens again is told everything, and rubbish is answered", async () => {
  await using guest = await Guest.boot({
    script: `trap "echo signalled" USR1; echo up; ${LOOP}`,
  });
  const started = await guest.control.message("started");
  guest.control.close();
  await guest.control.open();
  await guest.control.send({ kind: "hello" });
  assert.equal(await guest.control.next(), "volant 1");
  assert.deepEqual(await guest.control.message("started"), started);

  const bytes = (text: string) => new TextEncoder().encode(text);
  await guest.control.sendBytes(
    bytes("\n\nwhat is this\nhello 2\nsignal 65\n"),
  );
  assert.equal(await guest.control.next(), "error what is this");
  assert.equal(await guest.control.next(), "error hello 2");
  assert.equal(await guest.control.next(), "error signal 65");
  await guest.control.sendBytes(Uint8Array.from([0, 1, 0xff, 0x0a]));
  assert.equal(await guest.control.next(), "error ?\u0001\ufffd");
  await guest.control.sendBytes(bytes(`${"x".repeat(511)}\n`));
  assert.equal(await guest.control.next(), `error ${"x".repeat(505)}`);
  await guest.control.sendBytes(
    bytes(`${"x".repeat(2000)}kill\nstop\nstop -1\n`),
  );
  assert.equal(await guest.control.next(), "error stop");
  assert.equal(await guest.control.next(), "error stop -1");

  await guest.outputHas("up");
  const word = formatHostLine({ kind: "signal", signal: 10 });
  await guest.control.sendBytes(bytes(word.slice(0, 4)));
  await guest.control.sendBytes(bytes(word.slice(4)));
  await guest.outputHas("signalled");
  await guest.control.send({ kind: "stop", graceMs: 10 });
  assert.equal((await guest.control.message("exited")).status, 143);
  await guest.end();
});

Deno.test("a host that does not read cannot stop the guest, and hears the state once it reads", async () => {
  await using guest = await Guest.boot({
    deaf: true,
    script: `trap "echo signalled" USR1; echo up; ${LOOP}`,
  });
  await guest.outputHas("up");
  // More answers than the buffers of the guest can hold.
  const rubbish = new TextEncoder().encode(`${"x".repeat(500)}\n`);
  for (let count = 0; count < 200; count++) {
    await guest.control.sendBytes(rubbish);
  }
  await guest.control.send({ kind: "signal", signal: 10 });
  await guest.outputHas("signalled");
  guest.control.listen();
  await guest.control.message("error");
  // Unasked: it knows that it had to drop something.
  await guest.control.message("version");
  await guest.control.message("started");
  await guest.control.send({ kind: "kill" });
  await guest.end();
});

Deno.test("a host that listens only after hundreds of restarts is told the last state unasked", async () => {
  await using guest = await Guest.boot({
    deaf: true,
    script: `${COUNT}; [ $n -lt 400 ] && exit 1; echo at last; ${LOOP}`,
    boot: { restart: "always", backoffMs: { first: 1, longest: 1 } },
  });
  await guest.outputHas("at last");
  guest.control.listen();
  for (;;) {
    const { restarts } = await guest.control.message("started");
    if (restarts === 400) break;
  }
  await guest.control.send({ kind: "kill" });
  await guest.end();
});

Deno.test("the back-off doubles to its limit, and begins again after a long run", async () => {
  await using guest = await Guest.boot({
    script: `${COUNT}
      [ $n = 5 ] && sleep 0.2; [ $n = 6 ] && exit 0; exit 1`,
    boot: { restart: "on-failure", backoffMs: { first: 20, longest: 100 } },
  });
  const delays: number[] = [];
  for (let count = 0; count < 6; count++) {
    delays.push((await guest.control.message("waiting")).delayMs);
  }
  assert.deepEqual(delays, [20, 40, 80, 100, 100, 20]);
  assert.equal((await guest.control.message("exited")).status, 0);
  assert.equal(await guest.control.next(), "off exit");
  await guest.end();
});

Deno.test("a restart kills what the last run left, and a stop while waiting ends at once", async () => {
  await using guest = await Guest.boot({
    script: `${COUNT}
      grep -lx sleep /proc/[0-9]*/comm && echo still there
      sleep 9876 & [ $n = 2 ] && exit 1; exit 0`,
    boot: { restart: "always", backoffMs: { first: 100, longest: 600_000 } },
  });
  await guest.control.message("waiting");
  await guest.control.message("waiting");
  assert.equal((await guest.control.message("waiting")).status, 1);
  await guest.control.send({ kind: "stop", graceMs: 600_000 });
  await guest.control.message("stopping");
  assert.equal(await guest.control.next(), "off stop");
  await guest.end();
  assert.equal(await guest.output(), "");
});

Deno.test("a workload that spoils its cgroup is restarted in a new one", async () => {
  await using guest = await Guest.boot({
    script: `${COUNT}
      root=/sys/fs/cgroup; mine=$root$(cut -c4- /proc/self/cgroup)
      read -r controller rest < $root/cgroup.controllers
      case $n in
      0) busybox mkdir $mine/child; echo $$ > $mine/child/cgroup.procs
        echo +$controller > $root/cgroup.subtree_control
        echo +$controller > $mine/cgroup.subtree_control
        echo "enabled $(cat $mine/cgroup.subtree_control)"; sleep 9876 & exit 1;;
      1) grep -lx sleep /proc/[0-9]*/comm && echo still there
        echo $$ > $root/cgroup.procs; echo 1 > $mine/cgroup.freeze
        echo "frozen $(cat $mine/cgroup.freeze)"; exit 2;;
      2) echo $$ > $root/cgroup.procs; busybox rmdir $mine && echo removed
        exit 3;;
      *) sleep 9876 & echo "up in $mine"; ${LOOP};;
      esac`,
    boot: { restart: "always", backoffMs: { first: 100, longest: 100 } },
  });
  for (const status of [1, 2, 3]) {
    assert.equal((await guest.control.message("waiting")).status, status);
  }
  assert.equal((await guest.control.message("started")).restarts, 3);
  await guest.outputHas("up in");
  await guest.control.send({ kind: "kill" });
  assert.equal((await guest.control.message("exited")).status, 137);
  assert.equal(await guest.control.next(), "off stop");
  await guest.end();
  assert.match(
    await guest.output(),
    /^enabled \w+\nfrozen 1\nremoved\nup in \/sys\/fs\/cgroup\/workload[.\d]*\n$/,
  );
});

Deno.test("a command that is missing is tried again as the policy says", async () => {
  await using guest = await Guest.boot({
    boot: {
      args: ["/bin/nothing"],
      restart: "on-failure",
      backoffMs: { first: 5, longest: 5 },
    },
  });
  assert.equal((await guest.control.message("waiting")).status, 127);
  assert.equal((await guest.control.message("waiting")).restarts, 2);
  await guest.control.send({ kind: "kill" });
  await guest.end();
});

Deno.test("signals to process 1 are the power button: a busybox's poweroff, Ctrl-Alt-Del", async () => {
  for (const signal of [2, 10, 12, 15, 38]) {
    const { lines } = await runGuest({
      script: `trap "exit 9" TERM; kill -${signal} 1; ${LOOP}`,
    });
    assert.deepEqual(lines.slice(-3), [
      "state stopping",
      "state exited status=9",
      "off button",
    ]);
  }
});

Deno.test("the ACPI power button stops the workload and powers off", async () => {
  await using guest = await Guest.boot({
    acpi: true,
    script: `trap "sleep 0.1; exit 4" TERM; echo up; ${LOOP}`,
  });
  await guest.outputHas("up");
  await guest.pressPowerButton();
  await guest.control.message("stopping");
  assert.equal((await guest.control.message("exited")).status, 4);
  assert.equal(await guest.control.next(), "off button");
  await guest.end();
});

Deno.test("without a word on it the machine is powered off by ACPI where there is one", async () => {
  for (const acpi of [true, false]) {
    const said = await runGuest({ acpi, boot: { off: undefined } });
    assert.equal(said.lines.at(-1), "off exit");
    const word = acpi ? "Power down" : "Restarting system";
    assert.ok(said.console.includes(word), said.console);
  }
});

Deno.test("a workload that the kernel kills for want of memory is told as such", async () => {
  const { lines } = await runGuest({
    files: { "bin/hog": await guestProgram("hog") },
    boot: { args: ["hog"] },
  });
  assert.deepEqual(lines.slice(-2), [
    "state exited status=137 oom=1",
    "off exit",
  ]);
});

Deno.test("a control port on a vsock that nobody serves does not keep the workload from running", async () => {
  const { output } = await runGuest({
    script: "sleep 0.5; echo ran",
    boot: { control: "vsock:1024" },
  });
  assert.equal(output, "ran\n");
});

function indexOf(bytes: Uint8Array, word: string): number {
  return new TextDecoder("latin1").decode(bytes).indexOf(`\0${word}=`) + 1;
}

/** Puts the checksum right after a change of the records. */
function rehash(bytes: Uint8Array<ArrayBuffer>): void {
  const header = new DataView(bytes.buffer);
  const records = bytes.subarray(32, 32 + header.getUint32(12, true));
  header.setUint32(20, fnv1a(records), true);
}
