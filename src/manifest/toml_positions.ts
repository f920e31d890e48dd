/**
 * Where in a TOML text each key stands. The TOML parser gives values without
 * places; an error about a value should name its line. The text is one that
 * the parser accepted, so this scan only follows brackets, quotes and comments
 * and leaves all judgement to the parser.
 *
 * @module
 */

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Path of a key -> where the key is written. */
export function tomlPositions(text: string): TomlPositions {
  return new TomlPositions(text);
}

export class TomlPositions {
  readonly #text: string;
  readonly #positions = new Map<string, number>();
  /** Elements seen so far of each array of tables. */
  readonly #arrays = new Map<string, number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#scanDocument();
  }

  /** The place of the key at `path`, or of the nearest one above it. */
  find(path: readonly PropertyKey[]): Position | undefined {
    for (let length = path.length; length > 0; length--) {
      const offset = this.#positions.get(keyOf(path.slice(0, length)));
      if (offset !== undefined) return positionAt(this.#text, offset);
    }
    return undefined;
  }

  #scanDocument(): void {
    let table: PropertyKey[] = [];
    for (;;) {
      this.#skipBlank(true);
      if (this.#at >= this.#text.length) return;
      if (this.#text.startsWith("[[", this.#at)) {
        table = this.#scanArrayHeader();
      } else if (this.#text[this.#at] === "[") {
        table = this.#scanHeader();
      } else {
        this.#scanPair(table);
      }
    }
  }

  #scanHeader(): PropertyKey[] {
    this.#at += 1;
    const path = this.#scanKey([]);
    this.#at += 1;
    return path;
  }

  #scanArrayHeader(): PropertyKey[] {
    const start = this.#at;
    this.#at += 2;
    const path = this.#scanKey([]);
    this.#at += 2;
    const index = this.#arrays.get(keyOf(path)) ?? 0;
    this.#arrays.set(keyOf(path), index + 1);
    const element = [...path, index];
    this.#positions.set(keyOf(element), start);
    return element;
  }

  #scanPair(table: readonly PropertyKey[]): void {
    const path = this.#scanKey(table);
    this.#skipBlank(false);
    this.#at += 1; // the '='
    this.#skipBlank(false);
    this.#scanValue(path);
  }

  /** Reads a dotted key below `table`; a name of an array means its last element. */
  #scanKey(table: readonly PropertyKey[]): PropertyKey[] {
    let path = [...table];
    for (;;) {
      this.#skipBlank(false);
      const start = this.#at;
      const name = this.#scanName();
      const isLastElement = path.length > 0 && this.#arrays.has(keyOf(path));
      if (isLastElement) {
        path = [...path, (this.#arrays.get(keyOf(path)) ?? 1) - 1];
      }
      path = [...path, name];
      const key = keyOf(path);
      if (!this.#positions.has(key)) this.#positions.set(key, start);
      this.#skipBlank(false);
      if (this.#text[this.#at] !== ".") return path;
      this.#at += 1;
    }
  }

  #scanName(): string {
    const quote = this.#text[this.#at];
    if (quote === '"' || quote === "'") {
      const start = this.#at;
      this.#skipString();
      const body = this.#text.slice(start + 1, this.#at - 1);
      return quote === '"' && body.includes("\\") ? unescaped(body) : body;
    }
    const start = this.#at;
    while (/[A-Za-z0-9_-]/.test(this.#text[this.#at] ?? "")) this.#at += 1;
    // A character no key holds must not stop the scan for ever.
    if (this.#at === start) this.#at += 1;
    return this.#text.slice(start, this.#at);
  }

  #scanValue(path: readonly PropertyKey[]): void {
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") return this.#skipString();
    if (first === "[") return this.#scanArray(path);
    if (first === "{") return this.#scanInlineTable(path);
    while (/[^\s,\]}#]/.test(this.#text[this.#at] ?? "\n")) this.#at += 1;
  }

  #scanArray(path: readonly PropertyKey[]): void {
    this.#at += 1;
    for (let index = 0;; index++) {
      this.#skipBlank(true);
      if (this.#atEndOf("]")) return;
      this.#positions.set(keyOf([...path, index]), this.#at);
      this.#scanValue([...path, index]);
      this.#skipBlank(true);
      if (this.#text[this.#at] === ",") this.#at += 1;
    }
  }

  #scanInlineTable(path: readonly PropertyKey[]): void {
    this.#at += 1;
    for (;;) {
      this.#skipBlank(true);
      if (this.#atEndOf("}")) return;
      this.#scanPair(path);
      this.#skipBlank(true);
      if (this.#text[this.#at] === ",") this.#at += 1;
    }
  }

  #atEndOf(bracket: string): boolean {
    if (this.#at >= this.#text.length) return true;
    if (this.#text[this.#at] !== bracket) return false;
    this.#at += 1;
    return true;
  }

  #skipString(): void {
    const quote = this.#text[this.#at] ?? "";
    const isLong = this.#text.startsWith(quote.repeat(3), this.#at);
    const end = isLong ? quote.repeat(3) : quote;
    this.#at += end.length;
    while (this.#at < this.#text.length) {
      if (quote === '"' && this.#text[this.#at] === "\\") {
        this.#at += 2;
      } else if (this.#text.startsWith(end, this.#at)) {
        this.#at += end.length;
        break;
      } else {
        this.#at += 1;
      }
    }
    // A long string may end in up to five quotes; the first two are its own.
    while (isLong && this.#text[this.#at] === quote) this.#at += 1;
  }

  #skipBlank(acrossLines: boolean): void {
    for (;;) {
      const character = this.#text[this.#at];
      if (character === " " || character === "\t") this.#at += 1;
      else if (acrossLines && (character === "\n" || character === "\r")) {
        this.#at += 1;
      } else if (acrossLines && character === "#") {
        const end = this.#text.indexOf("\n", this.#at);
        this.#at = end < 0 ? this.#text.length : end;
      } else return;
    }
  }
}

function keyOf(path: readonly PropertyKey[]): string {
  return JSON.stringify(path);
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  return {
    line: before.split("\n").length,
    column: offset - lineStart + 1,
  };
}

function unescaped(body: string): string {
  try {
    return JSON.parse(`"${body}"`);
  } catch {
    // An escape only TOML has: the name is then found as it is written.
    return body;
  }
}
