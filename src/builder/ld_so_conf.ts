/**
 * The folders that a host's /etc/ld.so.conf adds to where libraries are looked
 * for, `include` lines followed. The cache beside it is not read: its form is
 * glibc's own, and it tells nothing that the folders do not.
 *
 * @module
 */

const FILES_MAX = 256;

/** The folders in the order they are written; none where there is no such file. */
export async function configuredFolders(hostRoot: string): Promise<string[]> {
  const root = hostRoot === "/" ? "" : hostRoot;
  const folders = new Set<string>();
  const pending = [`${root}/etc/ld.so.conf`];
  const seen = new Set<string>();
  for (let file = pending.shift(); file; file = pending.shift()) {
    if (seen.has(file) || seen.size >= FILES_MAX) continue;
    seen.add(file);
    // Not every host has one: musl has no such file at all.
    const text = await Deno.readTextFile(file).catch(() => "");
    for (const line of text.split("\n")) {
      const words = line.replace(/#.*/, "").trim();
      const include = /^include\s+(.+)$/.exec(words)?.[1];
      if (include !== undefined) {
        pending.push(...await filesLike(root + absolute(include)));
      } else if (words.startsWith("/")) folders.add(words.replace(/\/+$/, ""));
    }
  }
  return [...folders];
}

function absolute(pattern: string): string {
  return pattern.startsWith("/") ? pattern : `/etc/${pattern}`;
}

/** Files that a pattern with `*` in its last name stands for, sorted. */
async function filesLike(pattern: string): Promise<string[]> {
  const slash = pattern.lastIndexOf("/");
  const folder = pattern.slice(0, slash);
  const parts = pattern.slice(slash + 1).split("*");
  const matcher = new RegExp(`^${parts.map(escaped).join(".*")}$`);
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      if (matcher.test(name)) names.push(`${folder}/${name}`);
    }
  } catch (error) {
    // An include that matches nothing is no error to the loader either.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}

function escaped(text: string): string {
  return text.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&");
}
