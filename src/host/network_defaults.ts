/**
 * The bridged network, where nothing else is asked for.
 *
 * @module
 */

export const DEFAULT_SUBNET = "192.168.127.0/24";

export const DEFAULT_BRIDGE = "vbr0";
