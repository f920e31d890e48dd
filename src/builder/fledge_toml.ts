/**
 * fledge.toml: text to a checked recipe. Says with line and column what is
 * wrong, as the manifest's reader does.
 *
 * @module
 */

import type { Problem } from "../manifest/cross_checks.ts";
import { problemFault, problemsOf } from "../manifest/problems.ts";
import { readToml } from "../manifest/toml.ts";
import { type Digest, digest } from "../manifest/values.ts";
import type { Compression } from "./compress.ts";
import { type FledgeDocument, fledgeSchema } from "./fledge_schema.ts";

/** One line of `[mappings]`. */
export interface Mapping {
  readonly source: string;
  readonly dst: string;
  readonly mode?: number | undefined;
  readonly uid: number;
  readonly gid: number;
}

/** Where the busybox comes from that a recipe asks for. */
export type BusyboxSource =
  | { readonly path: string; readonly checksum?: Digest | undefined }
  | { readonly url: string; readonly checksum: Digest };

/** The pair the original filled in: the address means nothing without the sum. */
const ORIGINAL_BUSYBOX = {
  url:
    "https://busybox.net/downloads/binaries/1.35.0-x86_64-linux-musl/busybox",
  checksum: digest(
    "6e123e7f3202a8c1e9b1f94d8941580a25135382b99e8d3e34fb858bba311348",
  ),
} as const;

/** Who is PID 1: the shim, a file of the user's, or what a mapping puts there. */
export type InitMode =
  | { readonly kind: "shim" }
  | { readonly kind: "custom"; readonly path: string }
  | { readonly kind: "none" };

/** What to build, and how. */
export interface Recipe {
  readonly strategy: FledgeDocument["strategy"];
  readonly init: InitMode;
  readonly mappings: readonly Mapping[];
  readonly resolveLibs: boolean;
  readonly busybox?: BusyboxSource | undefined;
  readonly busyboxApplets?: readonly string[] | undefined;
  readonly image?: string | undefined;
  readonly dockerfile?: string | undefined;
  readonly compression?: Compression | undefined;
  readonly compressionLevel?: number | undefined;
  /** Keys that were read but change nothing here, each with the reason. */
  readonly unused: readonly string[];
}

/** The recipe in the text of the fledge.toml called `name`; throws `invalid-manifest`. */
export function parseFledgeToml(text: string, name: string): Recipe {
  const what = `"${name}"`;
  const plain = text.replace(/^\ufeff/, "");
  const { value, positions } = readToml(plain, what, "invalid-manifest");
  const source = { what, code: "invalid-manifest", positions } as const;
  const result = fledgeSchema.safeParse(value, { reportInput: true });
  if (!result.success) {
    throw problemFault(problemsOf(result.error, fledgeSchema, "toml"), source);
  }
  const problems = [
    ...checkInit(result.data),
    ...checkAgent(result.data),
    ...checkSource(result.data),
    ...checkBusybox(result.data),
  ];
  if (problems.length > 0) throw problemFault(problems, source);
  return recipeOf(result.data);
}

function checkInit({ init, agent }: FledgeDocument): Problem[] {
  if (init.path !== undefined && init.none) {
    return [{
      path: ["init", "none"],
      message: "is true although init.path is set",
      hint: "Keep one: path to bring a PID 1, none to map one to /init",
    }];
  }
  const isOwn = init.path !== undefined || init.none;
  return isOwn && agent !== undefined
    ? [{
      path: ["agent"],
      message: "does not go with an init of your own",
      hint: "Remove [agent], or [init]",
    }]
    : [];
}

function checkAgent({ agent }: FledgeDocument): Problem[] {
  const wanted = agent?.source_strategy === "local"
    ? "path"
    : agent?.source_strategy === "http"
    ? "url"
    : undefined;
  if (wanted === undefined || agent?.[wanted] !== undefined) return [];
  return [{
    path: ["agent", wanted],
    message: `is missing, and agent.source_strategy is ` +
      `"${agent?.source_strategy}"`,
    hint: "Remove [agent]: Volant brings its own agent",
  }];
}

function checkSource({ strategy, source }: FledgeDocument): Problem[] {
  const { image, dockerfile } = source;
  if (image !== undefined && dockerfile !== undefined) {
    return [{
      path: ["source", "dockerfile"],
      message: "is set although source.image is",
      hint: "Keep one of the two",
    }];
  }
  if (strategy === "oci_rootfs" && image === undefined && !dockerfile) {
    return [{
      path: ["source", "image"],
      message: 'is missing, and strategy is "oci_rootfs"',
      hint:
        "Name an image in source.image, or a Dockerfile in source.dockerfile",
    }];
  }
  return [];
}

function checkBusybox({ source }: FledgeDocument): Problem[] {
  const { busybox_url, busybox_sha256, busybox_applets } = source;
  const [first, second] = ["busybox_path", "busybox_url", "busybox"]
    .filter((key) => key !== "busybox" || source.busybox)
    .filter((key) => source[key as keyof typeof source] !== undefined);
  if (second !== undefined) {
    return [{
      path: ["source", second],
      message: `is set although source.${first} is`,
      hint: "Keep one of the two",
    }];
  }
  if (busybox_url !== undefined && busybox_sha256 === undefined) {
    return [{
      path: ["source", "busybox_sha256"],
      message: "is missing, and source.busybox_url needs it",
      hint: "Write the SHA-256 of that file, as sha256sum prints it",
    }];
  }
  const orphan = busybox_sha256 !== undefined
    ? "busybox_sha256"
    : busybox_applets !== undefined
    ? "busybox_applets"
    : undefined;
  if (first !== undefined || orphan === undefined) return [];
  return [{
    path: ["source", orphan],
    message: "is set, but no busybox is",
    hint: "Add source.busybox_path, or source.busybox_url with its sum",
  }];
}

function recipeOf(document: FledgeDocument): Recipe {
  const { source, filesystem, init } = document;
  return {
    strategy: document.strategy,
    init: init.path !== undefined
      ? { kind: "custom", path: init.path }
      : { kind: init.none ? "none" : "shim" },
    mappings: Object.entries(document.mappings)
      .map(([from, mapping]) => ({ source: from, ...mapping })),
    resolveLibs: document.resolve_libs,
    busybox: busyboxOf(document),
    busyboxApplets: source.busybox_applets,
    image: source.image,
    dockerfile: source.dockerfile,
    compression: filesystem.compression,
    compressionLevel: filesystem.compression_level,
    unused: document.agent === undefined
      ? []
      : ["[agent] has no effect: the agent comes with Volant"],
  };
}

function busyboxOf({ source }: FledgeDocument): BusyboxSource | undefined {
  const { busybox_path, busybox_url, busybox_sha256 } = source;
  if (busybox_path !== undefined) {
    return { path: busybox_path, checksum: busybox_sha256 };
  }
  if (source.busybox) return ORIGINAL_BUSYBOX;
  return busybox_url === undefined || busybox_sha256 === undefined
    ? undefined
    : { url: busybox_url, checksum: busybox_sha256 };
}
