/**
 * What a server says in `WWW-Authenticate`: ways to authorize, each with its
 * parameters (RFC 9110, section 11.6.1). Several may stand in one header.
 *
 * @module
 */

export interface Challenge {
  /** In small letters: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in small letters. */
  readonly parameters: Readonly<Record<string, string>>;
}

const HEADER_CHARACTERS_MAX = 8192;

/** A parameter, or the scheme that a new challenge begins with. */
const PIECE_REGEXP =
  /\s*,?\s*(?:([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))|([\w!#$%&'*+.^`|~-]+))/gy;

export function parseChallenges(header: string): Challenge[] {
  const found: { scheme: string; parameters: Record<string, string> }[] = [];
  const text = header.slice(0, HEADER_CHARACTERS_MAX);
  for (const piece of text.matchAll(PIECE_REGEXP)) {
    const [, name, quoted, bare, scheme] = piece;
    if (scheme !== undefined) {
      found.push({ scheme: scheme.toLowerCase(), parameters: {} });
      continue;
    }
    const parameters = found.at(-1)?.parameters;
    if (name === undefined || parameters === undefined) continue;
    const value = quoted?.replaceAll(/\\(.)/g, "$1") ?? bare ?? "";
    parameters[name.toLowerCase()] ??= value;
  }
  return found;
}
