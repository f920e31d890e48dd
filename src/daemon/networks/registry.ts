/**
 * The network modes, by name.
 *
 * @module
 */

import { BridgedNetwork, type BridgedNetworkOptions } from "./bridged.ts";
import type { Network, NetworkLease } from "./network.ts";
import { noNetwork } from "./none.ts";
import { hostPrograms } from "./programs.ts";
import { userNetwork, type UserNetworkOptions } from "./user.ts";

export type Networks = Readonly<Record<NetworkLease["mode"], Network>>;

export function networks(
  options: UserNetworkOptions & Omit<BridgedNetworkOptions, "programs">,
): Networks {
  return {
    user: userNetwork(options),
    bridged: new BridgedNetwork({ ...options, programs: hostPrograms }),
    none: noNetwork,
  };
}
