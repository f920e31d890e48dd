/**
 * No network at all: the guest has only its loopback device.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import type { Network } from "./network.ts";

export const noNetwork: Network = {
  mode: "none",

  lease(vmName, publish) {
    if (publish.length > 0) {
      return Promise.reject(
        new Fault(
          "not-supported",
          `Cannot publish port ${
            publish[0]?.port
          } of VM "${vmName}": its network mode is "none"`,
          { hint: "Use --network user, or leave the port out" },
        ),
      );
    }
    return Promise.resolve({ mode: "none", ip: "", mac: "", publish });
  },

  attach() {
    return Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() });
  },

  reach: () => undefined,
};
