import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import { findQemu } from "./qemu.ts";

Deno.test("findQemu() refuses one that is too old", async () => {
  const folder = await Deno.makeTempDir();
  const before = Deno.env.get("VOLANT_QEMU");
  const say = async (version: string) => {
    const script = `#!/bin/sh\necho "QEMU emulator version ${version}"\n`;
    await Deno.writeTextFile(`${folder}/qemu`, script, { mode: 0o755 });
  };
  Deno.env.set("VOLANT_QEMU", `${folder}/qemu`);
  try {
    await say("7.2.0");
    assert.equal((await findQemu()).version, "7.2.0");
    await say("6.2.0 (Debian 1:6.2)");
    await assert.rejects(findQemu(), (error) => {
      assert.ok(error instanceof Fault);
      assert.equal(error.code, "hypervisor-unavailable");
      assert.match(error.message, /version 6\.2\.0, older than 7\.2/);
      return true;
    });
  } finally {
    if (before === undefined) Deno.env.delete("VOLANT_QEMU");
    else Deno.env.set("VOLANT_QEMU", before);
    await Deno.remove(folder, { recursive: true });
  }
});
