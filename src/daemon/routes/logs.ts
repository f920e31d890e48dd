/**
 * Serves the output of virtual machines, a JSON object a line.
 *
 * @module
 */

import { type LogLine, logsVm } from "../../api/vms.ts";
import { logsVmSchema } from "../../api/vms_schema.ts";
import { Fault } from "../../lib/fault.ts";
import { criLines } from "../logs/cri.ts";
import { logLines } from "../logs/log_file.ts";
import type { VmService } from "../vm/service.ts";
import { isLive, type Vm } from "../vm/vm.ts";
import { type Route, streamRoute } from "./route.ts";

const FILES = {
  workload: "output.log",
  console: "console.log",
  vmm: "vmm.log",
} as const;

/** Nothing is followed any longer once `stop` aborts. */
export function logRoutes(vms: VmService, stop: AbortSignal): Route[] {
  return [
    streamRoute(logsVm, logsVmSchema, (input) => {
      const { name, source = "workload", follow = false } = input;
      const vm = vms.get(name);
      const path = `${vms.logDir(vm)}/${FILES[source]}`;
      const gone = new AbortController();
      const batches = logLines(path, {
        tail: input.tail,
        follow,
        ended: () => hasEnded(vms, vm),
        signal: AbortSignal.any([gone.signal, stop]),
      });
      const parse = source === "workload" ? criLines : rawLines;
      const lines = parse(batches, stop);
      const held = whileHeld(lines, () => vms.hold(vm));
      return new Response(ndjson(held, gone, stop), {
        headers: { "content-type": "application/x-ndjson" },
      });
    }),
  ];
}

function hasEnded(vms: VmService, { name, id }: Vm): boolean {
  try {
    const now = vms.get(name);
    return now.id !== id || !isLive(now.status);
  } catch (error) {
    if (error instanceof Fault && error.code === "vm-not-found") return true;
    throw error;
  }
}

/** From the first that is asked for on: nobody may ever ask. */
async function* whileHeld(
  batches: Batches,
  hold: () => Disposable,
): Batches {
  using _held = hold();
  yield* batches;
}

type Batches = AsyncGenerator<readonly LogLine[], void, void>;

async function* rawLines(
  batches: AsyncIterable<readonly string[]>,
): Batches {
  for await (const batch of batches) {
    yield batch.map((line) => ({ timestamp: "", stream: "stdout", line }));
  }
}

/**
 * Reads on only as the client does. What the daemon's stop cuts off ends in an
 * error, so that nobody takes it for the end of the log. When the client goes `gone` aborts: what
 * waits for the next line must not wait on, for there may never be one.
 */
function ndjson(
  batches: Batches,
  gone: AbortController,
  stop: AbortSignal,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await batches.next();
      if (gone.signal.aborted) return;
      if (done && stop.aborted) return controller.error(stop.reason);
      if (done) return controller.close();
      const lines = value.map((line) => `${JSON.stringify(line)}\n`);
      controller.enqueue(encoder.encode(lines.join("")));
    },
    async cancel() {
      gone.abort();
      await batches.return();
    },
  }, { highWaterMark: 0 });
}
