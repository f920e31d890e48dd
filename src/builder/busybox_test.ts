import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { digest } from "../manifest/values.ts";
import { addBusybox } from "./busybox.ts";
import type { BusyboxSource } from "./fledge_toml.ts";
import { type TmpFolder, tmpFolder } from "./testing.ts";
import { RootTree } from "./tree.ts";

/** Head of a 64-bit ELF file without segments: a static program, to us. */
function staticProgram(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(64);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes[18] = 62;
  return bytes;
}

async function treeWith(
  folder: TmpFolder,
  source: BusyboxSource,
  tree = new RootTree(),
): Promise<RootTree> {
  await addBusybox(tree, {
    source,
    applets: ["sh", "ls"],
    base: folder.path,
    cacheDir: `${folder.path}/cache`,
    signal: new AbortController().signal,
  });
  return tree;
}

Deno.test("a local busybox comes with links, but takes no name that is taken", async () => {
  await using folder = await tmpFolder();
  await Deno.writeFile(`${folder.path}/bb`, staticProgram());
  const tree = new RootTree();
  const content = new Uint8Array([1]);
  tree.put("/bin/ls", { kind: "file", mode: 0o755, uid: 0, gid: 0, content });
  await treeWith(folder, { path: "bb" }, tree);
  const shell = tree.get("/bin/sh");
  assert.ok(shell?.kind === "symlink");
  assert.equal(shell.target, "busybox");
  assert.equal(tree.get("/bin/ls")?.kind, "file");
  assert.equal(tree.get("/bin/busybox")?.mode, 0o755);
});

Deno.test("a busybox that would not run is refused", async () => {
  await using folder = await tmpFolder();
  await folder.file("script", "#!/bin/sh\n");
  await assert.rejects(
    treeWith(folder, { path: "script" }),
    /it is not an ELF program/,
  );
  await assert.rejects(
    treeWith(folder, { path: Deno.execPath() }),
    /it is dynamically linked/,
  );
  await Deno.writeFile(`${folder.path}/bb`, staticProgram());
  await assert.rejects(
    treeWith(folder, { path: "bb", checksum: digest("0".repeat(64)) }),
    { name: "Fault", code: "checksum-mismatch" },
  );
});

Deno.test("a busybox is fetched once, checked, and never kept when wrong", async () => {
  await using folder = await tmpFolder();
  const program = staticProgram();
  let requests = 0;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      requests += 1;
      const isThere = new URL(request.url).pathname === "/busybox";
      return isThere
        ? new Response(program)
        : new Response("no such file", { status: 404 });
    },
  );
  const url = `http://127.0.0.1:${server.addr.port}/busybox`;
  const checksum = digest(createHash("sha256").update(program).digest("hex"));
  for (let round = 0; round < 2; round++) {
    const tree = await treeWith(folder, { url, checksum });
    assert.equal(tree.get("/bin/busybox")?.kind, "file");
  }
  assert.equal(requests, 1);
  const wrong = digest("0".repeat(64));
  await assert.rejects(treeWith(folder, { url, checksum: wrong }), {
    name: "Fault",
    code: "checksum-mismatch",
  });
  await assert.rejects(
    treeWith(folder, { url: `${url}-not`, checksum: wrong }),
    /the server answered 404/,
  );
  const kept = await Array.fromAsync(
    Deno.readDir(`${folder.path}/cache/downloads`),
  );
  assert.deepEqual(kept.map(({ name }) => name), [checksum.replace(":", "-")]);
});
