/**
 * What is on a host, read from outside: processes, listening ports, TAP devices,
 * firewall elements and the rows of the database. No judgement: that is
 * `invariants.ts`.
 */

import { DatabaseSync } from "node:sqlite";
import type { Netns } from "./netns.ts";

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly state: string;
  readonly words: readonly string[];
}

/** All that run in a network namespace, zombies aside. */
export function processesIn({ pid }: Netns): Process[] {
  const net = Deno.readLinkSync(`/proc/${pid}/ns/net`);
  return allProcesses().filter((each) =>
    attempt(() => Deno.readLinkSync(`/proc/${each.pid}/ns/net`)) === net
  );
}

/** Of the whole host, zombies aside. */
export function allProcesses(): Process[] {
  const found: Process[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = attempt(() => Deno.readTextFileSync(`/proc/${name}/stat`));
    const words = attempt(() => Deno.readTextFileSync(`/proc/${name}/cmdline`));
    if (stat === undefined || words === undefined) continue;
    // proc(5): the name, in parentheses, may hold anything.
    const [state = "", parent] = stat.slice(stat.lastIndexOf(")") + 2)
      .split(" ");
    if (state === "Z" || state === "X") continue;
    found.push({
      pid: Number(name),
      parent: Number(parent),
      state,
      words: words.split("\0"),
    });
  }
  return found;
}

/** undefined where the thing went away while it was looked at. */
export function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** Ports that something listens on in the namespace, over TCP. */
export function listeningPorts({ pid }: Netns): number[] {
  // proc(5), /proc/net/tcp: the second word is address:port, the fourth the state.
  const lines = ["tcp", "tcp6"].flatMap((name) =>
    (attempt(() => Deno.readTextFileSync(`/proc/${pid}/net/${name}`)) ?? "")
      .split("\n")
  );
  return lines.flatMap((line) => {
    const [, local = "", , state] = line.trim().split(/\s+/);
    return state === "0A"
      ? [Number.parseInt(local.split(":").at(-1) ?? "", 16)]
      : [];
  });
}

/** Every element of every set and map of a bridge's tables, as one word each. */
export async function firewallElements(
  netns: Netns,
  bridge = "vbr0",
): Promise<string[]> {
  const { status, stdout } = await netns.try("nft", "-j", "list", "ruleset");
  if (status !== 0) return [];
  const { nftables } = JSON.parse(stdout);
  return nftables.flatMap(({ set, map }: Listed) => {
    const { family, table, name, elem } = set ?? map ?? {};
    if (table !== `volant_${bridge}` || elem === undefined) return [];
    return elem.map((each) => `${family} ${name} ${flat(each).join(" ")}`);
  }).sort();
}

interface Listed {
  readonly set?: ListedSet;
  readonly map?: ListedSet;
}

interface ListedSet {
  readonly family?: string;
  readonly table?: string;
  readonly name?: string;
  readonly elem?: readonly unknown[];
}

/** The leaves of what nft prints of an element. */
function flat(element: unknown): string[] {
  if (Array.isArray(element)) return element.flatMap(flat);
  if (typeof element === "object" && element !== null) {
    return Object.values(element).flatMap(flat);
  }
  return [String(element)];
}

export interface VmRow {
  readonly id: number;
  readonly name: string;
  readonly status: string;
  readonly deleting: boolean;
  readonly digests: readonly string[];
  /** Address it holds on the bridge; empty in the other modes. */
  readonly bridgedIp: string;
}

export interface Rows {
  readonly vms: readonly VmRow[];
  readonly leases: readonly { readonly ip: string; readonly vmId: number }[];
  /** Digests that plugins name. */
  readonly pluginDigests: readonly string[];
}

/**
 * Of a database that a daemon has open. A copy is read: what lies in another
 * mount namespace is out of SQLite's reach, and a reader must not be in the
 * writer's way. One taken in the middle of a write may be unreadable: look again.
 */
export function readRows(path: string): Rows {
  const folder = Deno.makeTempDirSync({ dir: "/tmp", prefix: "vrows-" });
  try {
    Deno.copyFileSync(path, `${folder}/copy.db`);
    attempt(() => Deno.copyFileSync(`${path}-wal`, `${folder}/copy.db-wal`));
    return rowsOf(`${folder}/copy.db`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function rowsOf(path: string): Rows {
  using database = new DatabaseSync(path);
  const all = (sql: string) => database.prepare(sql).all();
  return {
    vms: all("SELECT * FROM vms ORDER BY id").map((row) => {
      const lease = JSON.parse(String(row["lease"]));
      return {
        id: Number(row["id"]),
        name: String(row["name"]),
        status: String(row["status"]),
        deleting: row["deleting"] === 1,
        digests: digestsOf(row["artifacts"]),
        bridgedIp: lease.mode === "bridged" ? lease.ip : "",
      };
    }),
    leases: all("SELECT address, vm_id FROM leases").map((row) => ({
      ip: String(row["address"]),
      vmId: Number(row["vm_id"]),
    })),
    pluginDigests: all("SELECT artifacts FROM plugins")
      .flatMap(({ artifacts }) => digestsOf(artifacts)),
  };
}

function digestsOf(json: unknown): string[] {
  return Object.values(JSON.parse(String(json)) as Record<string, string>);
}
