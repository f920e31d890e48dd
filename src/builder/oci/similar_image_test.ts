import assert from "node:assert/strict";
import { tmpFolder } from "../testing.ts";
import { similarImage } from "./similar_image.ts";

Deno.test("a layout or archive of nearly that name is proposed", async () => {
  await using tmp = await tmpFolder();
  await tmp.file("tools/index.json", "{}");
  await tmp.file("nginx.tar", "");
  await tmp.file("greeter-1/index.json", "{}");
  await tmp.file("tolls/README", "no layout");
  const similar = (repository: string, tag = "latest") =>
    similarImage({ repository, tag }, tmp.path);
  assert.equal(await similar("library/tool"), "oci:./tools");
  assert.equal(await similar("library/nginx"), "./nginx.tar");
  assert.equal(await similar("team/greeter", "1"), "oci:./greeter-1");
  assert.equal(await similar("library/postgres"), undefined);
  assert.equal(
    await similarImage({ repository: "x", tag: "y" }, `${tmp.path}/none`),
    undefined,
  );
});
