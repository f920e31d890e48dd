/**
 * Schema of a manifest's `workload`, `health_check` and `actions`: the
 * process, how to ask after it, and what it offers.
 *
 * @module
 */

import { z } from "zod";
import {
  environment,
  guestPath,
  milliseconds,
  oneOf,
  verbatim,
  word,
} from "./field_schema.ts";
import { RESTART_POLICIES } from "./manifest.ts";
import {
  type RlimitName,
  RLIMITS,
  signalNumber,
  spellSignal,
} from "./signals.ts";

const USER_REGEXP =
  /^(?:[0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]*\$?)(?::(?:[0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]*\$?))?$/;

const RLIMIT_NAMES = Object.keys(RLIMITS) as RlimitName[];

const limitSchema = z.union([
  z.int().min(0),
  z.literal("unlimited"),
], 'is not a number or "unlimited"');

const rlimitSchema = z.preprocess(
  (value) =>
    typeof value === "number" || typeof value === "string"
      ? { soft: value, hard: value }
      : value,
  z.strictObject({
    soft: limitSchema.meta({
      description: 'The limit in force: a number or "unlimited"',
    }),
    hard: limitSchema.meta({
      description: "The most the workload may raise it to",
    }),
  }),
);

export const workloadSchema = z.strictObject({
  type: oneOf(["http"]).optional().meta({
    description: "What the workload speaks; `http` needs `base_url`",
    examples: ["http"],
  }),
  base_url: word(2048).regex(
    /^https?:\/\/[^\s/]+/i,
    "is not an http:// or https:// URL",
  ).optional().meta({
    description: "Where the workload answers, seen from inside the guest",
    examples: ["http://127.0.0.1:80"],
  }),
  entrypoint: z.array(verbatim()).min(1).meta({
    description: "The program and its fixed arguments, each as it is",
    examples: [["/usr/bin/caddy", "run"]],
  }),
  args: z.array(verbatim()).default([]).meta({
    description: "More arguments, after those of `entrypoint`",
    examples: [["--config", "/etc/caddy/Caddyfile"]],
  }),
  env: environment().default({}).meta({
    description: "Environment variables; values are taken as they are",
    examples: [{ "MODE": "production" }],
  }),
  workdir: guestPath().optional().meta({
    description: "Working directory; `/` when absent",
    examples: ["/srv"],
  }),
  user: word().regex(
    USER_REGEXP,
    "is not a user: a name or uid, then ':' and a group if wanted",
  ).optional().meta({
    description: "Who the workload runs as: name or uid, `:` group or gid",
    examples: ["1000:1000"],
  }),
  groups: z.array(z.int().min(0).max(4_294_967_294)).max(64).default([]).meta({
    description: "Further groups of the workload, by gid",
    examples: [[33]],
  }),
  restart: oneOf(RESTART_POLICIES).default("no").meta({
    description:
      "Whether the workload is started again when it ended, by the shim in its guest, and the machine by the daemon, also on another boot of the host",
    examples: ["on-failure"],
  }),
  stop_signal: z.preprocess(
    (value) =>
      typeof value === "string" || typeof value === "number"
        ? spellSignal(value)
        : value,
    z.string().refine((name) => signalNumber(name) !== undefined, {
      error: "is not a signal of Linux",
    }),
  ).default("SIGTERM").meta({
    description: "The signal that asks the workload to end: name or number",
    examples: ["SIGINT"],
  }),
  grace_ms: milliseconds(0).default(10_000).meta({
    description: "Time the workload has to end before it is killed",
    examples: [10000],
  }),
  rlimits: z.partialRecord(z.enum(RLIMIT_NAMES), rlimitSchema).default({}).meta(
    {
      description:
        "Resource limits by name: one number for both, or soft and hard",
      examples: [{ "nofile": { "soft": 1024, "hard": 4096 } }],
    },
  ),
});

export const healthCheckSchema = z.strictObject({
  endpoint: word(2048).regex(/^\//, "is not a path: it does not start with '/'")
    .meta({
      description: "Path below `workload.base_url` that answers 2xx",
      examples: ["/healthz"],
    }),
  timeout_ms: milliseconds().default(5_000).meta({
    description: "How long one check may take",
    examples: [5000],
  }),
  interval_ms: milliseconds().default(10_000).meta({
    description: "Time between two checks",
    examples: [10000],
  }),
});

export const actionSchema = z.strictObject({
  description: word(1024).optional().meta({
    description: "What the action does, for people",
    examples: ["Take a picture of a page"],
  }),
  method: z.string().trim().toUpperCase().regex(
    /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/,
    "is not a method of HTTP",
  ).meta({ description: "Method of HTTP", examples: ["POST"] }),
  path: word(2048).regex(/^\//, "is not a path: it does not start with '/'")
    .meta({
      description: "Path below `workload.base_url`",
      examples: ["/screenshot"],
    }),
  timeout_ms: milliseconds(0).optional().meta({
    description: "How long the action may take",
    examples: [30000],
  }),
});
