/**
 * Keys in the schema's own case. The original's decoder took a key in any case;
 * here it is made the schema's where it can be no other: no second key of the
 * table would then be the same. Names of one's own (labels, variables,
 * actions) are left as they are.
 *
 * @module
 */

import type { JsonSchema } from "./json_schema.ts";

type Table = Record<string, unknown>;

/** Keys that `spellings.ts` reads although the schema has none, by section. */
const ALSO_READ: Readonly<Record<string, readonly string[]>> = {
  "": ["env"],
  ".initramfs": ["format"],
  ".network": ["subnet", "gateway", "auto_assign"],
};

/** A copy of `value` with the keys that `shape` knows in its spelling. */
export function inKnownCase(value: unknown, shape: JsonSchema): unknown {
  return spelled(value, shape, "");
}

function spelled(
  value: unknown,
  shape: JsonSchema | undefined,
  path: string,
): unknown {
  if (shape === undefined || typeof value !== "object" || value === null) {
    return value;
  }
  if (Array.isArray(value)) {
    return value.map((each) => spelled(each, shape.items, path));
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  return shape.properties === undefined
    ? spelledEntries(value as Table, shape.additionalProperties, path)
    : spelledKeys(value as Table, shape.properties, path);
}

/** A table of names of one's own: only what is below them has known keys. */
function spelledEntries(
  table: Table,
  entry: JsonSchema | boolean | undefined,
  path: string,
): unknown {
  if (typeof entry !== "object") return table;
  return Object.fromEntries(
    Object.entries(table).map(([name, value]) => [
      name,
      spelled(value, entry, `${path}.*`),
    ]),
  );
}

function spelledKeys(
  table: Table,
  properties: Readonly<Record<string, JsonSchema>>,
  path: string,
): unknown {
  const known = [...Object.keys(properties), ...ALSO_READ[path] ?? []];
  const written = Object.keys(table);
  const meant = (key: string) => {
    const same = (other: string) => other.toLowerCase() === key.toLowerCase();
    const isAlone = written.filter(same).length === 1;
    return isAlone ? known.find(same) ?? key : key;
  };
  return Object.fromEntries(
    Object.entries(table).map(([key, value]) => {
      const name = meant(key);
      const below = Object.hasOwn(properties, name)
        ? properties[name]
        : undefined;
      return [name, spelled(value, below, `${path}.${name}`)];
    }),
  );
}
