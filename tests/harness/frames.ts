/**
 * Frames as no honest kernel would send them, byte by byte.
 */

import assert from "node:assert/strict";
import { compileFixture } from "./fixtures.ts";
import type { Netns } from "./netns.ts";

/** Of IEEE 802.1D: a bridge keeps what is sent there to itself. */
export const LINK_LOCAL = "01:80:c2:00:00:0e";
export const EVERYBODY = "ff:ff:ff:ff:ff:ff";

type Bytes = readonly number[];

export interface Datagram {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
}

/** Sends a frame from an interface of a namespace. */
export async function sendFrame(
  netns: Netns,
  device: string,
  { to, from, content }: {
    readonly to: string;
    readonly from: string;
    readonly content: Bytes;
  },
): Promise<void> {
  const program = await compileFixture("network/frame.c");
  const frame = Uint8Array.from([...mac(to), ...mac(from), ...content]);
  await netns.run(program, device, frame.toHex());
}

/** The question who has `about`, by one who says that `ip` is at `sender`. */
export function arp(sender: string, ip: string, about: string): Bytes {
  return [
    ...[0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1],
    ...[...mac(sender), ...ipv4(ip), ...zeros(6), ...ipv4(about), ...zeros(18)],
  ];
}

/** Without content, and without a checksum of its own (RFC 768). */
export function udp({ from, fromPort, to, toPort }: Datagram): Bytes {
  const header = [
    ...[0x45, 0, ...word(28), ...word(1), 0, 0, 64, 17, 0, 0],
    ...[...ipv4(from), ...ipv4(to)],
  ];
  header.splice(10, 2, ...word(checksum(header)));
  const datagram = [...word(fromPort), ...word(toPort), ...word(8), 0, 0];
  return [0x08, 0x00, ...header, ...datagram, ...zeros(18)];
}

/** "I am your way to the Internet", by IPv6 (RFC 4861, 4.2). */
export function routerAdvertisement(): Bytes {
  const from = [0xfe, 0x80, ...zeros(13), 0x99];
  const allNodes = [0xff, 0x02, ...zeros(13), 0x01];
  const message = [134, 0, 0, 0, 64, 0, ...word(1800), ...zeros(8)];
  const pseudo = [...from, ...allNodes, ...zeros(3), message.length];
  const sum = checksum([...pseudo, ...zeros(3), 58, ...message]);
  message.splice(2, 2, ...word(sum));
  return [
    ...[0x86, 0xdd, 0x60, 0, 0, 0, ...word(message.length), 58, 255],
    ...[...from, ...allNodes, ...message],
  ];
}

/** LLDP, without content. */
export function lldp(): Bytes {
  return [0x88, 0xcc, ...zeros(46)];
}

function mac(text: string): Bytes {
  const bytes = text.split(":").map((byte) => Number.parseInt(byte, 16));
  assert.equal(bytes.length, 6, text);
  return bytes;
}

function ipv4(text: string): Bytes {
  return text.split(".").map(Number);
}

function word(value: number): Bytes {
  return [value >> 8, value & 0xff];
}

function zeros(count: number): Bytes {
  return Array.from({ length: count }, () => 0);
}

/** Of the Internet (RFC 1071), over an even number of bytes. */
function checksum(bytes: Bytes): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += ((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}
