/**
 * Bytes that are not those a digest or size names, as a registry sent them.
 *
 * @module
 */

import { ImageProblem } from "../image_problem.ts";

export function wrongBytes(reason: string): ImageProblem {
  return new ImageProblem("checksum-mismatch", reason, {
    hint:
      "Try again; if it stays so, the registry, or a proxy before it, is broken",
  });
}
