/**
 * What the use-cases of VMs are given by the composition root.
 *
 * @module
 */

import type { Folders } from "../../lib/folders.ts";
import type { Logger } from "../../lib/log.ts";
import type { NetworkMode } from "../../manifest/manifest.ts";
import type { ArtifactStore } from "../artifacts/artifact_store.ts";
import type { EventBus } from "../events/event_bus.ts";
import type { Hypervisor } from "../hypervisors/hypervisor.ts";
import type { Networks } from "../networks/registry.ts";
import type { VmStore } from "../store/vms.ts";

export interface VmDeps {
  readonly vms: VmStore;
  readonly artifacts: ArtifactStore;
  readonly events: EventBus;
  readonly hypervisor: Hypervisor;
  readonly networks: Networks;
  readonly folders: Folders;
  readonly kernels: {
    /** For guests that bring their own file system as initramfs. */
    readonly initramfs: string;
    /** With the shim inside, for guests with a root disk. */
    readonly rootfs: string;
  };
  /** Whether a VM or a plugin names the artifact of that digest. */
  readonly isArtifactUsed: (digest: string) => boolean;
  /** For VMs that ask for none. */
  readonly defaultNetwork: NetworkMode;
  /** Memory the host could give now, in MiB. */
  readonly availableMemoryMib: () => Promise<number>;
  /** First of the ids VMMs run as, one per VM; undefined: as the daemon. */
  readonly uidBase: number | undefined;
  readonly log: Logger;
}
