import assert from "node:assert/strict";
import { macAddress } from "./mac.ts";

Deno.test("macAddress() is what SHA-1 of name and address says", async () => {
  // printf 'web|192.168.127.2' | sha1sum
  assert.equal(
    await macAddress("web", "192.168.127.2"),
    "02:5f:48:b1:80:e7",
  );
});
