/**
 * Who the workload runs as, in numbers. Names are looked up in the artifact's
 * own /etc/passwd and /etc/group, at build time, so that neither the shim nor
 * the daemon needs to look into it.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";
import { readHostText } from "./host_files.ts";
import type { RootTree } from "./tree.ts";

const UNKNOWN = "does not know it";

export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** The ids that `user` of a manifest means: `name`, `uid`, `name:group`, `uid:gid`. */
export async function resolveUser(
  tree: RootTree,
  user: string | undefined,
): Promise<Ids> {
  if (user === undefined) return { uid: 0, gid: 0 };
  const [name = "", group] = user.split(":");
  const accounts = await linesOf(tree, "/etc/passwd");
  const account = accounts.find((fields) =>
    isNumber(name) ? fields[2] === name : fields[0] === name
  );
  const userRefused = (problem: string) =>
    refusal("user", name, "/etc/passwd", problem);
  if (account === undefined && !isNumber(name)) throw userRefused(UNKNOWN);
  const uid = idOf(isNumber(name) ? name : account?.[2]);
  if (uid === undefined) throw userRefused("has no valid number for it");
  if (group !== undefined) return { uid, gid: await groupId(tree, group) };
  const gid = account === undefined ? 0 : idOf(account[3]);
  if (gid === undefined) throw userRefused("has no valid group for it");
  return { uid, gid };
}

async function groupId(tree: RootTree, group: string): Promise<number> {
  const groups = isNumber(group) ? [] : await linesOf(tree, "/etc/group");
  const entry = groups.find((fields) => fields[0] === group);
  const groupRefused = (problem: string) =>
    refusal("group", group, "/etc/group", problem);
  if (entry === undefined && !isNumber(group)) throw groupRefused(UNKNOWN);
  const gid = idOf(isNumber(group) ? group : entry?.[2]);
  if (gid === undefined) throw groupRefused("has no valid number for it");
  return gid;
}

async function linesOf(tree: RootTree, path: string): Promise<string[][]> {
  const entry = tree.get(tree.resolve(path));
  if (entry?.kind !== "file") return [];
  const text = entry.content instanceof Uint8Array
    ? new TextDecoder().decode(entry.content)
    : await readHostText(entry.content.path, `which is the guest's ${path}`);
  return text.split("\n").filter((line) => line !== "")
    .map((line) => line.split(":"));
}

function isNumber(text: string): boolean {
  return /^[0-9]+$/.test(text);
}

/**
 * The id a field spells. An empty or malformed field is none: `Number` would
 * make 0 of some, and the workload root.
 */
function idOf(field = ""): number | undefined {
  if (!isNumber(field)) return undefined;
  const value = Number(field);
  return value < 0xffff_ffff ? value : undefined;
}

function refusal(
  what: string,
  name: string,
  file: string,
  problem: string,
): Fault {
  return new Fault(
    "invalid-manifest",
    `Cannot use ${what} "${name}" of workload.user: the artifact's ${file} ${problem}`,
    { hint: `Map an ${file} that has it, or write the number` },
  );
}
