/**
 * The network modes, by name.
 *
 * @module
 */

import type { Network, NetworkLease } from "./network.ts";
import { noNetwork } from "./none.ts";
import { userNetwork, type UserNetworkOptions } from "./user.ts";

export type Networks = Readonly<Record<NetworkLease["mode"], Network>>;

export function networks(options: UserNetworkOptions): Networks {
  return {
    user: userNetwork(options),
    none: noNetwork,
  };
}
