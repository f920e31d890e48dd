/**
 * No network at all: the guest has only its loopback device.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import { refuseAddress } from "./lease_request.ts";
import type { Network } from "./network.ts";

export const noNetwork: Network = {
  mode: "none",

  // deno-lint-ignore require-await -- a fault is a rejection
  async lease(request) {
    const { vmName, publish } = request;
    refuseAddress(request, "none");
    const [first] = publish;
    if (first === undefined) return { mode: "none", ip: "", mac: "", publish };
    throw new Fault(
      "not-supported",
      `Cannot publish port ${first.port} of VM "${vmName}": its network mode is "none"`,
      { hint: "Use --network user, or leave the port out" },
    );
  },

  release() {},

  attach: () => Promise.resolve({}),

  detach: () => Promise.resolve(),

  reconcile: () => Promise.resolve(),

  reach: () => undefined,
};
