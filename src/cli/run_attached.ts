/**
 * Runs a VM in the foreground: its output is this command's output, its end is
 * this command's end.
 *
 * @module
 */

import type { Client } from "../api/client.ts";
import {
  createVm,
  type CreateVmInput,
  deleteVm,
  type LogLine,
  logsVm,
  stopVm,
  type VmView,
} from "../api/vms.ts";
import { Fault } from "../lib/fault.ts";
import { attach } from "./attach.ts";
import type { Context } from "./context.ts";
import type { Output } from "./output.ts";
import { plain } from "./format.ts";
import { printLogLine } from "./log_text.ts";
import { RUN_FAILED, runRemark, runStatus } from "./run_status.ts";
import { VmStopper } from "./stop_on_signals.ts";

/** Lines of the console that are shown of a boot that failed. */
const CONSOLE_LINES = 12;

export interface RunOptions {
  readonly input: CreateVmInput;
  /** Delete the VM once it has ended. */
  readonly remove: boolean;
  readonly json: boolean;
  /** Called with the VM as soon as there is one. */
  readonly onCreated: (vm: VmView) => void;
}

/** The exit status of the command. */
export async function runAttached(
  { out }: Pick<Context, "out">,
  client: Client,
  options: RunOptions,
): Promise<number> {
  const { input, remove } = options;
  const { name } = input;
  using stopper = new VmStopper(client, name, out);
  const created = await client.call(createVm, input, stopper.signal);
  stopper.created();
  const printer = new Printer();
  const vm = await follow(out, client, {
    ...options,
    created,
    printer,
    signal: stopper.signal,
  }).catch(async (error) => {
    throw await afterFailure(error, client, options, printer);
  });
  const status = runStatus(vm.exit, stopper.status);
  if (neverRan(vm) && stopper.status === undefined) {
    await showConsole(client, name, out);
    if (remove) await removeVm(client, name, out);
    throw bootFault(vm, remove);
  }
  const remark = runRemark(vm.exit);
  if (remark !== undefined) out.note(`${name}: ${plain(remark)}`);
  if (remove) await removeVm(client, name, out);
  else if (status === RUN_FAILED) {
    out.note(`See: volant vm logs --source console ${name}`);
  }
  return status;
}

interface FollowOptions extends RunOptions {
  readonly created: VmView;
  readonly printer: Printer;
  readonly signal: AbortSignal;
}

async function follow(
  out: Output,
  client: Client,
  options: FollowOptions,
): Promise<VmView> {
  const { input: { name }, json, printer, signal } = options;
  const say = (text: string) => printer.print(() => out.note(text));
  printer.print(() => options.onCreated(options.created));
  return await attach(client, {
    name,
    print: (line: LogLine) =>
      printer.print(() => json ? out.jsonLine(line) : printLogLine(line, out)),
    onLost: () => say("The daemon is gone; asking for it again ..."),
    onBack: () => say("The daemon is back"),
    signal,
  });
}

/** Keeps what a print failed with: later nobody could tell it from the rest. */
class Printer {
  failure: unknown;

  print(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}

/**
 * A workload whose output nobody can read any more is stopped, as a program in a
 * pipe would be. What was followed until it was deleted has an end nobody knows.
 */
async function afterFailure(
  error: unknown,
  client: Client,
  { input: { name }, remove }: RunOptions,
  { failure }: Printer,
): Promise<unknown> {
  if (failure !== undefined && error === failure) {
    await client.call(stopVm, { name })
      .then(() => remove ? client.call(deleteVm, { name }) : undefined)
      // It has ended by itself, and whoever would be told does not listen.
      .catch(() => undefined);
    return noRoom(error) ?? error;
  }
  if (error instanceof Fault && error.code === "vm-not-found") {
    return new Fault(
      error.code,
      `Cannot tell how VM "${name}" ended: it was deleted meanwhile`,
      { cause: error, hint: "Run it without --rm to keep how it ended" },
    );
  }
  return error;
}

function noRoom(error: unknown): Fault | undefined {
  if (!(error instanceof Error)) return undefined;
  if (!/os error (?:28|122)\b/.test(error.message)) return undefined;
  return new Fault(
    "disk-full",
    "Cannot write the workload's output: no space is left where it goes",
    { cause: error, hint: "Make room there, or send it elsewhere" },
  );
}

function neverRan({ boot, exit }: VmView): boolean {
  return boot?.workload_ms === undefined && exit?.status === undefined;
}

function bootFault({ name, exit }: VmView, isRemoved: boolean): Fault {
  const why = plain(exit?.detail ?? exit?.cause ?? "its machine is gone");
  return new Fault(
    "boot-failed",
    `Cannot run VM "${name}": its workload was never started: ${why}`,
    {
      hint: isRemoved
        ? "Run it without --rm to keep its logs"
        : `See volant vm logs --source console ${name}`,
    },
  );
}

/** The last a guest said that did not get as far as its workload. */
async function showConsole(
  client: Client,
  name: string,
  out: Context["out"],
): Promise<void> {
  const input = { name, source: "console", tail: CONSOLE_LINES } as const;
  try {
    for await (const { line } of client.stream(logsVm, input)) {
      out.note(`console: ${plain(line)}`);
    }
  } catch (error) {
    // The fault that follows is what matters.
    if (!(error instanceof Fault)) throw error;
  }
}

/** The daemon deletes it too, a little later, in case nobody is attached. */
async function removeVm(
  client: Client,
  name: string,
  out: Context["out"],
): Promise<void> {
  try {
    await client.call(deleteVm, { name });
  } catch (error) {
    const fault = Fault.from(error);
    if (fault.code !== "vm-not-found") out.note(`warning: ${fault.message}`);
  }
}
