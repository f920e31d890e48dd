/**
 * Who the workload of an image runs as: USER of its config, looked up in the
 * image's own lists of users and groups by the rules of Docker.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { Fault } from "../../lib/fault.ts";

/** The files of an image that are looked into; binary strings. */
export interface UserFiles {
  readonly passwd: string;
  readonly group: string;
}

export interface ImageUser {
  readonly uid: number;
  readonly gid: number;
  /** Further groups that have the user as a member. */
  readonly groups: readonly number[];
  readonly home: string;
}

/** Whose lists are looked into, for the messages. */
export interface UserSource {
  readonly name: string;
  /** Whether the user was given by whoever runs the image, not by its config. */
  readonly isGiven?: boolean;
}

/** `name`, `uid`, `name:group` or `uid:gid`; empty is root. */
export function resolveImageUser(
  user: string,
  files: UserFiles,
  image: UserSource,
): ImageUser {
  const [userWord = "", groupWord = ""] = user.split(":", 2);
  const wanted = userWord === "" ? "0" : userWord;
  const entry = linesOf(files.passwd, 7).find((fields) =>
    fields[0] === wanted || fields[2] === wanted
  );
  const uid = idOf(entry?.[2]) ?? idOf(wanted);
  if (uid === undefined) {
    throw unknown("user", wanted, image, "/etc/passwd");
  }
  const home = entry?.[5] ?? "";
  const found = { uid, home: home.startsWith("/") ? home : "/" };
  if (groupWord !== "") {
    const gid = groupId(groupWord, files, image);
    return { ...found, gid, groups: [] };
  }
  const name = entry?.[0] ?? "";
  const gid = idOf(entry?.[3]) ?? 0;
  return { ...found, gid, groups: memberships(name, files).sort(byNumber) };
}

function groupId(
  word: string,
  { group }: UserFiles,
  image: UserSource,
): number {
  const entry = linesOf(group, 4).find((fields) =>
    fields[0] === word || fields[2] === word
  );
  const gid = idOf(entry?.[2]) ?? idOf(word);
  if (gid !== undefined) return gid;
  throw unknown("group", word, image, "/etc/group");
}

function memberships(name: string, { group }: UserFiles): number[] {
  if (name === "") return [];
  const ids = linesOf(group, 4).flatMap((fields) =>
    (fields[3] ?? "").split(",").includes(name) ? idOf(fields[2]) ?? [] : []
  );
  return [...new Set(ids)];
}

/** Lines with at least the third field; others are comments or damaged. */
function linesOf(text: string, fields: number): string[][] {
  return Buffer.from(text, "latin1").toString("utf8").split("\n")
    .map((line) => line.trim().split(":", fields))
    .filter((line) => line.length >= 3);
}

/** Not every text of digits is an id: the largest means "none". */
function idOf(field = ""): number | undefined {
  if (!/^[0-9]{1,10}$/.test(field)) return undefined;
  const value = Number(field);
  return value < 0xffff_ffff ? value : undefined;
}

function byNumber(a: number, b: number): number {
  return a - b;
}

function unknown(
  what: "user" | "group",
  word: string,
  { name, isGiven = false }: UserSource,
  file: string,
): Fault {
  return new Fault(
    isGiven ? "invalid-input" : "invalid-image",
    `Cannot run image "${name}" as ${what} "${word}": its ${file} does not know it`,
    {
      hint: isGiven
        ? `Give --user a ${what} of the image, or a number`
        : "Give another with --user, such as a number",
    },
  );
}
