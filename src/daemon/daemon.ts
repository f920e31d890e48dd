/**
 * The composition root: builds the daemon out of its parts, and is the only
 * file that knows them all.
 *
 * @module
 */

import type { Hono } from "hono";
import { findPasst } from "../host/passt.ts";
import { findQemu } from "../host/qemu.ts";
import { availableMemoryMib } from "../host/memory.ts";
import { probeKvm } from "../host/kvm.ts";
import { tscKhz } from "../host/tsc.ts";
import { type Assets, removeOtherAssets, unpackAssets } from "../lib/assets.ts";
import { Fault } from "../lib/fault.ts";
import { checkPassable, makeDir, removeIfThere } from "../lib/files.ts";
import { lockFile } from "../lib/lock.ts";
import { logger } from "../lib/log.ts";
import { version } from "../lib/self.ts";
import { killAt, takeOrders } from "../lib/step.ts";
import { ArtifactStore } from "./artifacts/artifact_store.ts";
import { DOWNLOAD_RULES } from "./artifacts/download.ts";
import { Backups } from "./backup/backups.ts";
import { clearStaging } from "./backup/staging.ts";
import type { DaemonConfig } from "./config.ts";
import { EventBus } from "./events/event_bus.ts";
import type { Hypervisor } from "./hypervisors/hypervisor.ts";
import { hypervisor } from "./hypervisors/registry.ts";
import { checkRuntimeDir } from "./machines/run_dir.ts";
import { networks } from "./networks/registry.ts";
import { PluginRegistry } from "./plugins/registry.ts";
import { addConsole } from "./routes/console.ts";
import { backupRoutes } from "./routes/backups.ts";
import { eventRoutes } from "./routes/events.ts";
import { logRoutes } from "./routes/logs.ts";
import { pluginRoutes } from "./routes/plugins.ts";
import { systemRoutes } from "./routes/system.ts";
import { vmRoutes } from "./routes/vms.ts";
import { createApp, serveSocket } from "./server.ts";
import { openStore } from "./store/open_store.ts";
import { PluginStore } from "./store/plugins.ts";
import { RollingCopy } from "./store/rolling_copy.ts";
import { storeFiles } from "./store/store_files.ts";
import { VmStore } from "./store/vms.ts";
import type { VmDeps } from "./vm/deps.ts";
import { VmKeeper } from "./vm/keeper.ts";
import { reconcile } from "./vm/reconcile.ts";
import { VmService } from "./vm/service.ts";

/** Requests that are being answered may take so long when the daemon stops. */
const DRAIN_MS = 2000;

/** Starts the daemon; disposing of it stops it, and leaves all machines running. */
export async function startDaemon(
  config: DaemonConfig,
): Promise<AsyncDisposable> {
  const log = logger("daemon");
  const { folders } = config;
  await using undo = new AsyncDisposableStack();

  checkRuntimeDir(folders.runtimeDir);
  // A VMM that runs as somebody else passes through both.
  const mode = config.uidBase === undefined ? 0o700 : 0o711;
  await makeDir(folders.stateDir, mode);
  await makeDir(folders.runtimeDir, mode);
  if (config.uidBase !== undefined) {
    await checkPassable(folders.stateDir);
    await checkPassable(folders.runtimeDir);
  }
  undo.use(await lockFile(`${folders.stateDir}/lock`));
  // Else two daemons would each end the other's machines as nobody's.
  undo.use(await lockFile(`${folders.runtimeDir}/lock`));
  await clearStaging(folders.stateDir);
  const assets = await unpackAssets(folders.stateDir);
  if (config.killAt !== undefined) killAt(config.killAt);
  if (config.stepsFile !== undefined) takeOrders(config.stepsFile);
  const database = await openStore(folders, log);
  undo.defer(() => database.close());
  undo.use(
    new RollingCopy(database, {
      path: storeFiles(folders.stateDir).copy,
      log: logger("store"),
    }),
  );

  const stop = new AbortController();
  const plugins = new PluginStore(database);
  const deps: VmDeps = {
    vms: new VmStore(database),
    artifacts: new ArtifactStore(folders.stateDir, {
      ...DOWNLOAD_RULES,
      allowLoopback: config.downloads.allowLoopback,
      bytesMax: config.downloads.limitMib * 1024 ** 2,
    }),
    events: new EventBus(),
    hypervisor: chosenHypervisor(config, assets),
    networks: networks({
      findPasst,
      ...config.network,
      stateDir: folders.stateDir,
    }),
    folders,
    kernels: {
      initramfs: assets.vmlinuxGeneric,
      rootfs: assets.vmlinuxVolant,
    },
    isArtifactUsed: (digest) =>
      deps.vms.usesArtifact(digest) || plugins.usesArtifact(digest),
    defaultNetwork: config.network.defaultMode,
    availableMemoryMib,
    uidBase: config.uidBase,
    log: logger("vm"),
  };
  await deps.artifacts.open();
  // Booting a probe guest takes a while: better now than in the first request.
  deps.hypervisor.probe().catch(({ message }) =>
    log.warn("No guest can be started: {message}", { message })
  );
  const keeper = new VmKeeper(deps);
  undo.defer(() => keeper.release());
  await reconcile(deps, keeper, stop.signal);

  const vms = new VmService(deps, keeper, stop.signal);
  await vms.finishDeletions();
  const registry = new PluginRegistry({ ...deps, plugins });
  vms.resumeRestarts();
  await removeOtherAssets(folders.stateDir, assets).catch((error: unknown) =>
    log.warn("Cannot remove what older versions unpacked: {error}", { error })
  );
  const app = buildApp(deps, {
    vms,
    plugins: registry,
    backups: new Backups({
      folders,
      database,
      store: deps.vms,
      vms,
      version: version(),
      artifactPath: (digest) => deps.artifacts.path(digest),
    }),
    stop: stop.signal,
  });
  const server = await serveSocket(app, folders.socketPath);
  undo.defer(() => removeIfThere(folders.socketPath));
  undo.defer(() => drain(server));
  undo.defer(() =>
    stop.abort(
      new Fault("daemon-unavailable", "Cannot go on: the daemon stops", {
        hint: "Ask again when it runs",
      }),
    )
  );
  log.info("Listening on {socket}", { socket: folders.socketPath });
  return undo.move();
}

function chosenHypervisor(
  { hypervisor: name, qemuMachine, folders }: DaemonConfig,
  { monitor, simulated, vmlinuxGeneric }: Assets,
): Hypervisor {
  const log = logger("hypervisor");
  if (name === "simulated") {
    log.warn("No guest is real: the hypervisor is simulated, for tests only");
  }
  return hypervisor(name, {
    monitorPath: monitor,
    simulatedPath: simulated,
    version: version(),
    machine: qemuMachine,
    find: findQemu,
    tscKhz: () => tscKhz(monitor),
    async kvmWorks(qemuPath) {
      const { works, reason } = await probeKvm({
        qemuPath,
        kernelPath: vmlinuxGeneric,
        cachePath: `${folders.stateDir}/kvm-probe.json`,
      });
      if (!works) log.warn("Guests are emulated: {reason}", { reason });
      return works;
    },
  });
}

interface Served {
  readonly vms: VmService;
  readonly plugins: PluginRegistry;
  readonly backups: Backups;
  readonly stop: AbortSignal;
}

function buildApp(
  { folders, hypervisor, events }: VmDeps,
  { vms, plugins, backups, stop }: Served,
): Hono {
  return createApp({
    version: version(),
    log: logger("api"),
    routes: [
      ...vmRoutes(vms, plugins),
      ...pluginRoutes(plugins, stop),
      ...logRoutes(vms, stop),
      ...eventRoutes(events, stop),
      ...backupRoutes(backups, logger("backup"), stop),
      ...systemRoutes({
        version: version(),
        folders,
        hypervisor,
        vms,
        plugins,
      }),
    ],
    extra: (app) => addConsole(app, vms, stop),
  });
}

/** Streams that nobody ends are cut after a while. */
async function drain(server: Deno.HttpServer): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, DRAIN_MS);
  });
  await Promise.race([server.shutdown(), late]);
  clearTimeout(timer);
}
