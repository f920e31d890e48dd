/**
 * Where the things under test lie: below build/, or where VOLANT_BUILD says.
 */

const ROOT = new URL("../../", import.meta.url).pathname;

/** Path of a built file; an error that names the target when it is missing. */
export function built(name: string): string {
  const folder = Deno.env.get("VOLANT_BUILD") ?? `${ROOT}build`;
  const path = `${folder}/${name}`;
  try {
    Deno.statSync(path);
  } catch (cause) {
    throw new Error(`"${path}" is not there: run \`make volant\``, { cause });
  }
  return path;
}

/** Path of a file of the source tree. */
export function source(name: string): string {
  return ROOT + name;
}
