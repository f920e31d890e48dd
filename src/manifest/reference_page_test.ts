import assert from "node:assert/strict";
import { type JsonSchema, manifestJsonSchema } from "./json_schema.ts";
import { manifestReferencePage } from "./reference_page.ts";

Deno.test("docs/reference/manifest.md is what the schema prints", async () => {
  const url = new URL("../../docs/reference/manifest.md", import.meta.url);
  assert.equal(await Deno.readTextFile(url), manifestReferencePage());
});

Deno.test("every key of the schema says what it means", () => {
  const silent: string[] = [];
  const visit = (node: JsonSchema, path: string) => {
    for (const [name, child] of Object.entries(node.properties ?? {})) {
      const key = `${path}${name}`;
      if (child.description === undefined) silent.push(key);
      visit(child, `${key}.`);
      visit(child.items ?? {}, `${key}[].`);
      if (typeof child.additionalProperties === "object") {
        visit(child.additionalProperties, `${key}.*.`);
      }
    }
  };
  visit(manifestJsonSchema(), "");
  assert.deepEqual(silent, []);
});
