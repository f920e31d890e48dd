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
