/**
 * The known word that an unknown one most likely was meant to be, for the
 * hint of an error.
 *
 * @module
 */

/** The nearest of `known` to `word`, or undefined when none is near. */
export function nearest(
  word: string,
  known: readonly string[],
): string | undefined {
  const plain = fold(word);
  const tolerated = Math.max(1, Math.floor(plain.length / 3));
  let best: { word: string; distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(plain, fold(candidate));
    if (distance > tolerated) continue;
    if (best === undefined || distance < best.distance) {
      best = { word: candidate, distance };
    }
  }
  return best?.word;
}

/** Case and the marks between words are what people mistake most. */
function fold(word: string): string {
  return word.toLowerCase().replaceAll(/[-_. ]/g, "");
}

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (isSame ? 0 : 1),
      );
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] &&
        a[i - 2] === b[j - 1];
      if (isSwap) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
