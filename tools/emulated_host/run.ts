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
/** It comes up in some ten seconds, and then says that it lives every few. */
const HUNG_MS = 120_000;
const LOOK_MS = 5_000;
const LAST_LINES = 30;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

type End =
  | "ended too early"
  | "hung"
  | "was not done in time"
  | "was interrupted";

/** Another try of a host that was too slow would be too slow again. */
const MAY_BE_CHANCE: readonly End[] = ["ended too early", "hung"];

/**
 * With a periodic tick, an interrupt that is lost between two levels of
 * virtualization is made good by the next; else a host that waits for it sleeps
 * for ever. The rest is for speed.
 */
const KERNEL_WORDS =
  "console=ttyS0 quiet reboot=t panic=-1 nohz=off highres=off mitigations=off nokaslr tsc=reliable no_timer_check random.trust_cpu=on";

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
    const result = await runOnce(options);
    if (typeof result === "number") return result;
    if (attempt === TRIES || !MAY_BE_CHANCE.includes(result)) return NO_RESULT;
    options.say("Trying once more");
  }
}

/** The command's exit code, or what became of the host in its place. */
async function runOnce(options: HostOptions): Promise<number | End> {
  const control = await Deno.makeTempDir({ prefix: "volant-emulated-" });
  try {
    await Deno.copyFile(INIT, `${control}/init`);
    await Deno.writeTextFile(`${control}/command`, `${options.command}\n`);
    await Deno.writeTextFile(`${control}/alive`, "");
    const end = await boot(options, control);
    const status = await readIfThere(`${control}/status`);
    if (/^\d+\n$/.test(status)) return Number(status);
    const console = await readIfThere(`${control}/console`);
    options.say(`Cannot tell how the command ended: the host ${end}`);
    options.say(console.trimEnd().split("\n").slice(-LAST_LINES).join("\n"));
    return end;
  } finally {
    await Deno.remove(control, { recursive: true });
  }
}

/** Resolves once it is over. */
async function boot(options: HostOptions, control: string): Promise<End> {
  const qemu = new Deno.Command("setpriv", {
    // Nothing of it outlives this program, whatever ends that.
    args: ["--pdeathsig", "KILL", "--", QEMU, ...qemuArgs(options, control)],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let why: End = "ended too early";
  const end = (reason: End) => {
    why = reason;
    qemu.kill("SIGKILL");
  };
  const interrupt = () => end("was interrupted");
  const late = setTimeout(() => end("was not done in time"), options.limitMs);
  const look = setInterval(async () => {
    if (await isHung(control)) end("hung");
  }, LOOK_MS);
  for (const name of SIGNALS) Deno.addSignalListener(name, interrupt);
  try {
    for await (const bytes of qemu.stdout) options.onOutput(bytes);
    await qemu.status;
  } finally {
    clearTimeout(late);
    clearInterval(look);
    for (const name of SIGNALS) Deno.removeSignalListener(name, interrupt);
  }
  return why;
}

/** The emulated host writes that file every few seconds. */
async function isHung(control: string): Promise<boolean> {
  const { mtime } = await Deno.stat(`${control}/alive`);
  return Date.now() - (mtime?.getTime() ?? 0) > HUNG_MS;
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
    KERNEL_WORDS,
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
