/**
 * The way in for manifests: text of a file, or a value from a request, to a
 * checked `Manifest` in its normal form. What is wrong is told as one
 * `invalid-manifest` fault with the path of the key, what is the case and what
 * to write.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";
import {
  crossCheck,
  crossCheckTemplate,
  type Problem,
} from "./cross_checks.ts";
import type { Manifest } from "./manifest.ts";
import { manifestSchema } from "./manifest_schema.ts";
import { problemFault, problemsOf } from "./problems.ts";
import { unifySpellings } from "./spellings.ts";
import { readToml } from "./toml.ts";
import type { TomlPositions } from "./toml_positions.ts";

/** Far above any real manifest; cloud-init documents may be in it. */
export const MANIFEST_BYTES_MAX = 1024 * 1024;

export interface ManifestSource {
  /** Name of the file, for messages. */
  readonly name: string;
  readonly format: "json" | "toml";
}

type Rules = (manifest: Manifest) => readonly Problem[];

/** The manifest in a text; throws `invalid-manifest`. */
export function parseManifest(text: string, source: ManifestSource): Manifest {
  return parse(text, source, crossCheck);
}

/**
 * The manifest in a text that `volant build` completes: the artifact it will
 * boot from is not named yet.
 */
export function parseManifestTemplate(
  text: string,
  source: ManifestSource,
): Manifest {
  return parse(text, source, crossCheckTemplate);
}

function parse(
  text: string,
  source: ManifestSource,
  rules: Rules,
): Manifest {
  const what = `manifest "${source.name}"`;
  if (text.length > MANIFEST_BYTES_MAX) {
    throw new Fault(
      "invalid-manifest",
      `Cannot read ${what}: it is longer than ${MANIFEST_BYTES_MAX} characters`,
    );
  }
  // Editors of some systems begin a file with a byte order mark.
  const plain = text.replace(/^\ufeff/, "");
  if (source.format === "json") {
    return check(parseJson(plain, what), what, rules);
  }
  const { value, positions } = readToml(plain, what, "invalid-manifest");
  return check(value, what, rules, positions);
}

/**
 * The manifest a value is, such as a part of a request's body; `where` is how
 * the message names it: `manifest`, `config.manifest`.
 */
export function checkManifest(value: unknown, where: string): Manifest {
  return check(value, where, crossCheck);
}

/** The format a file's name tells: TOML for `.toml`, else JSON. */
export function manifestFormat(fileName: string): ManifestSource["format"] {
  return fileName.toLowerCase().endsWith(".toml") ? "toml" : "json";
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new Fault(
      "invalid-manifest",
      `Cannot read ${what}: it is not JSON: ${cause.message}`,
      {
        cause,
        hint:
          "Mend the JSON at that place, or name the file .toml if it is TOML",
      },
    );
  }
}

function check(
  value: unknown,
  what: string,
  rules: Rules,
  positions?: TomlPositions,
): Manifest {
  const source = { what, code: "invalid-manifest", positions } as const;
  const result = manifestSchema.safeParse(unifySpellings(value), {
    reportInput: true,
  });
  if (!result.success) {
    const style = positions === undefined ? "json" : "toml";
    const problems = problemsOf(result.error, manifestSchema, style);
    throw problemFault(problems, source);
  }
  const manifest: Manifest = result.data;
  const problems = rules(manifest);
  if (problems.length > 0) throw problemFault(problems, source);
  return withLabels(manifest);
}

/** The original's clients find VMs by these two labels, which always agree with the manifest. */
function withLabels(manifest: Manifest): Manifest {
  return {
    ...manifest,
    labels: {
      ...manifest.labels,
      "volant.plugin": manifest.name,
      "volant.runtime": manifest.runtime,
    },
  };
}
