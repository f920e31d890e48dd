/**
 * Which addresses a URL of a manifest may lead to. A manifest is often
 * somebody else's, and the daemon is root: it must not be made to ask what only
 * this host can reach, such as its own services or a cloud's metadata. Other
 * machines of a private network may serve artifacts.
 *
 * Pure, but for the list of the host's own addresses, which is handed in.
 *
 * @module
 */

export interface AddressRules {
  readonly allowLoopback: boolean;
  /** Addresses of this host's interfaces. */
  readonly own: readonly string[];
}

type Block = readonly [bytes: readonly number[], bits: number, what: string];

const BLOCKS_4: readonly Block[] = [
  [[0, 0, 0, 0], 8, "no address of one host"],
  [[127, 0, 0, 0], 8, "this host itself"],
  [[169, 254, 0, 0], 16, "link-local"],
  // Metadata of clouds that use no link-local address for it.
  [[100, 100, 100, 200], 32, "a metadata service"],
  [[192, 0, 0, 192], 32, "a metadata service"],
  [[224, 0, 0, 0], 4, "multicast"],
  [[240, 0, 0, 0], 4, "reserved"],
];

const BLOCKS_6: readonly Block[] = [
  [bytes6("::"), 128, "no address of one host"],
  [bytes6("::1"), 128, "this host itself"],
  [bytes6("fe80::"), 10, "link-local"],
  [bytes6("fd00:ec2::254"), 128, "a metadata service"],
  [bytes6("ff00::"), 8, "multicast"],
];

/** Prefixes whose last four bytes are an IPv4 address: mapped, compatible, NAT64 (RFC 6052). */
const EMBEDDING = ["::ffff:0:0", "::", "64:ff9b::"].map(bytes6);

/** Why `address` may not be connected to; undefined if it may. */
export function whyRefused(
  address: string,
  { allowLoopback, own }: AddressRules,
): string | undefined {
  const bytes = bytesOf(address);
  if (bytes === undefined) return "no IP address";
  const blocks = bytes.length === 4 ? BLOCKS_4 : BLOCKS_6;
  const found = blocks.find(([prefix, bits]) => isIn(bytes, prefix, bits));
  const isOwn = own.some((each) => bytesOf(each)?.join() === bytes.join());
  const what = found?.[2] ?? (isOwn ? "this host itself" : undefined);
  return allowLoopback && what === "this host itself" ? undefined : what;
}

/** The bytes of an address; those of IPv4 for an IPv6 address that embeds one. */
function bytesOf(address: string): readonly number[] | undefined {
  const plain = address.replace(/%.*$/, "");
  if (/^\d+(?:\.\d+){3}$/.test(plain)) return plain.split(".").map(Number);
  if (!plain.includes(":") || !URL.canParse(`http://[${plain}]`)) {
    return undefined;
  }
  const bytes = bytes6(plain);
  const isSmall = bytes.slice(0, 15).every((byte) => byte === 0);
  const isEmbedding = EMBEDDING.some((prefix) => isIn(bytes, prefix, 96));
  return isEmbedding && !isSmall ? bytes.slice(12) : bytes;
}

/** The 16 bytes of an IPv6 address; the URL parser writes every form as one. */
function bytes6(address: string): number[] {
  const { hostname } = new URL(`http://[${address}]`);
  const [head = "", tail] = hostname.slice(1, -1).split("::");
  const words = (text: string) => text === "" ? [] : text.split(":");
  const first = words(head);
  const last = words(tail ?? "");
  const zeros = Array<string>(8 - first.length - last.length).fill("0");
  return [...first, ...zeros, ...last].flatMap((word) => {
    const value = parseInt(word, 16);
    return [value >> 8, value & 0xff];
  });
}

function isIn(
  bytes: readonly number[],
  prefix: readonly number[],
  bits: number,
): boolean {
  return prefix.every((want, index) => {
    const count = Math.min(8, Math.max(0, bits - 8 * index));
    const mask = (0xff << (8 - count)) & 0xff;
    return ((bytes[index] ?? 0) & mask) === (want & mask);
  });
}
