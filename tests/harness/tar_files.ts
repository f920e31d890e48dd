/**
 * The usual entries of a layer, in one word each.
 */

import type { TarFile } from "./tar.ts";

export const dir = (name: string, more: Partial<TarFile> = {}): TarFile => ({
  name,
  type: "5",
  ...more,
});
export const file = (name: string, content = name): TarFile => ({
  name,
  content,
});
export const symlink = (name: string, linkName: string): TarFile => ({
  name,
  type: "2",
  linkName,
  mode: 0o777,
});
export const link = (name: string, linkName: string): TarFile => ({
  name,
  type: "1",
  linkName,
});
