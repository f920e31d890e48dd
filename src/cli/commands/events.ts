/**
 * `volant events`: what happens to virtual machines, as it happens.
 *
 * @module
 */

import { buildCommand } from "@stricli/core";
import { encodeInput } from "../../api/endpoint.ts";
import { type VmEvent, vmEvents } from "../../api/events.ts";
import { getVm } from "../../api/vms.ts";
import { DAEMON_HOST, unixClient } from "../../api/unix_client.ts";
import { Fault } from "../../lib/fault.ts";
import { vmName } from "../../manifest/values.ts";
import type { Context } from "../context.ts";
import { followEvents } from "../event_stream.ts";
import { DAEMON_FLAGS, type DaemonFlags, help } from "../flags.ts";
import { plain } from "../format.ts";
import { vmNames } from "../proposals.ts";

interface Flags extends DaemonFlags {
  readonly vm?: string;
}

export const events = buildCommand<Flags, [], Context>({
  docs: help({
    brief: "Print the events of virtual machines as they happen",
    text:
      "When the daemon goes away it is asked for once a second for a minute; events missed\nmeanwhile are printed when it is back.",
    examples: [
      ["volant events", "Follow all VMs"],
      ["volant events --vm web --json", "Follow one, a JSON object a line"],
    ],
  }),
  parameters: {
    flags: {
      ...DAEMON_FLAGS,
      vm: {
        kind: "parsed",
        parse: vmName,
        proposeCompletions: vmNames,
        optional: true,
        placeholder: "NAME",
        brief: "NAME: only those of this VM",
      },
    },
  },
  async func({ socket, json, vm }) {
    const path = this.socketPath(socket);
    if (vm !== undefined) await noteAbsence(this, socket, vm);
    const { url } = encodeInput(vmEvents, vm === undefined ? {} : { vm });
    using http = unixClient(path);
    const stream = followEvents(
      (lastId) => open(http, path, url, lastId),
      () => this.out.note("The daemon is gone; asking for it again ..."),
    );
    for await (const { data } of stream) {
      const event = JSON.parse(data) as VmEvent;
      if (json) this.out.jsonLine(event);
      else this.out.line(sentence(event));
    }
  },
});

/** A name may be mistyped, or given before its VM is created. */
async function noteAbsence(
  context: Context,
  socket: string | undefined,
  name: string,
): Promise<void> {
  using client = context.connect(socket);
  try {
    await client.call(getVm, { name });
  } catch (error) {
    const isAbsent = error instanceof Fault && error.code === "vm-not-found";
    if (!isAbsent) throw error;
    context.out.note(
      `There is no VM "${name}" yet; waiting for its events ...`,
    );
  }
}

async function open(
  http: Deno.HttpClient,
  path: string,
  url: string,
  lastId: string | undefined,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const headers = lastId === undefined ? {} : { "last-event-id": lastId };
  const response = await fetch(`http://${DAEMON_HOST}${url}`, {
    client: http,
    headers: { accept: "text/event-stream", ...headers },
  }).catch((cause) => {
    throw new Fault(
      "daemon-unavailable",
      `Cannot reach the daemon at "${path}"`,
      {
        cause,
        hint:
          "Start it with `volant daemon`, or name its socket with --socket or VOLANT_SOCKET",
      },
    );
  });
  if (response.ok && response.body !== null) return response.body;
  throw new Fault(
    "daemon-unavailable",
    `Cannot follow the events: HTTP ${response.status} ${
      (await response.text()).slice(0, 200)
    }`,
    { hint: "Check that the socket is that of a volant daemon" },
  );
}

function sentence({ timestamp, type, name, message }: VmEvent): string {
  return `${timestamp}  ${type.padEnd(11)}  ${name}  ${plain(message)}`;
}
