/**
 * Making the record of a VM: everything is checked, and everything it needs
 * taken in, before the record exists.
 *
 * @module
 */

import type { CreateVmInput, PublishedPort, VmConfig } from "../../api/vms.ts";
import { Fault } from "../../lib/fault.ts";
import { step } from "../../lib/step.ts";
import type { Artifact, Manifest } from "../../manifest/manifest.ts";
import type { LeaseRequest, NetworkLease } from "../networks/network.ts";
import { writeVmRecord } from "../store/vm_record.ts";
import { vmExists } from "../store/vms.ts";
import { admitMemory } from "./admission.ts";
import type { VmDeps } from "./deps.ts";
import { healthTarget } from "./health.ts";
import { leastMemoryMib } from "./initramfs_fit.ts";
import { choosePorts } from "./ports.ts";
import { rootFileSystem } from "./root_format.ts";
import { checkEphemeral } from "./root_plan.ts";
import { checkSupported } from "./supported.ts";
import type { Vm, VmArtifacts } from "./vm.ts";
import { removeVmDirs, vmDirs } from "./vm_dirs.ts";

/** No guest was seen to serve with less. */
const MEMORY_MIB_MIN = 16;
/** The larger kernel, the overlay and its journal take more. */
const MEMORY_MIB_MIN_ROOTFS = 20;

/** What a VM is created from, once it is known which manifest that is. */
export type ResolvedCreate = CreateVmInput & { readonly config: VmConfig };

/** Throws `invalid-input`, `vm-exists`, and what an artifact's import throws. */
export async function insertVm(
  deps: VmDeps,
  input: ResolvedCreate,
  startAt: Date | undefined,
  signal: AbortSignal,
): Promise<Vm> {
  const { name } = input;
  const config = mergedConfig(input);
  if (deps.vms.find(name) !== undefined) throw vmExists(name);
  deps.vms.checkThere();
  checkConfig(name, config);
  const { hypervisor } = deps;
  await hypervisor.probe();
  const memoryMib = config.resources?.memory_mb ?? 0;
  await admitMemory(deps, name, memoryMib);
  if (config.kernel_override !== undefined) {
    await hypervisor.checkKernel(config.kernel_override);
  }

  await using held = new AsyncDisposableStack();
  const artifacts = await importArtifacts(deps, config.manifest, held, signal);
  step("create:artifacts-held");
  await checkInitramfsFits(deps, name, memoryMib, artifacts);
  await checkRoot(deps, name, config, artifacts);
  const network = deps.networks[networkMode(deps, name, config)];
  const lease = await network.lease(
    leaseRequest(deps, name, config, network.mode),
    deps.vms.addresses(),
  );
  // By then it is in the record, or given up.
  held.defer(() => network.release(lease));
  step("create:lease-taken");
  checkHealth(deps, name, config, lease);
  // Another create may have taken them meanwhile; from here to the record
  // there is no pause.
  choosePorts(name, lease.publish, deps.vms.publishers());
  const vm = deps.vms.insert({
    name,
    config,
    artifacts,
    lease,
    hypervisor: hypervisor.name,
    boot: startAt && { requested_at: startAt.toISOString() },
    wanted: startAt === undefined ? "stopped" : "running",
  });
  step("create:recorded");
  await writeRecord(deps, vm);
  step("create:record-written");
  return vm;
}

/** A VM that could not be rebuilt is not made. */
async function writeRecord(deps: VmDeps, vm: Vm): Promise<void> {
  try {
    await writeVmRecord(deps.folders.stateDir, vm);
  } catch (error) {
    await removeVmDirs(vmDirs(deps.folders, vm.id));
    deps.vms.delete(vm);
    throw error;
  }
}

/** Gives up what nobody else uses. */
export async function releaseArtifacts(
  { artifacts, isArtifactUsed }: Pick<VmDeps, "artifacts" | "isArtifactUsed">,
  digests: VmArtifacts,
): Promise<void> {
  for (const digest of Object.values(digests)) {
    await artifacts.releaseUnused(digest, isArtifactUsed);
  }
}

/** The older spellings beside `config` are laid under it. */
function mergedConfig(input: ResolvedCreate): VmConfig {
  const { config } = input;
  const { manifest } = config;
  return {
    ...config,
    manifest: input.runtime === undefined
      ? manifest
      : { ...manifest, runtime: input.runtime },
    resources: {
      ...config.resources,
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
  const least = manifest.rootfs === undefined
    ? MEMORY_MIB_MIN
    : MEMORY_MIB_MIN_ROOTFS;
  if (memory_mb < least) {
    throw new Fault(
      "invalid-input",
      `Cannot create VM "${name}" with ${memory_mb} MiB: a guest of its kind needs at least ${least} MiB`,
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

/** A root that cannot be mounted is told now, not by a guest that ends at once. */
async function checkRoot(
  { artifacts }: VmDeps,
  name: string,
  config: VmConfig,
  artifact: VmArtifacts,
): Promise<void> {
  const { rootfs } = config.manifest;
  if (rootfs === undefined || artifact.rootfs === undefined) return;
  const path = artifacts.path(artifact.rootfs);
  try {
    checkEphemeral(config, await rootFileSystem(path, rootfs.format));
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    const text = cause.message.replace(path, rootfs.url);
    throw new Fault(cause.code, `Cannot create VM "${name}": ${text}`, {
      cause,
      hint: cause.hint,
    });
  }
}

function networkMode(
  { defaultNetwork }: VmDeps,
  name: string,
  { manifest, network }: VmConfig,
): NetworkLease["mode"] {
  const mode = network?.mode ?? manifest.network.mode ?? defaultNetwork;
  if (mode === "user" || mode === "bridged" || mode === "none") return mode;
  throw new Fault(
    "not-supported",
    `Cannot create VM "${name}": network mode "${mode}" is not in this version`,
    { hint: "Use --network bridged, --network user or --network none" },
  );
}

function leaseRequest(
  { vms }: VmDeps,
  vmName: string,
  { manifest, network, expose }: VmConfig,
  mode: NetworkLease["mode"],
): LeaseRequest {
  const wanted = mode === "none" && expose === undefined
    ? []
    : expose ?? manifestPorts(manifest);
  return {
    vmName,
    publish: choosePorts(vmName, wanted, vms.publishers()),
    ...(network?.ip !== undefined && { ip: network.ip }),
    ...(network?.isolated !== undefined && { isolated: network.isolated }),
  };
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

/** Takes in what the manifest names; `held` gives up the holds. */
async function importArtifacts(
  { artifacts, isArtifactUsed }: VmDeps,
  { initramfs, rootfs }: Manifest,
  held: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<VmArtifacts> {
  const take = async (artifact: Artifact) => {
    const { url, checksum } = artifact;
    const digest = await artifacts.import(
      { url, ...(checksum && { checksum }) },
      signal,
    );
    // By then the row holds it, or nobody does.
    held.defer(() => artifacts.release(digest, isArtifactUsed));
    return digest;
  };
  return {
    ...(initramfs && { initramfs: await take(initramfs) }),
    ...(rootfs && { rootfs: await take(rootfs) }),
  };
}
