/**
 * Boots the emulated host for one command: an emulated CPU with AMD's
 * virtualization, on which the host's own KVM works.
 *
 * One CPU: with two, such a host sometimes hangs while VMs come and go. Should
 * it hang all the same, it is tried once more.
 */

import type { Image } from "./image.ts";

/** The command's status when there is none: the host hung, died, or was late. */
export const NO_RESULT = 125;

const QEMU = "qemu-system-x86_64";
const INIT = new URL("init.sh", import.meta.url).pathname;
const TRIES = 2;
/** It has come up after some ten seconds, or it will not. */
const UP_MS = 120_000;
const LAST_LINES = 30;

export interface HostOptions {
  readonly image: Image;
  /** A shell command, run in `share`. */
  readonly command: string;
  /** A folder of this host, `/share` of the emulated one; read and write. */
  readonly share: string;
  readonly memoryMib: number;
  readonly limitMs: number;
  /** What the command prints, as it comes. */
  readonly onOutput: (bytes: Uint8Array) => void;
  /** What there is to say of the emulated host itself. */
  readonly say: (line: string) => void;
}

/** Resolves with the command's exit code, or `NO_RESULT`. */
export async function runInEmulatedHost(options: HostOptions): Promise<number> {
  for (let attempt = 1;; attempt++) {
    const status = await runOnce(options);
    if (status !== undefined) return status;
    if (attempt === TRIES) return NO_RESULT;
    options.say("Trying once more");
  }
}

async function runOnce(options: HostOptions): Promise<number | undefined> {
  const control = await Deno.makeTempDir({ prefix: "volant-emulated-" });
  try {
    await Deno.copyFile(INIT, `${control}/init`);
    await Deno.writeTextFile(`${control}/command`, `${options.command}\n`);
    const why = await boot(options, control);
    const status = await readIfThere(`${control}/status`);
    if (/^\d+\n$/.test(status)) return Number(status);
    const console = await readIfThere(`${control}/console`);
    options.say(`Cannot tell how the command ended: the host ${why}`);
    options.say(console.trimEnd().split("\n").slice(-LAST_LINES).join("\n"));
    return undefined;
  } finally {
    await Deno.remove(control, { recursive: true });
  }
}

/** Resolves once it is over, with what became of it. */
async function boot(options: HostOptions, control: string): Promise<string> {
  const qemu = new Deno.Command("setpriv", {
    // Nothing of it outlives this program, whatever ends that.
    args: ["--pdeathsig", "KILL", "--", QEMU, ...qemuArgs(options, control)],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let why = "powered off too early";
  const end = (reason: string) => {
    why = reason;
    qemu.kill("SIGKILL");
  };
  const late = setTimeout(
    () => end(`was not done after ${options.limitMs / 1000} s`),
    options.limitMs,
  );
  const down = setTimeout(async () => {
    if (await readIfThere(`${control}/up`) !== "") return;
    end(`had not come up after ${UP_MS / 1000} s`);
  }, UP_MS);
  try {
    for await (const bytes of qemu.stdout) options.onOutput(bytes);
    await qemu.status;
  } finally {
    clearTimeout(late);
    clearTimeout(down);
  }
  return why;
}

function qemuArgs(
  { image, share, memoryMib }: HostOptions,
  control: string,
): string[] {
  const folder = (name: string, path: string) => [
    "-virtfs",
    `local,path=${path},mount_tag=${name},security_model=none,multidevs=remap`,
  ];
  return [
    ...["-M", "q35", "-accel", "tcg", "-cpu", "max,+svm,+npt", "-smp", "1"],
    ...["-m", String(memoryMib), "-nodefaults", "-no-user-config"],
    ...["-display", "none", "-no-reboot"],
    ...["-serial", `file:${control}/console`, "-serial", "stdio"],
    ...["-kernel", image.kernel, "-initrd", image.initrd],
    "-append",
    "console=ttyS0 quiet reboot=t panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check random.trust_cpu=on",
    "-drive",
    `file=${image.disk},format=raw,if=none,id=disk,snapshot=on,cache=unsafe`,
    ...["-device", "virtio-blk-pci,drive=disk"],
    ...folder("control", control),
    ...folder("share", share),
  ];
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
