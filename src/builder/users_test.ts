import assert from "node:assert/strict";
import { RootTree } from "./tree.ts";
import { resolveUser } from "./users.ts";

function treeWithAccounts(): RootTree {
  const tree = new RootTree();
  const put = (path: string, text: string) =>
    tree.put(path, {
      kind: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      content: new TextEncoder().encode(text),
    });
  put("/etc/passwd", "root:x:0:0::/root:/bin/sh\nwww:x:33:34::/:/bin/false\n");
  put("/etc/group", "root:x:0:\nstaff:x:50:www\n");
  return tree;
}

Deno.test("users and groups become numbers", async () => {
  const tree = treeWithAccounts();
  const cases: [user: string | undefined, uid: number, gid: number][] = [
    [undefined, 0, 0],
    ["www", 33, 34],
    ["33", 33, 34],
    ["1000", 1000, 0],
    ["1000:1001", 1000, 1001],
    ["www:staff", 33, 50],
    ["5:staff", 5, 50],
  ];
  for (const [user, uid, gid] of cases) {
    assert.deepEqual(await resolveUser(tree, user), { uid, gid });
  }
});

Deno.test("an account whose numbers are none is refused, and never root", async () => {
  const accounts = new TextEncoder().encode(
    [
      "web:x::100::",
      "hex:x:0x10:100::",
      "space:x: 12:100::",
      "far:x:4294967295:100::",
      "group:x:5:::",
      "group16:x:6:0x10::",
      "short:x:7",
      "good:x:8:9::",
    ].join("\n"),
  );
  const tree = new RootTree();
  const file = { kind: "file", mode: 0o644, uid: 0, gid: 0 } as const;
  tree.put("/etc/passwd", { ...file, content: accounts });
  tree.put("/etc/group", {
    ...file,
    content: new TextEncoder().encode("empty:x::\nhex:x:0x10:\n"),
  });
  for (const user of ["web", "hex", "space", "far", "web:5"]) {
    await assert.rejects(
      resolveUser(tree, user),
      /user "[a-z]+".*passwd.*no valid number/,
    );
  }
  for (const user of ["group", "group16", "short", "5", "6"]) {
    await assert.rejects(
      resolveUser(tree, user),
      /user "[a-z0-9]+".*passwd.*no valid group/,
    );
  }
  for (const user of ["good:empty", "good:hex"]) {
    await assert.rejects(
      resolveUser(tree, user),
      /group "[a-z]+".*\/group.*no valid number/,
    );
  }
  assert.deepEqual(await resolveUser(tree, "good"), { uid: 8, gid: 9 });
  // A group that is given makes up for one that is missing.
  assert.deepEqual(await resolveUser(tree, "group:4"), { uid: 5, gid: 4 });
});

Deno.test("a user the artifact does not know is refused", async () => {
  const tree = treeWithAccounts();
  await assert.rejects(
    resolveUser(tree, "nginx"),
    /user "nginx".*\/etc\/passwd/,
  );
  await assert.rejects(
    resolveUser(tree, "www:wheel"),
    /group "wheel".*\/group/,
  );
  await assert.rejects(resolveUser(new RootTree(), "www"), /user "www"/);
});
