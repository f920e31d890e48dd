import assert from "node:assert/strict";
import { parse } from "smol-toml";
import { tomlPositions } from "./toml_positions.ts";

const TEXT = `# a comment with [brackets] and "quotes"
name = "web" # [not a table]
"a.b" = '''
[looks.like]
a = "table"
'''
dotted.key . deep = 1

[table]
list = [
  "one", # a comment, with a comma
  { x = 1, "y z" = [2, 3] },
]
text = """
quote: \\""" and end"""""

[[items]]
port = 1
[items.sub]
a = 1
[[items]]
  port = 2
`;

Deno.test("each key of a TOML text is found at its line and column", () => {
  assert.ok(parse(TEXT), "the text is TOML");
  const positions = tomlPositions(TEXT);
  const places: [path: PropertyKey[], line: number, column: number][] = [
    [["name"], 2, 1],
    [["a.b"], 3, 1],
    [["dotted", "key", "deep"], 7, 14],
    [["table"], 9, 2],
    [["table", "list"], 10, 1],
    [["table", "list", 0], 11, 3],
    [["table", "list", 1, "x"], 12, 5],
    [["table", "list", 1, "y z"], 12, 12],
    [["table", "list", 1, "y z", 1], 12, 24],
    [["table", "text"], 14, 1],
    [["items", 0], 17, 1],
    [["items", 0, "port"], 18, 1],
    [["items", 0, "sub", "a"], 20, 1],
    [["items", 1, "port"], 22, 3],
  ];
  for (const [path, line, column] of places) {
    assert.deepEqual(positions.find(path), { line, column }, String(path));
  }
});

Deno.test("a key that is not there is found at the one above it", () => {
  const positions = tomlPositions(TEXT);
  assert.deepEqual(positions.find(["table", "nope", "x"]), {
    line: 9,
    column: 2,
  });
  assert.equal(positions.find(["nope"]), undefined);
  assert.equal(positions.find([]), undefined);
});

Deno.test("the scan ends on any text", () => {
  for (
    const text of ['a = "', "[", "[[", "a = [", "a = {", "=", "a = '''", "@"]
  ) {
    assert.equal(tomlPositions(text).find(["nope"]), undefined);
  }
});
