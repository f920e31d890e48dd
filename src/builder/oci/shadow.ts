/**
 * What upper layers hide of lower ones, as far as names alone tell. It may take
 * a file for visible that is not, and the other way round where symbolic links
 * are folders of a path: it saves writing, it does not decide.
 *
 * @module
 */

import type { LayerRecord } from "./layer_records.ts";

/** What is known of a path: it is taken, with all beneath it, or only that. */
type Hidden = "whole" | "beneath" | "itself";

export class Shadow {
  readonly #paths = new Map<string, Hidden>();

  /** Takes a record of a layer all of which has been read. */
  add(record: LayerRecord<unknown>): void {
    const { kind, path } = record;
    if (kind === "opaque") this.#set(path, "beneath");
    else if (kind === "directory") this.#set(path, "itself");
    else this.#paths.set(path, "whole");
  }

  /** Whether a file of a lower layer, at this path, is hidden. */
  hides(path: string): boolean {
    if (this.#paths.has(path) || this.#hidesBeneath("")) return true;
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
      if (this.#hidesBeneath(path.slice(0, at))) return true;
    }
    return false;
  }

  #set(path: string, hidden: "beneath" | "itself"): void {
    const known = this.#paths.get(path);
    if (known === undefined || known === "itself") {
      this.#paths.set(path, hidden);
    }
  }

  #hidesBeneath(path: string): boolean {
    const hidden = this.#paths.get(path);
    return hidden === "whole" || hidden === "beneath";
  }
}
