/**
 * Spellings that were once valid, unified before the schema sees them: those
 * of manifests written for the original (keys in any case, explicit nulls and
 * empty sections, no `runtime`), of its builder's manifest.toml (`entrypoint` as one string,
 * `env` at the top), and keys that it read but never used. What is left
 * untouched here is judged by the schema.
 *
 * @module
 */

import { type JsonSchema, manifestJsonSchema } from "./json_schema.ts";
import { inKnownCase } from "./key_case.ts";

type Table = Record<string, unknown>;

/** A copy of a manifest as written, in the schema's own spelling. */
export function unifySpellings(written: unknown): unknown {
  if (!isTable(written)) return written;
  shape ??= manifestJsonSchema();
  const manifest = withoutNulls(inKnownCase(written, shape) as Table);
  spellNames(manifest);
  spellSections(manifest);
  spellWorkload(manifest);
  spellNetwork(manifest);
  return manifest;
}

/** Printing it takes longer than reading a manifest. */
let shape: JsonSchema | undefined;

/** Whether it is an object as JSON or TOML write them, not a list or a date. */
export function isTable(value: unknown): value is Table {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * Go writes an absent list or map as null. In lists a null stays: there it
 * would be an element, and is refused by the schema.
 */
function withoutNulls(table: Table): Table {
  const entries = Object.entries(table)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([key, value]) => [key, copied(value)] as const);
  return Object.fromEntries(entries);
}

function copied(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copied);
  return isTable(value) ? withoutNulls(value) : value;
}

function spellNames(manifest: Table): void {
  const version = manifest["schema_version"];
  if (/^(?:v?1(?:\.\d+)*)?$/i.test(String(version).trim())) {
    manifest["schema_version"] = "v1";
  }
  for (const key of ["image", "image_digest", "openapi", "runtime"]) {
    dropIfBlank(manifest, key);
  }
  if (manifest["runtime"] === undefined && manifest["name"] !== undefined) {
    manifest["runtime"] = manifest["name"];
  }
}

/** The original wrote every section, empty or not. */
function spellSections(manifest: Table): void {
  for (const key of ["rootfs", "initramfs"]) {
    const artifact = manifest[key];
    if (!isTable(artifact)) continue;
    dropIfBlank(artifact, "checksum");
    dropIfBlank(artifact, "format");
    // The kernel sees for itself how an initramfs is compressed.
    if (key === "initramfs" && typeof artifact["format"] === "string") {
      delete artifact["format"];
    }
    // Without a file its other keys say nothing; a url that is not there at
    // all may be a mistyped one.
    const isEmpty = isBlank(artifact["url"]) ||
      Object.keys(artifact).every((each) => each === "format");
    if (isEmpty) delete manifest[key];
  }
  for (const disk of tables(manifest["disks"])) {
    for (const key of ["checksum", "format", "target"]) dropIfBlank(disk, key);
  }
  const health = manifest["health_check"];
  if (isTable(health)) {
    for (const key of ["timeout_ms", "interval_ms"]) dropIfZero(health, key);
    dropIfBlank(health, "endpoint");
    if (health["endpoint"] === undefined) delete manifest["health_check"];
    rootPath(health, "endpoint");
  }
  spellActions(manifest);
  spellCloudInit(manifest["cloud_init"]);
  const devices = manifest["devices"];
  if (isTable(devices)) spellPciAddresses(devices);
  const init = manifest["init"];
  if (isTable(init)) {
    dropIfBlank(init, "path");
    if (init["none"] === false) delete init["none"];
    if (Object.keys(init).length === 0) delete manifest["init"];
  }
}

/** The original left out an action without a name. */
function spellActions(manifest: Table): void {
  const actions = manifest["actions"];
  if (!isTable(actions)) return;
  manifest["actions"] = Object.fromEntries(
    Object.entries(actions).filter(([name]) => !isBlank(name)),
  );
  for (const action of Object.values(actions)) {
    if (!isTable(action)) continue;
    dropIfBlank(action, "description");
    rootPath(action, "path");
  }
}

/** `01:00.0`, as lspci prints it, is of PCI domain 0. */
function spellPciAddresses(devices: Table): void {
  const addresses = devices["pci_passthrough"];
  if (!Array.isArray(addresses)) return;
  devices["pci_passthrough"] = addresses.map((address) =>
    /^\s*[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\s*$/i.test(String(address))
      ? `0000:${String(address).trim()}`
      : address
  );
}

/** A document with neither text nor file is none. */
function spellCloudInit(cloudInit: unknown): void {
  if (!isTable(cloudInit)) return;
  for (const key of ["user_data", "meta_data", "network_config"]) {
    const document = cloudInit[key];
    if (!isTable(document)) continue;
    const { inline: _, ...parts } = document;
    const isBlank = Object.values(parts).every((part) => part === "");
    if (isBlank) delete cloudInit[key];
  }
}

function spellWorkload(manifest: Table): void {
  const env = manifest["env"];
  if (isTable(env)) {
    const workload = manifest["workload"] ?? {};
    if (isTable(workload)) {
      const own = isTable(workload["env"]) ? workload["env"] : {};
      manifest["workload"] = { ...workload, env: { ...env, ...own } };
      delete manifest["env"];
    }
  }
  const workload = manifest["workload"];
  if (!isTable(workload)) return;
  for (const key of ["type", "base_url", "workdir", "user"]) {
    dropIfBlank(workload, key);
  }
  rootPath(workload, "workdir");
  const own = workload["env"];
  if (isTable(own)) workload["env"] = withTrimmedNames(own);
  if (typeof workload["entrypoint"] === "string") {
    workload["entrypoint"] = [workload["entrypoint"]];
  }
  if (Object.keys(workload).length === 0) delete manifest["workload"];
}

function spellNetwork(manifest: Table): void {
  const network = manifest["network"];
  if (!isTable(network)) return;
  dropIfBlank(network, "mode");
  // The original checked these against each other and used none of them.
  for (const key of ["subnet", "gateway", "auto_assign"]) delete network[key];
  for (const expose of tables(network["expose"])) {
    for (const key of ["name", "protocol", "host_ip"]) dropIfBlank(expose, key);
  }
}

function tables(value: unknown): Table[] {
  return Array.isArray(value) ? value.filter(isTable) : [];
}

/** Variables by name without the spaces around it; none without a name. */
function withTrimmedNames(env: Table): Table {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name.trim(), value] as const)
      .filter(([name]) => name !== ""),
  );
}

/** A path that does not say so begins at the root. */
function rootPath(table: Table, key: string): void {
  const value = table[key];
  if (typeof value !== "string" || isBlank(value)) return;
  const path = value.trim();
  if (!path.startsWith("/") && !path.includes("://")) table[key] = `/${path}`;
}

function isBlank(value: unknown): boolean {
  return typeof value === "string" && value.trim() === "";
}

function dropIfBlank(table: Table, key: string): void {
  if (isBlank(table[key])) delete table[key];
}

function dropIfZero(table: Table, key: string): void {
  if (table[key] === 0) delete table[key];
}
