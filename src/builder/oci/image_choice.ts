/**
 * Which of several images a tag or name means. An exact name comes first; the end
 * of one will do as long as it means one image only.
 *
 * @module
 */

import { Fault } from "../../lib/fault.ts";
import type { ImageReference } from "./reference.ts";

/** As many names as a message lists. */
const NAMES_MAX = 10;

/** The names that a tag means, the exact one alone if it is there. */
export function meantBy(tag: string, names: readonly string[]): string[] {
  if (names.includes(tag)) return [tag];
  return names.filter((name) =>
    name.endsWith(`/${tag}`) || name.endsWith(`:${tag}`)
  );
}

/** Those of `images` that a tag means: those with its exact name before others. */
export function imagesMeant<Image>(
  tag: string,
  images: readonly Image[],
  namesOf: (image: Image) => readonly string[],
): Image[] {
  const exact = images.filter((image) => namesOf(image).includes(tag));
  if (exact.length > 0) return exact;
  return images.filter((image) => meantBy(tag, namesOf(image)).length > 0);
}

/** Why none was chosen of `count` images; the hint lists their names. */
export function notChosen(
  { text, tag }: ImageReference,
  { meant, count, names }: {
    /** How many the tag means. */
    readonly meant: number;
    readonly count: number;
    readonly names: readonly string[];
  },
): Fault {
  const listed = [...new Set(names)].slice(0, NAMES_MAX).join(", ");
  return new Fault(
    "invalid-input",
    tag === undefined
      ? `Cannot choose from image "${text}": it holds ${count} images`
      : meant === 0
      ? `Cannot read image "${text}": it has no "${tag}"`
      : `Cannot choose from image "${text}": "${tag}" means several images`,
    { hint: `Add one of its names to the path: ${listed || "it has none"}` },
  );
}
