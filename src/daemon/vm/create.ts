/**
 * Making the record of a VM: everything is checked, and everything it needs
 * taken in, before the record exists.
 *
 * @module
 */

import type { CreateVmInput, PublishedPort, VmConfig } from "../../api/vms.ts";
import { Fault } from "../../lib/fault.ts";
import type { Manifest, NetworkMode } from "../../manifest/manifest.ts";
import type { NetworkLease } from "../networks/network.ts";
import { vmExists } from "../store/vms.ts";
import { admitMemory } from "./admission.ts";
import type { VmDeps } from "./deps.ts";
import { healthTarget } from "./health.ts";
import { leastMemoryMib } from "./initramfs_fit.ts";
import { choosePorts } from "./ports.ts";
import { checkSupported } from "./supported.ts";
import type { Vm, VmArtifacts } from "./vm.ts";

/** No guest was seen to serve with less. */
const MEMORY_MIB_MIN = 16;

/** Throws `invalid-input`, `vm-exists`, and what an artifact's import throws. */
export async function insertVm(
  deps: VmDeps,
  input: CreateVmInput,
  signal: AbortSignal,
): Promise<Vm> {
  const { name } = input;
  const config = mergedConfig(input);
  if (deps.vms.find(name) !== undefined) throw vmExists(name);
  checkConfig(name, config);
  const { hypervisor } = deps;
  await hypervisor.probe();
  const memoryMib = config.resources?.memory_mb ?? 0;
  await admitMemory(deps, name, memoryMib);
  if (config.kernel_override !== undefined) {
    await hypervisor.checkKernel(config.kernel_override);
  }
  const lease = await takeLease(deps, name, config);
  checkHealth(deps, name, config, lease);

  const artifacts = await importArtifacts(deps, config.manifest, signal);
  try {
    await checkInitramfsFits(deps, name, memoryMib, artifacts);
    return deps.vms.insert({
      name,
      config,
      artifacts,
      lease,
      hypervisor: hypervisor.name,
    });
  } finally {
    // The row holds it now, or nobody does.
    if (artifacts.initramfs !== undefined) {
      await deps.artifacts.release(artifacts.initramfs, isUsed(deps));
    }
  }
}

/** Gives up what no other VM uses. */
export async function releaseArtifacts(
  deps: Pick<VmDeps, "vms" | "artifacts">,
  { initramfs }: VmArtifacts,
): Promise<void> {
  if (initramfs === undefined) return;
  await deps.artifacts.releaseUnused(initramfs, isUsed(deps));
}

function isUsed({ vms }: Pick<VmDeps, "vms">): (digest: string) => boolean {
  return (digest) => vms.usesArtifact(digest);
}

/** The older spellings beside `config` are laid under it. */
function mergedConfig(input: CreateVmInput): VmConfig {
  const { config } = input;
  const { manifest } = config;
  return {
    ...config,
    manifest: input.runtime === undefined
      ? manifest
      : { ...manifest, runtime: input.runtime },
    resources: {
      cpu_cores: config.resources?.cpu_cores ?? input.cpu_cores ??
        manifest.resources.cpu_cores,
      memory_mb: config.resources?.memory_mb ?? input.memory_mb ??
        manifest.resources.memory_mb,
    },
    ...(config.kernel_cmdline === undefined &&
      input.kernel_cmdline !== undefined &&
      { kernel_cmdline: input.kernel_cmdline }),
  };
}

function checkConfig(name: string, { manifest, resources }: VmConfig): void {
  checkSupported(name, manifest);
  const { memory_mb = 0, cpu_cores = 0 } = resources ?? {};
  if (memory_mb < MEMORY_MIB_MIN) {
    throw new Fault(
      "invalid-input",
      `Cannot create VM "${name}" with ${memory_mb} MiB: a guest needs at least ${MEMORY_MIB_MIN} MiB`,
      { hint: "Give it more with --memory" },
    );
  }
  const cpus = navigator.hardwareConcurrency;
  if (cpu_cores < 1 || cpu_cores > cpus) {
    throw new Fault(
      "invalid-input",
      `Cannot create VM "${name}" with ${cpu_cores} CPUs: the host has ${cpus}`,
      { hint: "Give another number with --cpus" },
    );
  }
}

async function checkInitramfsFits(
  deps: VmDeps,
  name: string,
  memoryMib: number,
  { initramfs }: VmArtifacts,
): Promise<void> {
  if (initramfs === undefined) return;
  const least = await leastMemoryMib(deps.artifacts.path(initramfs));
  if (least === undefined || memoryMib >= least) return;
  throw new Fault(
    "not-enough-memory",
    `Cannot create VM "${name}" with ${memoryMib} MiB: its initramfs needs ${least} MiB to be unpacked`,
    { hint: `Give it --memory ${least} or more, or build a smaller one` },
  );
}

async function takeLease(
  { networks, vms }: VmDeps,
  name: string,
  { manifest, network, expose }: VmConfig,
): Promise<NetworkLease> {
  const mode = network?.mode ?? manifest.network.mode ?? "user";
  if (!isSupported(mode)) {
    throw new Fault(
      "not-supported",
      `Cannot create VM "${name}": network mode "${mode}" is not in this version`,
      { hint: "Use --network user or --network none" },
    );
  }
  const wanted = mode === "none" && expose === undefined
    ? []
    : expose ?? manifestPorts(manifest);
  return await networks[mode].lease(
    name,
    choosePorts(name, wanted, vms.list()),
  );
}

function isSupported(mode: NetworkMode): mode is NetworkLease["mode"] {
  return mode === "user" || mode === "none";
}

/** Ports of a manifest without a host port are only a description. */
function manifestPorts({ network }: Manifest): PublishedPort[] {
  return network.expose.flatMap(({ host_port, host_ip, port, protocol }) =>
    host_port === undefined
      ? []
      : [{ host_port, port, protocol, ...(host_ip && { host_ip }) }]
  );
}

/** A check that could never be made must not be silently left out. */
function checkHealth(
  { networks }: VmDeps,
  name: string,
  config: VmConfig,
  lease: NetworkLease,
): void {
  const { health_check, workload } = config.manifest;
  if (health_check === undefined) return;
  const { base_url = "" } = workload ?? {};
  if (base_url !== "" && !URL.canParse(base_url)) {
    throw new Fault(
      "invalid-manifest",
      `Cannot create VM "${name}": workload.base_url "${base_url}" is no URL`,
      { hint: "Write one such as http://127.0.0.1:80" },
    );
  }
  if (healthTarget({ config, lease }, networks) !== undefined) return;
  throw new Fault(
    "not-supported",
    `Cannot create VM "${name}": the host cannot reach its health check at "${
      workload?.base_url ?? "no base_url"
    }"`,
    {
      hint: `Publish its port, such as --publish 8080:${
        new URL(workload?.base_url ?? "http://guest").port || 80
      }, or take health_check out of the manifest`,
    },
  );
}

async function importArtifacts(
  { artifacts }: VmDeps,
  { initramfs }: Manifest,
  signal: AbortSignal,
): Promise<VmArtifacts> {
  if (initramfs === undefined) return {};
  const { url, checksum } = initramfs;
  return {
    initramfs: await artifacts.import(
      { url, ...(checksum && { checksum }) },
      signal,
    ),
  };
}
