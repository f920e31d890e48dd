/**
 * That the packer's last step can be repeated.
 *
 * @module
 */

import assert from "node:assert/strict";
import { linkNames } from "./pack.ts";

Deno.test("names are linked again, also after a pack that was killed there", async () => {
  const dir = await Deno.makeTempDir({ prefix: "volant-pack-" });
  try {
    await Deno.symlink("volant", `${dir}/volantd.new`);
    await linkNames(`${dir}/volant`);
    await linkNames(`${dir}/volant`);
    const names = await Array.fromAsync(Deno.readDir(dir));
    assert.deepEqual(
      names.map(({ name }) => name).sort(),
      ["fledge", "kestrel", "volantd", "volar"],
    );
    assert.equal(await Deno.readLink(`${dir}/volantd`), "volant");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
