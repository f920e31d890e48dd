/**
 * A guest without monitor and daemon: QEMU started with a kernel, an initramfs
 * and a boot config, and its control port in the hands of the test. Disposing
 * of it ends QEMU and removes every file of it.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  BOOT_CONFIG_DEFAULTS,
  type BootConfig,
  encodeBootConfig,
} from "../../src/guest/boot_config.ts";
import { built } from "./built.ts";
import { ControlPort } from "./control_port.ts";
import {
  baseFiles,
  cpio,
  type InitramfsFile,
  type InitramfsFiles,
} from "./initramfs.ts";
import { until } from "./until.ts";

export interface GuestOptions {
  /** The workload as a shell script; or give `boot.args`. */
  readonly script?: string;
  readonly boot?: Partial<BootConfig>;
  /** The bytes of the boot config disk, in place of `boot`; null: no disk and no word of one. */
  readonly bootConfig?: Uint8Array | null;
  readonly files?: InitramfsFiles;
  readonly memoryMib?: number;
  /** The ACPI device model, with a power button and a QMP socket. */
  readonly acpi?: boolean;
  /** Files that become /dev/vdb, /dev/vdc, ... */
  readonly disks?: readonly string[];
  /** Nobody reads the control port until the test says `listen`. */
  readonly deaf?: boolean;
  readonly kernel?: string;
}

/** The kernel's clocks are told their speeds: QEMU has nothing to measure them by. */
const COMMAND_LINE = [
  "console=ttyS0 quiet reboot=t panic=-1 percpu_alloc=page noreplace-smp",
  `tsc=reliable tsc_early_khz=${tscKhz()} lapic_timer_khz=1000000`,
  "no_timer_check",
].join(" ");

let base: Promise<InitramfsFiles> | undefined;

export class Guest implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #folder: string;
  readonly control: ControlPort;
  /** QEMU's exit status, once it has ended. */
  readonly ended: Promise<number>;

  private constructor(
    process: Deno.ChildProcess,
    folder: string,
    control: ControlPort,
  ) {
    this.#process = process;
    this.#folder = folder;
    this.control = control;
    this.ended = process.status.then(({ code }) => code);
  }

  static async boot(options: GuestOptions): Promise<Guest> {
    await using undo = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "volant-guest-" });
    undo.defer(() => Deno.remove(folder, { recursive: true }));
    await writeFiles(folder, options);
    const process = new Deno.Command("qemu-system-x86_64", {
      args: qemuWords(folder, options),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const complaints = new Response(process.stderr).text();
    const guest = new Guest(
      process,
      folder,
      new ControlPort(`${folder}/control.sock`),
    );
    undo.move();
    try {
      await (options.deaf === true
        ? guest.control.connect()
        : guest.control.open());
    } catch (cause) {
      await guest[Symbol.asyncDispose]();
      throw new Error(`QEMU said: ${await complaints}`, { cause });
    }
    return guest;
  }

  /** All that the workload has written. */
  async output(): Promise<string> {
    return await Deno.readTextFile(`${this.#folder}/output`);
  }

  /** All that kernel and shim have written. */
  async console(): Promise<string> {
    return await Deno.readTextFile(`${this.#folder}/console`);
  }

  async outputHas(text: string): Promise<void> {
    await until(
      `the workload says "${text}"`,
      async () => (await this.output()).includes(text),
    );
  }

  /** Waits until the machine has ended, well. */
  async end(): Promise<void> {
    let status: number | undefined;
    const ended = this.ended.then((code) => status = code);
    await until("the machine ends", () => status !== undefined);
    await ended;
    assert.equal(status, 0, "QEMU's exit status");
  }

  async pressPowerButton(): Promise<void> {
    using qmp = await Deno.connect({
      transport: "unix",
      path: `${this.#folder}/qmp.sock`,
    });
    const words = ["qmp_capabilities", "system_powerdown"]
      .map((execute) => JSON.stringify({ execute })).join("\n");
    await qmp.write(new TextEncoder().encode(words));
    const buffer = new Uint8Array(65536);
    let heard = "";
    while (heard.split('"return"').length < 3) {
      const count = await qmp.read(buffer);
      assert.ok(count !== null, "QEMU hung up");
      heard += new TextDecoder().decode(buffer.subarray(0, count));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.control.close();
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself, as most do.
      if (!(error instanceof TypeError)) throw error;
    }
    await this.ended;
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Boots a guest that ends by itself; gives what it said. */
export async function runGuest(
  options: GuestOptions,
): Promise<{ output: string; console: string; lines: readonly string[] }> {
  await using guest = await Guest.boot(options);
  const lines = guest.control.rest();
  await guest.end();
  return {
    output: await guest.output(),
    console: await guest.console(),
    lines: await lines,
  };
}

/** The boot config that the options mean. */
export function bootConfig(
  { script, boot, acpi = false }: GuestOptions,
): Uint8Array<ArrayBuffer> {
  return encodeBootConfig({
    ...BOOT_CONFIG_DEFAULTS,
    args: ["/bin/sh", "-c", script ?? "true"],
    control: "/dev/ttyS1",
    output: "/dev/ttyS2",
    off: acpi ? "poweroff" : "reset",
    ...boot,
  });
}

async function writeFiles(
  folder: string,
  options: GuestOptions,
): Promise<void> {
  base ??= baseFiles();
  const files: Record<string, InitramfsFile> = {
    ...await base,
    ...options.files,
  };
  await Deno.writeFile(`${folder}/initramfs`, cpio(files));
  const bytes = options.bootConfig ?? bootConfig(options);
  await Deno.writeFile(`${folder}/boot.conf`, bytes, { mode: 0o600 });
  for (const name of ["console", "output"]) {
    await Deno.writeTextFile(`${folder}/${name}`, "");
  }
}

function qemuWords(folder: string, options: GuestOptions): string[] {
  const acpi = options.acpi ?? false;
  const words = [
    "-M",
    `microvm,x-option-roms=off,isa-serial=off,pit=on,pic=on,rtc=on,acpi=${
      acpi ? "on" : "off"
    }`,
    ..."-nodefaults -no-user-config -display none -no-reboot -accel tcg"
      .split(" "),
    ...["-cpu", "max,-erms", "-m", String(options.memoryMib ?? 64)],
    ...["-kernel", options.kernel ?? built("kernels/vmlinux-generic")],
    ...["-initrd", `${folder}/initramfs`],
    ...["-append", commandLine(options)],
    ...uart(0, `file,path=${folder}/console`),
    ...uart(1, `socket,path=${folder}/control.sock,server=on,wait=on`),
    ...uart(2, `file,path=${folder}/output`),
    ...["-netdev", "user,id=net,restrict=on"],
    ...["-device", "virtio-net-device,netdev=net,mac=02:00:00:00:00:01"],
  ];
  if (acpi) words.push("-qmp", `unix:${folder}/qmp.sock,server=on,wait=off`);
  if (options.bootConfig !== null) {
    words.push(...disk("config", `${folder}/boot.conf`, "on"));
  }
  options.disks?.forEach((path, index) =>
    words.push(...disk(`disk${index}`, path, "off"))
  );
  return words;
}

function commandLine({ acpi, bootConfig }: GuestOptions): string {
  const words = [COMMAND_LINE];
  if (acpi !== true) words.push("acpi=off pci=off");
  if (bootConfig !== null) words.push("volant.config=/dev/vda");
  return words.join(" ");
}

/** As the monitor measures it: the rate that /proc/cpuinfo shows may be another clock's. */
function tscKhz(): number {
  const { success, stdout } = new Deno.Command(built("shim/monitor"), {
    args: ["--tsc-khz"],
  }).outputSync();
  const khz = Number(new TextDecoder().decode(stdout));
  assert.ok(success && khz > 0, "the monitor measures the time stamp counter");
  return khz;
}

function uart(index: number, backend: string): string[] {
  return [
    ...["-chardev", `${backend},id=uart${index}`],
    ...["-device", `isa-serial,chardev=uart${index},index=${index}`],
  ];
}

function disk(id: string, path: string, readOnly: "on" | "off"): string[] {
  return [
    "-drive",
    `if=none,id=${id},file=${path},format=raw,read-only=${readOnly}`,
    ...["-device", `virtio-blk-device,drive=${id}`],
  ];
}
