/**
 * The flags of commands that may ask a registry.
 *
 * @module
 */

import type { Context } from "./context.ts";
import { anyFile } from "./proposals.ts";

export interface RegistryFlags {
  readonly plainHttp?: boolean;
  readonly ca?: string;
}

export const REGISTRY_FLAGS = {
  plainHttp: {
    kind: "boolean",
    optional: true,
    withNegated: false,
    brief: "Ask the registry without TLS; one on this host needs no asking",
  },
  ca: {
    kind: "parsed",
    parse: String,
    proposeCompletions: anyFile,
    optional: true,
    placeholder: "FILE",
    brief: "FILE: certificates of authorities to trust beside the system's",
  },
} as const;

/** When a registry is asked. */
export type Pull = "missing" | "always" | "never";

export const PULL_FLAG = {
  kind: "enum",
  values: ["missing", "always", "never"],
  optional: true,
  brief: "When to ask the registry (default missing: for what is not here)",
} as const;

/** How the builder is to ask registries. */
export function registryOptions(
  { plainHttp, ca }: RegistryFlags,
  { env }: Pick<Context, "env">,
): {
  readonly env: Context["env"];
  readonly plainHttp: boolean | undefined;
  readonly caFile: string | undefined;
} {
  return { env, plainHttp, caFile: ca };
}
