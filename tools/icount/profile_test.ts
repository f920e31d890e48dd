/**
 * The joining of a profile with a System.map.
 *
 * @module
 */

import assert from "node:assert/strict";
import { formatRows, parseSystemMap, tabulate } from "./profile.ts";

const MAP = `ffffffff80000200 T second
ffffffff80000100 t first
ffffffff80000180 d not_code
ffffffff80000300 W third
`;

Deno.test("functions are sorted by address and data is left out", () => {
  assert.deepEqual(parseSystemMap(MAP).names, ["first", "second", "third"]);
});

Deno.test("a block belongs to the function before it, and a call begins at its start", () => {
  const profile = [
    "ffffffff80000100 4 10 70",
    "ffffffff80000110 2 100 74",
    "ffffffff80000300 1 3 900",
    "401000 5 1000 990",
  ].join("\n");
  assert.deepEqual(tabulate(parseSystemMap(MAP), profile), [
    {
      name: "(outside of the kernel)",
      instructions: 5000,
      calls: 0,
      first: 990,
    },
    { name: "first", instructions: 240, calls: 10, first: 70 },
    { name: "third", instructions: 3, calls: 3, first: 900 },
  ]);
});

Deno.test("the table shows as many rows as asked for, and the sum of all", () => {
  const text = formatRows([
    { name: "a", instructions: 75, calls: 1, first: 0 },
    { name: "b", instructions: 25, calls: 2, first: 5 },
  ], 1);
  assert.match(text, /75 +75\.00 % +1 +0 a\n +100 in all$/);
});
