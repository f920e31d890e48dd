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
  const { input, remove, json, onCreated } = options;
  const { name } = input;
  using stopper = new VmStopper(client, name, out);
  onCreated(await client.call(createVm, input, stopper.signal));
  stopper.created();
  const print = (line: LogLine) =>
    json ? out.jsonLine(line) : printLogLine(line, out);
  const vm = await attach(client, {
    name,
    print,
    onLost: () => out.note("The daemon is gone; asking for it again ..."),
    onBack: () => out.note("The daemon is back"),
    signal: stopper.signal,
  }).catch(async (error) => {
    throw await afterFailure(error, client, options);
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

/**
 * A workload whose output nobody reads any more is stopped, as a program in a
 * pipe would be. What was followed until it was deleted has an end nobody knows.
 */
async function afterFailure(
  error: unknown,
  client: Client,
  { input: { name }, remove }: RunOptions,
): Promise<unknown> {
  if (error instanceof Deno.errors.BrokenPipe) {
    await client.call(stopVm, { name })
      .then(() => remove ? client.call(deleteVm, { name }) : undefined)
      // It has ended by itself, and whoever would be told does not listen.
      .catch(() => undefined);
    return error;
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
