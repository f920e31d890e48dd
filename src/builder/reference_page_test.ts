import assert from "node:assert/strict";
import { fledgeReferencePage } from "./reference_page.ts";

Deno.test("docs/reference/fledge.md is what the schema prints", async () => {
  const url = new URL("../../docs/reference/fledge.md", import.meta.url);
  assert.equal(await Deno.readTextFile(url), fledgeReferencePage());
});
