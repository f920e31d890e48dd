/**
 * The writer's images before a judge of others: erofs-utils, which reads an
 * image wholly and unpacks it.
 */

import assert from "node:assert/strict";
import { execute } from "../../lib/exec.ts";
import { tmpFolder } from "../testing.ts";
import { BUILD_TIME, flatten, writeSample } from "./testing_tree.ts";
import { ErofsWriter } from "./writer.ts";

const IS_ROOT = Deno.uid() === 0;
const NOBODY = 65_534;
const HOLE_BYTES = 65_536;

/** Bytes of names that are no UTF-8, which Deno could not name a file by. */
const NO_UTF8 = /[\x80-\xff]/;

async function unpack(folder: string, asRoot: boolean): Promise<void> {
  const image = `${folder}/image`;
  await using writer = await ErofsWriter.open(image);
  const { root, contents } = await writeSample(writer, { devices: asRoot });
  await writer.finish(root, { mtime: BUILD_TIME, uuid: new Uint8Array(16) });
  const out = `${folder}/out`;
  const command = ["fsck.erofs", `--extract=${out}/tree`, image];
  await Deno.mkdir(out);
  if (IS_ROOT && !asRoot) {
    await Deno.chmod(folder, 0o755);
    await Deno.chmod(image, 0o644);
    await Deno.chown(out, NOBODY, NOBODY);
    command.unshift(
      "setpriv",
      `--reuid=${NOBODY}`,
      `--regid=${NOBODY}`,
      "--clear-groups",
    );
  }
  const [program = "", ...args] = command;
  const { status, stdout, stderr } = await execute(program, args);
  assert.equal(status, 0, stdout + stderr);
  for (const [path, node] of flatten(root)) {
    if (NO_UTF8.test(path)) continue;
    const found = await Deno.lstat(`${out}/tree${path}`);
    assert.equal(found.isDirectory, node.kind === "directory", path);
    if (node.kind === "symlink") {
      const target = await Deno.readLink(`${out}/tree${path}`);
      assert.equal(target, node.target, path);
    }
    if (asRoot) {
      assert.deepEqual([found.uid, found.gid], [node.uid, node.gid], path);
      if (node.kind !== "symlink") {
        // It sets the owner last, which takes setuid and setgid away again.
        assert.equal((found.mode ?? 0) & 0o1777, node.mode & 0o1777, path);
      }
    }
    if (node.kind !== "file") continue;
    const content = await Deno.readFile(`${out}/tree${path}`);
    const expected = contents.get(node.data) ?? new Uint8Array(0);
    const asWritten = [expected, withoutHoles(expected)];
    assert.ok(
      asWritten.some((each) => Buffer.from(content).equals(each)),
      path,
    );
  }
}

/** Version 1.5 of erofs-utils leaves a file's holes out where it unpacks it. */
function withoutHoles(content: Uint8Array): Uint8Array {
  const kept: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += HOLE_BYTES) {
    const chunk = content.subarray(at, at + HOLE_BYTES);
    if (chunk.some((byte) => byte !== 0)) kept.push(chunk);
  }
  return Buffer.concat(kept);
}

Deno.test("fsck.erofs unpacks an image, for an ordinary user and for root", async (t) => {
  for (const asRoot of IS_ROOT ? [false, true] : [false]) {
    await t.step(asRoot ? "with owners and devices" : "as nobody", async () => {
      await using folder = await tmpFolder();
      await unpack(folder.path, asRoot);
    });
  }
});
