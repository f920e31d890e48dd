/**
 * What an image's config says, as a manifest says it. What a VM will not do as
 * the config says is told in notes. VOLUME needs none: what is written there is
 * kept on the VM's disk, as is what is written elsewhere.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { signalNumber, spellSignal } from "../../manifest/signals.ts";
import type { ImageConfig } from "./image_schema.ts";
import type { ImageNames } from "./image_names.ts";
import { resolveImageUser, type UserFiles } from "./image_users.ts";

/** What whoever runs the image wants other than its config says. */
export interface ImageOverrides {
  /** In place of ENTRYPOINT; CMD is then left out, too. */
  readonly entrypoint?: readonly string[] | undefined;
  /** In place of CMD. */
  readonly args?: readonly string[] | undefined;
  /** In place of USER, in the same forms. */
  readonly user?: string | undefined;
}

export interface ImageFacts extends UserFiles {
  readonly config: ImageConfig;
}

export interface ManifestInput {
  readonly facts: ImageFacts;
  readonly names: ImageNames;
  readonly overrides: ImageOverrides;
  readonly imageDigest: string;
  readonly rootfsPath: string;
  readonly rootfsDigest: string;
}

export interface ManifestOutput {
  readonly manifest: Readonly<Record<string, unknown>>;
  readonly notes: readonly string[];
}

const DEFAULT_PATH =
  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const VARIABLE_NAME = /^[^=\s\p{Cc}]+$/u;
const LABEL_NAME = /^(?!\s)\P{Cc}{1,255}(?<!\s)$/u;

/** Some builders put whole bills of materials into a label. */
const LABEL_CHARACTERS_MAX = 4096;
const LABELS_CHARACTERS_MAX = 65_536;

const NOTES_MAX = 50;

const EXPOSED_MAX = 256;
const EXPOSE_KEYS_MAX = 1024;

export function imageManifest(input: ManifestInput): ManifestOutput {
  const { facts, names, overrides, rootfsPath, rootfsDigest } = input;
  const { config = {} as NonNullable<ImageConfig["config"]> } = facts.config;
  const notes: string[] = [];
  const user = resolveImageUser(
    overrides.user ?? config.User ?? "",
    facts,
    { name: names.text, isGiven: overrides.user !== undefined },
  );
  const hasCheck = config.Healthcheck?.Test?.some((word) => word !== "NONE");
  if (hasCheck === true) {
    notes.push("HEALTHCHECK is a command, which a manifest cannot say yet");
  }
  const command = imageCommand(facts.config, overrides, names.text);
  const manifest = {
    schema_version: "v1",
    name: names.name,
    version: names.version,
    runtime: names.name,
    image: names.text,
    image_digest: input.imageDigest,
    rootfs: { url: rootfsPath, checksum: rootfsDigest, format: "erofs" },
    workload: {
      ...command,
      env: environment(config.Env ?? [], user.home, notes),
      workdir: workdir(config.WorkingDir ?? "/"),
      user: `${user.uid}:${user.gid}`,
      groups: user.groups,
      ...stopSignal(config.StopSignal, notes),
    },
    network: { expose: exposed(Object.keys(config.ExposedPorts ?? {}), notes) },
    labels: labels(config.Labels ?? {}, notes),
  };
  return { manifest, notes: shortened(notes) };
}

function shortened(notes: readonly string[]): readonly string[] {
  const more = notes.length - NOTES_MAX;
  if (more <= 0) return notes;
  return [
    ...notes.slice(0, NOTES_MAX),
    `${more} further notes are left out`,
  ];
}

/** Docker's rules: an entrypoint of the user's puts CMD out of use. */
export function imageCommand(
  { config }: ImageConfig,
  overrides: ImageOverrides,
  imageName: string,
): {
  readonly entrypoint: readonly string[];
  readonly args: readonly string[];
} {
  // One empty word is how an entrypoint is taken back.
  const entrypoint = (overrides.entrypoint ?? config?.Entrypoint ?? [])
    .filter((word, index) => index > 0 || word !== "");
  const own = overrides.entrypoint === undefined ? config?.Cmd ?? [] : [];
  const args = overrides.args ?? own;
  if (entrypoint.length > 0) return { entrypoint, args };
  if (args.length > 0 && args[0] !== "") return { entrypoint: args, args: [] };
  throw new Fault(
    "invalid-input",
    `Cannot run image "${imageName}": it names no program to run`,
    { hint: "Name one with --entrypoint, or behind the image as -- CMD" },
  );
}

function environment(
  list: readonly string[],
  home: string,
  notes: string[],
): Record<string, string> {
  const variables = new Map([["PATH", DEFAULT_PATH], ["HOME", home]]);
  for (const each of list) {
    const equals = each.indexOf("=");
    const name = equals < 0 ? each : each.slice(0, equals);
    const value = equals < 0 ? "" : each.slice(equals + 1);
    if (VARIABLE_NAME.test(name) && !value.includes("\0")) {
      variables.set(name, value);
    } else {
      const shown = JSON.stringify(name.slice(0, 80));
      notes.push(`ENV ${shown} is no name of a variable`);
    }
  }
  return Object.fromEntries(variables);
}

/** As Docker cleans it: absolute, without `..`. */
function workdir(written: string): string {
  const names: string[] = [];
  for (const each of written.split("/")) {
    if (each === "..") names.pop();
    else if (each !== "" && each !== ".") names.push(each);
  }
  return `/${names.join("/")}`;
}

function stopSignal(
  written: string | undefined,
  notes: string[],
): { readonly stop_signal?: string } {
  if (written === undefined || written === "") return {};
  const name = spellSignal(written);
  if (signalNumber(name) !== undefined) return { stop_signal: name };
  notes.push(`STOPSIGNAL ${JSON.stringify(written)} is no signal of Linux`);
  return {};
}

interface Exposed {
  readonly protocol: string;
  readonly port: number;
}

interface PortRange {
  readonly protocol: string;
  readonly first: number;
  readonly last: number;
}

/** The lowest ports up to the limit; a range is walked no further than that. */
function exposed(keys: readonly string[], notes: string[]): Exposed[] {
  const found = new Map<string, Exposed>();
  const ranges = portRanges(keys, notes).sort((a, b) => a.first - b.first);
  for (const { protocol, first, last } of ranges) {
    for (let port = first; port <= last; port++) {
      if (found.size > EXPOSED_MAX) break;
      found.set(`${port}/${protocol}`, { protocol, port });
    }
  }
  const sorted = [...found.values()].sort((a, b) =>
    a.port - b.port || (a.protocol < b.protocol ? -1 : 1)
  );
  if (sorted.length > EXPOSED_MAX) {
    notes.push(`EXPOSE names more than ${EXPOSED_MAX} ports: the rest is left`);
  }
  return sorted.slice(0, EXPOSED_MAX);
}

function portRanges(keys: readonly string[], notes: string[]): PortRange[] {
  const ranges: PortRange[] = [];
  if (keys.length > EXPOSE_KEYS_MAX) {
    notes.push(
      `EXPOSE has more than ${EXPOSE_KEYS_MAX} entries: the rest is left`,
    );
  }
  for (const key of keys.slice(0, EXPOSE_KEYS_MAX)) {
    const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?(?:\/(tcp|udp))?$/i.exec(key);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || first < 1 || last > 65_535 || last < first) {
      notes.push(
        `EXPOSE ${JSON.stringify(key.slice(0, 80))} is no port of TCP or UDP`,
      );
      continue;
    }
    const protocol = (match[3] ?? "tcp").toLowerCase();
    ranges.push({ protocol, first, last });
  }
  return ranges;
}

function labels(
  all: Readonly<Record<string, string>>,
  notes: string[],
): Record<string, string> {
  const kept: [string, string][] = [];
  let total = 0;
  for (const name of Object.keys(all).sort()) {
    const value = all[name] ?? "";
    const isFit = LABEL_NAME.test(name) && !value.includes("\0") &&
      value.length <= LABEL_CHARACTERS_MAX &&
      total + name.length + value.length <= LABELS_CHARACTERS_MAX;
    if (isFit) {
      total += name.length + value.length;
      kept.push([name, value]);
    } else {
      notes.push(`LABEL ${JSON.stringify(name.slice(0, 80))} is too long`);
    }
  }
  return Object.fromEntries(kept);
}
