/**
 * The files of a log that is rotated while it is read, oldest first.
 *
 * A rotation renames them, so a file is known by its inode: the open one is
 * looked for under all names, and what follows it is the next that is newer.
 *
 * @module
 */

/** Rotated files are `NAME.1` (newest) to `NAME.9`. */
const ROTATED_MAX = 9;
/** How often a look at the names may fall into the middle of a rotation. */
const LOOKS = 20;

/** Inodes by number; index 0 is the file that is written. */
type Inodes = readonly (number | undefined)[];

/** Whether there is a newer file, and whether others between are gone. */
export type Newer = "none" | "next" | "after-a-gap";

export class RotatedFiles implements Disposable {
  readonly #path: string;
  #open: Deno.FsFile | undefined;
  #next: Deno.FsFile | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** What is being read; undefined before the first. */
  get open(): Deno.FsFile | undefined {
    return this.#open;
  }

  /** Goes to the newer file that was found. */
  goOn(): void {
    this.#open?.close();
    this.#open = this.#next;
    this.#next = undefined;
  }

  [Symbol.dispose](): void {
    this.#open?.close();
    this.#next?.close();
  }

  /**
   * Finds the file to read after the open one; before the first, the oldest.
   * None if the open one is the newest, or a rotation hides the order just now.
   */
  async newer(): Promise<Newer> {
    const own = (await this.#open?.stat())?.ino ?? undefined;
    if (own !== undefined && own === await this.#inode(0)) return "none";
    let before: Inodes = [];
    for (let look = 0; look < LOOKS; look++) {
      const inodes = await this.#inodes();
      if (!isSame(before, inodes)) {
        before = inodes;
        continue;
      }
      const at = own === undefined ? -1 : inodes.indexOf(own);
      const next = inodes.findLastIndex((inode, number) =>
        inode !== undefined && (at < 0 || number < at)
      );
      if (next < 0) return "none";
      const file = await openIfThere(this.#name(next));
      if (file === undefined) continue;
      if ((await file.stat()).ino === inodes[next]) {
        this.#next = file;
        return own !== undefined && at < 0 ? "after-a-gap" : "next";
      }
      file.close();
    }
    return "none";
  }

  async #inodes(): Promise<Inodes> {
    const inodes: (number | undefined)[] = [];
    for (let number = 0; number <= ROTATED_MAX; number++) {
      inodes.push(await this.#inode(number));
    }
    return inodes;
  }

  async #inode(number: number): Promise<number | undefined> {
    const info = await Deno.stat(this.#name(number)).catch(() => undefined);
    return info?.ino ?? undefined;
  }

  #name(number: number): string {
    return number === 0 ? this.#path : `${this.#path}.${number}`;
  }
}

function isSame(one: Inodes, other: Inodes): boolean {
  return one.length === other.length &&
    one.every((inode, number) => inode === other[number]);
}

async function openIfThere(path: string): Promise<Deno.FsFile | undefined> {
  try {
    return await Deno.open(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
