import assert from "node:assert/strict";
import { tar } from "../../../tests/harness/tar.ts";
import { tmpFolder } from "../testing.ts";
import { findImage } from "./reference.ts";

const { signal } = new AbortController();

Deno.test("a reference names how, where and which", async () => {
  await using tmp = await tmpFolder();
  await tmp.file("lay:out/index.json", "{}");
  await tmp.file("a.tar", "");
  const cases: readonly (readonly [string, string, string, string?])[] = [
    ["oci:P/lay:out", "oci", "P/lay:out"],
    ["oci:P/lay:out:1.0", "oci", "P/lay:out", "1.0"],
    ["oci:P/lay:out:nginx:alpine", "oci", "P/lay:out", "nginx:alpine"],
    ["oci-archive:P/a.tar:x", "oci-archive", "P/a.tar", "x"],
    ["docker-archive:P/a.tar", "docker-archive", "P/a.tar"],
    ["P/lay:out", "oci", "P/lay:out"],
    ["P/lay:out:1.0", "oci", "P/lay:out", "1.0"],
  ];
  for (const [written, transport, path, tag] of cases) {
    const text = written.replace("P", tmp.path);
    assert.deepEqual(await findImage(text, signal), {
      text,
      transport,
      path: path.replace("P", tmp.path),
      tag,
    });
  }
});

Deno.test("a bare archive is of the kind its files tell", async () => {
  await using tmp = await tmpFolder();
  const archive = async (name: string, ...files: string[]) => {
    const bytes = tar(files.map((name) => ({ name })));
    await Deno.writeFile(`${tmp.path}/${name}`, bytes);
    return (await findImage(`${tmp.path}/${name}`, signal)).transport;
  };
  assert.equal(await archive("d.tar", "manifest.json"), "docker-archive");
  assert.equal(
    await archive("b.tar", "./index.json", "./oci-layout", "manifest.json"),
    "oci-archive",
  );
  await assert.rejects(archive("c.tar", "README"), {
    code: "invalid-input",
    message: /it is there, but holds no image/,
  });
});

Deno.test("what is not there is told with its path", async () => {
  const cases: readonly (readonly [string, string])[] = [
    ["oci:/no/such/folder:latest", "/no/such/folder"],
    ["docker-archive:no.tar", "no.tar"],
    ["./no/such", "./no/such"],
  ];
  for (const [text, path] of cases) {
    await assert.rejects(findImage(text, signal), {
      code: "file-not-found",
      message: `Cannot read image "${text}": "${path}" is not there`,
    });
  }
});

Deno.test("a name that is nothing on the disk is one of a registry", async () => {
  const digest = `sha256:${"0".repeat(64)}`;
  const cases: readonly (readonly [string, string])[] = [
    ["nginx:alpine", "library/nginx"],
    ["docker://registry.example/team/app:2", "team/app"],
    ["localhost:5000/a/b", "a/b"],
    [`redis@${digest}`, "library/redis"],
  ];
  for (const [text, repository] of cases) {
    const found = await findImage(text, signal);
    assert.ok(found.transport === "registry", text);
    assert.deepEqual([found.text, found.repository], [text, repository]);
  }
});

Deno.test("other words are refused, naming the forms there are", async () => {
  for (
    const text of ["", "oci:", "docker-daemon:nginx", "a:b:c", "a b", "dir:x"]
  ) {
    await assert.rejects(findImage(text, signal), {
      code: "invalid-input",
      message: /it names no file|it is not of a known form/,
      hint:
        /\[HOST\/\]NAME\[:TAG\] .*oci:DIR\[:TAG\], oci-archive:FILE\[:TAG\], docker-archive:FILE/,
    });
  }
});

Deno.test("capitals in a name are told", async () => {
  await assert.rejects(findImage("Nginx", signal), {
    code: "invalid-input",
    message: /names of images are in small letters/,
  });
});

Deno.test("a folder and a file are not taken for each other", async () => {
  await using tmp = await tmpFolder();
  const file = await tmp.file("a.tar", "");
  await assert.rejects(findImage(`oci:${file}`, signal), {
    message: /is not a folder/,
  });
  await assert.rejects(findImage(`oci-archive:${tmp.path}`, signal), {
    message: /is a folder/,
  });
});
