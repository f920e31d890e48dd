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
  const uid = isNumber(name) ? Number(name) : Number(account?.[2] ?? NaN);
  if (!isId(uid)) throw unknown("user", name, "/etc/passwd");
  if (group === undefined) {
    const primary = Number(account?.[3] ?? 0);
    return { uid, gid: isId(primary) ? primary : 0 };
  }
  const groups = isNumber(group) ? [] : await linesOf(tree, "/etc/group");
  const entry = groups.find((fields) => fields[0] === group);
  const gid = Number(isNumber(group) ? group : entry?.[2] ?? NaN);
  if (!isId(gid)) throw unknown("group", group, "/etc/group");
  return { uid, gid };
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

function isId(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 0xffff_ffff;
}

function unknown(what: string, name: string, file: string): Fault {
  return new Fault(
    "invalid-manifest",
    `Cannot use ${what} "${name}" of workload.user: the artifact's ${file} does not know it`,
    { hint: `Map an ${file} that has it, or write the number` },
  );
}
