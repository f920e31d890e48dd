/**
 * Serves the output of virtual machines, a JSON object a line.
 *
 * @module
 */

import { type LogLine, logsVm } from "../../api/vms.ts";
import { logsVmSchema } from "../../api/vms_schema.ts";
import { CriReader } from "../logs/cri.ts";
import { logLines } from "../logs/log_file.ts";
import type { VmService } from "../vm/service.ts";
import { isLive } from "../vm/vm.ts";
import { type Route, streamRoute } from "./route.ts";

const FILES = {
  workload: "output.log",
  console: "console.log",
  vmm: "vmm.log",
} as const;

export function logRoutes(vms: VmService): Route[] {
  return [
    streamRoute(logsVm, logsVmSchema, (input, context) => {
      const { name, source = "workload", follow = false } = input;
      const vm = vms.get(name);
      const path = `${vms.logDir(vm)}/${FILES[source]}`;
      const { signal } = context.req.raw;
      const ended = () => {
        const now = vms.list().find(({ id }) => id === vm.id);
        return now === undefined || !isLive(now.status);
      };
      const parse = source === "workload" ? criLines : rawLines;
      const lines = parse(
        logLines(path, { tail: input.tail, follow, ended, signal }),
      );
      return new Response(ndjson(lines), {
        headers: { "content-type": "application/x-ndjson" },
      });
    }),
  ];
}

async function* criLines(
  lines: AsyncIterable<string>,
): AsyncGenerator<LogLine, void, void> {
  const reader = new CriReader();
  for await (const text of lines) {
    const line = reader.read(text);
    if (line !== undefined) yield line;
  }
  const rest = reader.rest();
  if (rest !== undefined) yield rest;
}

async function* rawLines(
  lines: AsyncIterable<string>,
): AsyncGenerator<LogLine, void, void> {
  for await (const line of lines) {
    yield { timestamp: "", stream: "stdout", line };
  }
}

function ndjson(lines: AsyncIterable<LogLine>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  async function* bytes() {
    for await (const line of lines) {
      yield encoder.encode(`${JSON.stringify(line)}\n`);
    }
  }
  return ReadableStream.from(bytes());
}
