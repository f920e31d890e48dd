/**
 * `volant run`: an image as a VM, in the foreground or detached.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import type { Client } from "../../api/client.ts";
import { getStatus } from "../../api/system.ts";
import {
  createVm,
  type CreateVmInput,
  type VmView,
  type WaitFor,
} from "../../api/vms.ts";
import { Fault } from "../../lib/fault.ts";
import { vmName } from "../../manifest/values.ts";
import type { Context } from "../context.ts";
import { DAEMON_FLAGS, type DaemonFlags, help, WAIT_FLAGS } from "../flags.ts";
import {
  type Command,
  proposeImages,
  type RunImage,
  runImage,
} from "../image.ts";
import { PULL_FLAG, REGISTRY_FLAGS } from "../registry_flags.ts";
import { runAttached } from "../run_attached.ts";
import { stopOnSignals } from "../signals.ts";
import { nameAfter } from "../vm_names.ts";
import {
  VM_OPTION_ALIASES,
  VM_OPTION_FLAGS,
  type VmOptionFlags,
  vmOptions,
} from "../vm_options.ts";
import { publishedPort } from "../vm_text.ts";
import { whileWaiting } from "../waiting.ts";
import { parseGuestPath } from "../words.ts";

interface Flags extends DaemonFlags, Omit<Command, "words">, VmOptionFlags {
  readonly detach?: boolean;
  readonly rm?: boolean;
  readonly name?: string;
  readonly wait?: WaitFor;
  readonly timeout?: number;
}

export const run = buildCommand<Flags, string[], Context>({
  docs: help({
    brief: "Run an OCI image in a virtual machine of its own",
    usage: "[OPTIONS] IMAGE [-- CMD...]",
    text: [
      "IMAGE is [HOST/]NAME[:TAG] in a registry, or oci:FOLDER, oci-archive:FILE or",
      "docker-archive:FILE, each with :TAG where it holds several, or the path of one. It is pulled",
      "and converted once, and kept in the cache (volant image list). A name that ends in .json or",
      ".toml is that of a manifest.",
      "",
      "CMD replaces the image's CMD; its ENTRYPOINT stays, unless --entrypoint replaces both.",
      "",
      "Without --detach the workload's output is this command's, and so is its exit status. A guest",
      "has one output: what the workload writes to its stderr comes on stdout, in the order written.",
      "It is carried as lines of UTF-8 text: binary output does not arrive as it was.",
      "",
      "What is typed does not reach the workload. Ctrl-C or SIGTERM stops it with the image's signal,",
      "the second one ends it at once; a hang-up leaves it running, and so does a daemon that is",
      "restarted.",
    ].join("\n"),
    examples: [
      [
        "volant run --rm alpine -- id",
        "Pull an image, and run a command in it",
      ],
      ["volant run --rm oci:./hello", "Run it, and leave nothing behind"],
      [
        "volant run -d -p 8080:80 --name web docker-archive:nginx.tar",
        "Start it, and make its port 80 reachable at 127.0.0.1:8080",
      ],
      [
        "volant run --rm -e DEBUG=1 oci:./tools:1.2 -- sh -c 'env; id'",
        "Run another command than the image's",
      ],
    ],
    exits: [
      ["0-255", "the workload's own, 128 and the number for a signal"],
      ["125", "Volant failed, or the guest did before it ran the workload"],
      ["126", "the workload cannot be executed"],
      ["127", "the workload's program does not exist"],
      ["130", "stopped by Ctrl-C (143: SIGTERM) without a status of its own"],
    ],
  }),
  parameters: {
    flags: {
      ...DAEMON_FLAGS,
      detach: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Leave it running and print its name",
      },
      rm: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Delete it once it has ended",
      },
      name: {
        kind: "parsed",
        parse: vmName,
        optional: true,
        placeholder: "NAME",
        brief: "NAME: of the VM (default: the image's and four letters)",
      },
      entrypoint: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "WORD",
        brief: "WORD: the program to run in place of the image's",
      },
      user: {
        kind: "parsed",
        parse: String,
        optional: true,
        placeholder: "USER[:GROUP]",
        brief: "USER[:GROUP]: whom the workload runs as, names or numbers",
      },
      workdir: {
        kind: "parsed",
        parse: parseGuestPath,
        optional: true,
        placeholder: "PATH",
        brief: "PATH: working directory of the workload",
      },
      pull: PULL_FLAG,
      ...REGISTRY_FLAGS,
      ...VM_OPTION_FLAGS,
      wait: {
        kind: "enum",
        values: WAIT_FLAGS.wait.values,
        optional: true,
        brief: "With --detach: until when to wait (default running)",
      },
      timeout: {
        ...WAIT_FLAGS.timeout,
        brief: "TIME such as 30s: how long to do so (default 60s)",
      },
    },
    aliases: {
      ...VM_OPTION_ALIASES,
      d: "detach",
      m: "memory",
      u: "user",
      w: "workdir",
    },
    positional: {
      kind: "array",
      minimum: 1,
      parameter: {
        parse: String,
        proposeCompletions: proposeImages,
        placeholder: "IMAGE",
        brief: "The image; what follows it is the command",
      },
    },
  },
  async func(flags, image = "", ...words) {
    refuseWaiting(flags);
    // A word that cannot be read is told before any work.
    await vmOptions(flags, this);
    using client = this.connect(flags.socket);
    // A conversion takes a while; it is not for a daemon that is not there.
    await client.call(getStatus, {});
    const open = () => opened(image, { ...flags, words }, this);
    const start = (image: RunImage) => startVm(this, client, flags, image);
    using first = await open();
    const { forget } = first;
    try {
      await start(first);
    } catch (error) {
      const isDamaged = error instanceof Fault &&
        error.code === "checksum-mismatch";
      if (!isDamaged || forget === undefined) throw error;
      this.out.note(
        `${image}: its file in the cache is damaged; converting it again`,
      );
      await untilSignal(forget);
      using second = await open();
      await start(second);
    }
  },
});

/** Starts it, and follows it unless it is to be left running. */
async function startVm(
  context: Context,
  client: Client,
  flags: Flags,
  image: RunImage,
): Promise<void> {
  const { manifest } = image;
  const { detach = false, rm = false, json = false } = flags;
  const input: CreateVmInput = {
    name: flags.name ?? nameAfter(manifest.name),
    config: {
      manifest,
      ...await vmOptions(flags, context),
      ...(rm ? { auto_remove: true } : {}),
    },
    wait: detach ? flags.wait ?? "running" : "none",
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
  };
  const onCreated = (vm: VmView) => {
    image[Symbol.dispose]();
    notePorts(vm, flags, context);
  };
  if (!detach) {
    const how = { input, remove: rm, json, onCreated };
    return context.exitWith(await runAttached(context, client, how));
  }
  const { name, wait = "running" } = input;
  const vm = await whileWaiting(
    context,
    { name, wait },
    (signal) => client.call(createVm, input, signal),
  ).catch((error) => {
    throw detachedFault(error, rm);
  });
  onCreated(vm);
  if (json) context.out.json(vm);
  else context.out.line(vm.name);
}

/** What only a detached start has. */
function refuseWaiting({ detach, wait, timeout }: Flags): void {
  if (detach || (wait === undefined && timeout === undefined)) return;
  const flag = wait === undefined ? "--timeout" : "--wait";
  throw new Fault(
    "invalid-input",
    `Cannot use flag "${flag}" without --detach: an attached run ends with its workload`,
    { hint: "Add --detach, or leave it out" },
  );
}

/** The daemon hints at what `vm create` has; the VM is gone by then. */
function detachedFault(error: unknown, rm: boolean): unknown {
  if (!(error instanceof Fault) || error.code !== "boot-failed") return error;
  const { code, message, details } = error;
  const flags = rm ? "--detach and --rm" : "--detach";
  return new Fault(code, message, {
    cause: error,
    details,
    hint: `Run it without ${flags} to see its console and keep its logs`,
  });
}

function opened(
  image: string,
  command: Command,
  context: Context,
): Promise<RunImage> {
  return untilSignal((signal) => runImage(image, command, context, signal));
}

async function untilSignal<T>(
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  using stop = stopOnSignals();
  return await work(stop.signal);
}

/** Which port was picked is nowhere else to be seen. */
function notePorts(
  vm: VmView,
  { publish = [] }: Flags,
  { out }: Context,
): void {
  if (publish.every(({ host_port }) => host_port !== 0)) return;
  for (const port of vm.expose) out.note(`published ${publishedPort(port)}`);
}
