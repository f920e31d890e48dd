/**
 * A stranger's words, fit for a sentence of ours: one line, and not too long.
 *
 * @module
 */

export function plainWords(text: string, charactersMax: number): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ").trim();
  return line.length > charactersMax
    ? `${line.slice(0, charactersMax)}...`
    : line;
}
