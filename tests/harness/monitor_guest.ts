/**
 * A real guest under the built monitor: QEMU without KVM, the generic kernel, and an initramfs of shim, busybox and boot
 * config, put together here so that a test can leave out or damage any of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  BOOT_CONFIG_DEFAULTS,
  BOOT_CONFIG_PATH,
  type BootConfig,
  encodeBootConfig,
} from "../../src/guest/boot_config.ts";
import { Monitor, type MonitorOptions, STREAMS } from "./monitor.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const BUILD = Deno.env.get("VOLANT_BUILD") ?? `${ROOT}build`;
const UARTS = ["console", "control", "output"] as const;

export interface GuestOptions extends Partial<MonitorOptions> {
  /** Shell commands: the workload. */
  readonly script?: string;
  readonly config?: Partial<BootConfig>;
  readonly memoryMib?: number;
  /** False leaves out `/init`: such a kernel can only panic. */
  readonly init?: boolean;
  /** True spoils the boot config: its checksum is wrong then. */
  readonly spoiled?: boolean;
  /** More of QEMU's words. */
  readonly more?: readonly string[];
}

interface InitramfsEntry {
  readonly name: string;
  /** Type and permissions; a directory when it has no bytes. */
  readonly mode: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A guest that boots under its monitor; the caller disposes of the monitor. */
export async function bootGuest(options: GuestOptions): Promise<Monitor> {
  const args = await qemuWords("@RUN@/initramfs", options);
  const files = { initramfs: await initramfsOf(options) };
  return await Monitor.start({ streams: STREAMS, ...options, args, files });
}

async function initramfsOf(options: GuestOptions): Promise<Uint8Array> {
  const config = encodeBootConfig({
    ...BOOT_CONFIG_DEFAULTS,
    args: [
      "/bin/busybox",
      "sh",
      "-c",
      options.script ?? "exec /bin/busybox sleep 1000",
    ],
    control: "/dev/ttyS1",
    output: "/dev/ttyS2",
    off: "reset",
    env: { PATH: "/bin" },
    ...options.config,
  });
  // The first byte of the records, which follow a header of 32 bytes.
  if (options.spoiled === true) config[32] = 0;
  const none = new Uint8Array();
  const folders = [
    "bin",
    "dev",
    "proc",
    "sys",
    "tmp",
    "run",
    "etc",
    "etc/volant",
  ];
  const entries: InitramfsEntry[] = folders.map((name) => ({
    name,
    mode: 0o040755,
    bytes: none,
  }));
  entries.push({
    name: "bin/busybox",
    mode: 0o100755,
    bytes: await Deno.readFile("/bin/busybox"),
  });
  entries.push({
    name: BOOT_CONFIG_PATH.slice(1),
    mode: 0o100600,
    bytes: config,
  });
  if (options.init !== false) {
    entries.push({
      name: "init",
      mode: 0o100755,
      bytes: await Deno.readFile(`${BUILD}/shim/shim`),
    });
  }
  return await cpio(entries);
}

/** The "newc" archive the kernel unpacks. */
async function cpio(entries: readonly InitramfsEntry[]): Promise<Uint8Array> {
  const encoder = new TextEncoder();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const add = (bytes: Uint8Array<ArrayBuffer>) =>
    parts.push(bytes, new Uint8Array(-bytes.length & 3));
  for (
    const [index, { name, mode, bytes }] of [...entries, trailer].entries()
  ) {
    const fields = [
      index + 1,
      mode,
      0,
      0,
      1,
      0,
      bytes.length,
      0,
      0,
      0,
      0,
      name.length + 1,
      0,
    ];
    const head = fields.map((field) => field.toString(16).padStart(8, "0"))
      .join("");
    add(encoder.encode(`070701${head}${name}\0`));
    add(bytes);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

const trailer: InitramfsEntry = {
  name: "TRAILER!!!",
  mode: 0,
  bytes: new Uint8Array(),
};

async function qemuWords(
  initramfs: string,
  options: GuestOptions,
): Promise<string[]> {
  const measured = await new Deno.Command(`${BUILD}/shim/monitor`, {
    args: ["--tsc-khz"],
  }).output();
  const tscKhz = new TextDecoder().decode(measured.stdout).trim();
  assert.match(tscKhz, /^\d{5,}$/);
  const words = [
    "console=ttyS0",
    "quiet",
    "reboot=t",
    "panic=-1",
    `tsc_early_khz=${tscKhz}`,
    "tsc=reliable",
  ];
  words.push(
    "nolapic_timer",
    "no_timer_check",
    "noreplace-smp",
    "percpu_alloc=page",
  );
  return [
    "/usr/bin/qemu-system-x86_64",
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...[
      "-M",
      "microvm,x-option-roms=off,pit=on,pic=on,rtc=on,acpi=off,isa-serial=off",
    ],
    ...[
      "-accel",
      "tcg",
      "-cpu",
      "max,-erms",
      "-m",
      String(options.memoryMib ?? 48),
    ],
    ...[
      "-kernel",
      `${BUILD}/kernels/vmlinux-generic`,
      "-initrd",
      initramfs,
      "-append",
      words.join(" "),
    ],
    ...UARTS.flatMap((name, index) => [
      ...["-chardev", `socket,id=${name},fd=${STREAMS[name]}`],
      ...["-device", `isa-serial,chardev=${name},index=${index}`],
    ]),
    ...options.more ?? [],
  ];
}
