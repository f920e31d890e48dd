/**
 * The JSON documents of an image, as far as they are read: OCI's and Docker's,
 * which differ in names of types only. Checked here, trusted after. Keys that
 * are not known are let pass: both formats grow.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { z } from "zod";
import type { FileBytes } from "./image_files.ts";
import { damaged, mismatch } from "./image_problem.ts";
import { isCheckable, verified } from "./layer_stream.ts";

/** As much as registries accept of a manifest. */
export const DOCUMENT_BYTES_MAX = 8 * 1024 * 1024;

const DESCRIPTORS_MAX = 1000;

const digestSchema = z.string().refine(isCheckable, {
  error: "is not a digest that can be checked",
});

/** Go writes null for a list or map that is empty. */
function nullable<Type extends z.ZodType>(
  type: Type,
): z.ZodType<z.infer<Type> | undefined> {
  return type.nullish().transform((value) => value ?? undefined);
}

const textMap = z.record(z.string(), z.string());
const textList = z.array(z.string());
const anyMap = z.record(z.string(), z.unknown());

const descriptorSchema = z.object({
  mediaType: nullable(z.string()),
  digest: digestSchema,
  size: z.int().min(0),
  annotations: nullable(textMap),
  platform: nullable(z.object({
    os: nullable(z.string()),
    architecture: nullable(z.string()),
    variant: nullable(z.string()),
  })),
});
export type Descriptor = z.infer<typeof descriptorSchema>;

const descriptorList = z.array(descriptorSchema).max(DESCRIPTORS_MAX);

export const indexSchema = z.object({
  mediaType: nullable(z.string()),
  manifests: descriptorList,
});
export type ImageIndex = z.infer<typeof indexSchema>;

export const manifestSchema = z.object({
  mediaType: nullable(z.string()),
  config: descriptorSchema,
  layers: descriptorList,
});
export type ImageManifest = z.infer<typeof manifestSchema>;

export const configSchema = z.object({
  created: nullable(z.string()),
  os: nullable(z.string()),
  architecture: nullable(z.string()),
  rootfs: z.object({
    diff_ids: z.array(digestSchema).max(DESCRIPTORS_MAX),
  }),
  config: nullable(z.object({
    Entrypoint: nullable(textList),
    Cmd: nullable(textList),
    Env: nullable(textList),
    WorkingDir: nullable(z.string()),
    User: nullable(z.string()),
    StopSignal: nullable(z.string()),
    ExposedPorts: nullable(anyMap),
    Volumes: nullable(anyMap),
    Healthcheck: nullable(z.object({ Test: nullable(textList) })),
    Labels: nullable(textMap),
  })),
});
export type ImageConfig = z.infer<typeof configSchema>;

export const dockerManifestSchema = z.array(z.object({
  Config: z.string().max(4096),
  RepoTags: nullable(textList),
  Layers: nullable(z.array(z.string().max(4096)).max(DESCRIPTORS_MAX)),
})).max(DESCRIPTORS_MAX);
export type DockerManifest = z.infer<typeof dockerManifestSchema>;

/** A document that no digest names. */
export async function readDocument<Type extends z.ZodType>(
  name: string,
  file: FileBytes,
  schema: Type,
  signal: AbortSignal,
): Promise<z.infer<Type>> {
  return parseDocument(name, await readText(name, file, signal), schema);
}

/** A document in a blob, whose digest and size are checked. */
export async function readBlobDocument<Type extends z.ZodType>(
  name: string,
  file: FileBytes,
  { digest, size }: Pick<Descriptor, "digest"> & { readonly size?: number },
  options: { readonly schema: Type; readonly signal: AbortSignal },
): Promise<z.infer<Type>> {
  if (size !== undefined && size !== file.size) {
    throw mismatch(
      `the ${name} has ${file.size} bytes, but is said to have ${size}`,
    );
  }
  const { schema, signal } = options;
  const checked: FileBytes = {
    size: file.size,
    chunks: () =>
      verified(file.chunks(signal), digest, `the ${name} has the digest`),
  };
  return await readDocument(name, checked, schema, signal);
}

/** A document; one that is not of its schema is a damage of the image. */
export function parseDocument<Type extends z.ZodType>(
  name: string,
  text: string,
  schema: Type,
): z.infer<Type> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw damaged(`its ${name} is not JSON`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue === undefined ? "" : issue.path.join(".").slice(0, 120);
  throw damaged(
    `its ${name} is not as it should be: ${path || "the whole"}: ${
      issue?.message ?? "unknown"
    }`,
  );
}

async function readText(
  name: string,
  file: FileBytes,
  signal: AbortSignal,
): Promise<string> {
  if (file.size > DOCUMENT_BYTES_MAX) {
    throw damaged(`its ${name} has more than ${DOCUMENT_BYTES_MAX} bytes`);
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.chunks(signal)) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
