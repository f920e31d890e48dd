/**
 * A disk that fails and a clock that jumps, for a daemon under test: see
 * `tests/fixtures/faults/faults.c` for the words.
 */

import assert from "node:assert/strict";
import { source } from "./built.ts";

/** As large as what the library maps. */
const CONTROL_SIZE = 4096;

export type FaultWord =
  | `readonly ${string}`
  | `full ${string}`
  | `io ${string}`
  | `sync ${string}`
  | `nolock ${string}`
  | `clock ${number}`;

export class Faults implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Compiles the library into a folder of its own. */
  static async make(): Promise<Faults> {
    const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "vfault-" });
    // VMMs that run as users of their own load it, too.
    await Deno.chmod(folder, 0o755);
    const faults = new Faults(folder);
    faults.clear();
    const { code, stderr } = await new Deno.Command("gcc", {
      args: [
        ..."-std=c17 -O2 -shared -fPIC -Wall -Wextra -Werror -Wconversion"
          .split(" "),
        source("tests/fixtures/faults/faults.c"),
        ...["-o", faults.#library],
      ],
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    return faults;
  }

  /** For the environment of the program that is to fail. */
  get env(): Readonly<Record<string, string>> {
    return { LD_PRELOAD: this.#library, VOLANT_TEST_FAULTS: this.#control };
  }

  /** Holds from now on, in place of what held before. */
  set(...words: readonly FaultWord[]): void {
    const text = words.map((word) => `${word}\n`).join("");
    assert.ok(text.length <= CONTROL_SIZE, "the words fit");
    // Over what is there: the file is mapped, and keeps its size and its inode.
    using file = Deno.openSync(this.#control, {
      write: true,
      create: true,
      mode: 0o644,
    });
    file.writeSync(new TextEncoder().encode(text.padEnd(CONTROL_SIZE, "\n")));
  }

  /** Nothing fails from now on. */
  clear(): void {
    this.set();
  }

  get #library(): string {
    return `${this.#folder}/faults.so`;
  }

  get #control(): string {
    return `${this.#folder}/control`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}
