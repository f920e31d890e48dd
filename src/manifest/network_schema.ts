/**
 * Schema of a manifest's `network` and `devices`: how the guest is reached
 * and what of the host it is given.
 *
 * @module
 */

import { z } from "zod";
import { oneOf, portNumber, word } from "./field_schema.ts";
import { NETWORK_MODES, PROTOCOLS } from "./manifest.ts";

const exposeSchema = z.strictObject({
  name: word(63).optional().meta({
    description: "A name for the port",
    examples: ["web"],
  }),
  protocol: oneOf(PROTOCOLS).default("tcp").meta({
    description: "Protocol",
    examples: ["tcp"],
  }),
  port: portNumber().meta({
    description: "Port the workload listens on in the guest",
    examples: [80],
  }),
  host_port: portNumber(0).optional().meta({
    description:
      "Port on the host that leads to it; 0 takes a free one; absent: it is named but not published",
    examples: [8080],
  }),
  host_ip: z.union([z.ipv4(), z.ipv6()], "is not an IP address").optional()
    .meta({
      description:
        "Address of the host the port is published on; absent: the daemon's default",
      examples: ["127.0.0.1"],
    }),
});

export const networkSchema = z.strictObject({
  mode: oneOf(NETWORK_MODES).optional().meta({
    description: "How the guest is connected; absent: the daemon's default",
    examples: ["user"],
  }),
  expose: z.array(exposeSchema).max(256).default([]).meta({
    description: "Ports of the guest that matter outside",
    examples: [[{ "port": 80, "host_port": 8080 }]],
  }),
});

const PCI_ADDRESS_REGEXP = /^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i;

export const devicesSchema = z.strictObject({
  pci_passthrough: z.array(
    word().regex(PCI_ADDRESS_REGEXP, "is not a PCI address"),
  ).default([]).meta({
    description: "PCI devices of the host that the guest gets, by address",
    examples: [["0000:01:00.0"]],
  }),
  allowlist: z.array(
    word().regex(
      /^[0-9a-f]{4}:(?:[0-9a-f]{4}|\*)$/i,
      "is not vendor:device or vendor:*",
    ),
  ).default([]).meta({
    description: "Which devices may be passed, `vendor:device` or `vendor:*`",
    examples: [["10de:*"]],
  }),
});
