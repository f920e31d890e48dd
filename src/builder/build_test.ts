/**
 * Whole builds, from files to files, without a guest.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import { checkManifest, parseManifest } from "../manifest/parse.ts";
import { buildArtifact, type BuildOptions, type BuildResult } from "./build.ts";
import { filter, type TmpFolder, tmpFolder } from "./testing.ts";

const FLEDGE = `version = "1"
strategy = "initramfs"
[mappings]
"app" = "/usr/bin/app"
"site" = "/srv"
`;

const MANIFEST = `name = "Web.Shop"
version = "1"
[workload]
entrypoint = "/usr/bin/app"
args = ["", "two words"]
user = "nobody"
[workload.env]
SECRET = " s3cret "
`;

async function project(
  fledge = FLEDGE,
  manifest = MANIFEST,
): Promise<TmpFolder> {
  const folder = await tmpFolder();
  await folder.file("fledge.toml", fledge);
  await folder.file("manifest.toml", manifest);
  await folder.file("app", "#!/bin/sh\n", 0o755);
  await folder.file("shim", "the shim", 0o755);
  await folder.file("site/index.html", "<p>hello</p>\n");
  await folder.file("site/b/deep.txt", "deep");
  return folder;
}

function build(
  folder: TmpFolder,
  options: Partial<BuildOptions> = {},
): Promise<BuildResult> {
  return buildArtifact({
    configPath: `${folder.path}/fledge.toml`,
    outputPath: `${folder.path}/out/web.cpio`,
    shimPath: `${folder.path}/shim`,
    cacheDir: `${folder.path}/cache`,
    signal: new AbortController().signal,
    progress: () => {},
    ...options,
  });
}

async function outFolder(folder: TmpFolder): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(`${folder.path}/out`));
  return names.map(({ name }) => name).sort();
}

async function ready(...args: Parameters<typeof project>): Promise<TmpFolder> {
  const folder = await project(...args);
  await Deno.mkdir(`${folder.path}/out`);
  return folder;
}

async function contentOf(result: BuildResult, path: string): Promise<string> {
  const archive = await Deno.readFile(result.artifactPath);
  const bytes = await filter(
    "cpio",
    ["-i", "--to-stdout", "--quiet", path],
    archive,
  );
  return new TextDecoder().decode(bytes);
}

Deno.test("a build gives an artifact and a manifest that installs it", async () => {
  await using folder = await ready();
  const result = await build(folder);
  assert.deepEqual(await outFolder(folder), [
    "web.cpio",
    "web.cpio.manifest.json",
  ]);
  const text = await Deno.readTextFile(result.manifestPath);
  const manifest = parseManifest(text, { name: "it", format: "json" });
  assert.deepEqual(manifest, result.manifest);
  assert.equal(manifest.initramfs?.url, "web.cpio");
  assert.equal(manifest.initramfs?.checksum, result.digest);
  assert.equal(manifest.workload?.user, "65534:65534");
  assert.deepEqual(manifest.workload?.args, ["", "two words"]);
  const info = await Deno.stat(result.artifactPath);
  assert.equal(info.size, result.sizeBytes);
  assert.ok(result.files.includes("/srv/b/deep.txt"));
  assert.equal(await contentOf(result, "init"), "the shim");
});

Deno.test("the artifact holds a boot config of its own", async () => {
  await using folder = await ready();
  const config = await contentOf(await build(folder), "etc/volant/boot.conf");
  assert.ok(config.startsWith("VOLANTBC"));
  for (
    const record of [
      "hostname=web-shop",
      "\0arg=/usr/bin/app",
      "\0arg=",
      "\0arg=two words",
      "\0env=SECRET= s3cret ",
      "\0uid=65534",
      "\0gid=65534",
    ]
  ) assert.ok(config.includes(`${record}\0`), record);
});

for (const appMode of [0o775, 0o700]) {
  Deno.test(`the same input gives the same bytes elsewhere and later, programs at ${appMode.toString(8)}`, () =>
    sameBytesElsewhere(appMode));
}

async function sameBytesElsewhere(appMode: number): Promise<void> {
  await using one = await ready();
  await using two = await tmpFolder();
  // The same files, made in another order, of another age, under another umask.
  await Deno.mkdir(`${two.path}/out`);
  await Deno.mkdir(`${two.path}/site`, { mode: 0o700 });
  for (
    const name of [
      "site/b/deep.txt",
      "shim",
      "manifest.toml",
      "site/index.html",
      "app",
      "fledge.toml",
    ]
  ) {
    const text = await Deno.readTextFile(`${one.path}/${name}`);
    const mode = name === "app" || name === "shim" ? appMode : 0o660;
    const path = await two.file(name, text, mode);
    await Deno.utime(path, 1_000_000, 1_000_000);
  }
  const umask = Deno.umask(0o077);
  try {
    const first = await build(one);
    const second = await build(two);
    assert.equal(first.digest, second.digest);
    assert.deepEqual(
      await Deno.readFile(first.manifestPath),
      await Deno.readFile(second.manifestPath),
    );
  } finally {
    Deno.umask(umask);
  }
}

Deno.test("SOURCE_DATE_EPOCH is the time of every file", async () => {
  await using folder = await ready();
  const zero = await build(folder);
  const epoch = await build(folder, { sourceDateEpoch: "1700000000" });
  assert.notEqual(zero.digest, epoch.digest);
  await assert.rejects(
    build(folder, { sourceDateEpoch: "yesterday" }),
    /SOURCE_DATE_EPOCH "yesterday"/,
  );
});

Deno.test("the output's name, or a key, says how it is compressed", async () => {
  await using folder = await ready();
  const plain = await build(folder);
  const bytes = await Deno.readFile(plain.artifactPath);
  for (const [suffix, program] of [["gz", "gzip"], ["zst", "zstd"]] as const) {
    const outputPath = `${folder.path}/out/web.cpio.${suffix}`;
    const packed = await build(folder, { outputPath });
    const input = await Deno.readFile(packed.artifactPath);
    assert.deepEqual(await filter(program, ["-dc"], input), bytes);
  }
  await folder.file(
    "fledge.toml",
    `${FLEDGE}[filesystem]\ncompression = "lz4"\n`,
  );
  const packed = await build(folder);
  const input = await Deno.readFile(packed.artifactPath);
  assert.deepEqual(await filter("lz4", ["-dc"], input), bytes);
});

Deno.test("an init of one's own takes the shim's place", async () => {
  await using folder = await ready(
    FLEDGE.replace("[mappings]", '[init]\npath = "app"\n[mappings]'),
    'name = "own"\nversion = "1"\n[workload]\nentrypoint = "/x"\n',
  );
  const custom = await build(folder);
  assert.equal(await contentOf(custom, "init"), "#!/bin/sh\n");
  assert.ok(!custom.files.includes("/etc/volant/boot.conf"));
  assert.deepEqual(custom.manifest.init, { path: "/init" });

  const none = FLEDGE.replace("[mappings]", "[init]\nnone = true\n[mappings]");
  await folder.file("fledge.toml", none);
  await assert.rejects(build(folder), /no mapping leads to "\/init"/);
  await folder.file("fledge.toml", `${none}"shim" = "/init"\n`);
  const mapped = await build(folder);
  assert.deepEqual(mapped.manifest.init, { none: true });
  assert.equal(await contentOf(mapped, "init"), "the shim");
});

Deno.test("an init of one's own needs no workload", async () => {
  await using folder = await ready(
    `version = "1"\nstrategy = "initramfs"\n[init]\npath = "app"\n`,
    'name = "own"\nversion = "1"\n[init]\npath = "/init"\n',
  );
  const { manifest } = await build(folder);
  assert.equal(manifest.workload, undefined);
  assert.deepEqual(checkManifest(manifest, "it"), manifest);
});

Deno.test("a build that fails leaves nothing", async () => {
  const cases: [fledge: string, manifest: string, sentence: RegExp][] = [
    [`${FLEDGE}"nope" = "/a"\n`, MANIFEST, /\/nope", which a mapping names/],
    [`${FLEDGE}"app2 = 1`, MANIFEST, /line 6, column/],
    [FLEDGE, "name = 1\n", /manifest\.toml": line 1, column 1: name is/],
    [FLEDGE, MANIFEST.replace("nobody", "www"), /user "www"/],
    [`${FLEDGE}"shim" = "/init"\n`, MANIFEST, /the shim goes there/],
    [
      FLEDGE.replace("initramfs", "oci_rootfs") + '[source]\nimage = "a"\n',
      MANIFEST,
      /strategy "oci_rootfs": this version builds initramfs/,
    ],
    [
      `${FLEDGE}[source]\nimage = "a"\n`,
      MANIFEST,
      /Cannot build from source\.image/,
    ],
  ];
  for (const [fledge, manifest, sentence] of cases) {
    await using folder = await ready(fledge, manifest);
    await assert.rejects(build(folder), (error) => {
      assert.ok(error instanceof Fault, String(error));
      assert.match(error.message, sentence);
      assert.notEqual(error.code, "bug");
      return true;
    });
    assert.deepEqual(await outFolder(folder), []);
  }
});

Deno.test("a build that is broken off leaves nothing", async () => {
  await using folder = await ready();
  const controller = new AbortController();
  await assert.rejects(
    build(folder, {
      signal: controller.signal,
      progress: ({ kind }) => {
        if (kind === "bytes") controller.abort(new Error("broken off"));
      },
    }),
    /broken off/,
  );
  assert.deepEqual(await outFolder(folder), []);
});

Deno.test("what will not run is warned of", async () => {
  await using folder = await ready(
    `${FLEDGE}"${Deno.execPath()}" = "/usr/bin/deno"\n`,
    MANIFEST.replace("/usr/bin/app", "/usr/bin/nope"),
  );
  const { warnings } = await build(folder);
  assert.match(warnings[0] ?? "", /\/usr\/bin\/deno is dynamically linked/);
  assert.match(
    warnings[1] ?? "",
    /names \/usr\/bin\/nope, which is not mapped/,
  );
});

Deno.test("mapped files win over those that come by themselves", async () => {
  await using folder = await ready(
    `${FLEDGE}"etc" = "/etc"\n"usr" = "/usr"\n"lib" = "/lib"\n`,
  );
  await folder.file("etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:7:8::/:\n");
  await folder.file("usr/share/x", "x");
  await folder.file("lib/x", "x");
  await Deno.symlink("usr/sbin", `${folder.path}/sbin`);
  const result = await build(folder);
  assert.equal(result.manifest.workload?.user, "7:8");
  assert.match(await contentOf(result, "etc/passwd"), /nobody:x:7:8/);
});

Deno.test("the boot config goes where a mapped link to /etc leads", async () => {
  await using folder = await ready(`${FLEDGE}"root" = "/"\n`);
  await folder.file("root/usr/etc/passwd", "nobody:x:7:8::/:\n");
  await Deno.symlink("usr/etc", `${folder.path}/root/etc`);
  const { files } = await build(folder);
  assert.ok(files.includes("/usr/etc/volant/boot.conf"), files.join(" "));
});

Deno.test("a boot config that is mapped is left alone, also behind a link", async () => {
  await using folder = await ready(`${FLEDGE}"root" = "/"\n`);
  await folder.file("root/usr/etc/passwd", "nobody:x:7:8::/:\n");
  await folder.file("root/usr/etc/volant/boot.conf", "mine");
  await Deno.symlink("usr/etc", `${folder.path}/root/etc`);
  const result = await build(folder);
  assert.equal(await contentOf(result, "usr/etc/volant/boot.conf"), "mine");
});

Deno.test("a folder in the boot config's place is refused", async () => {
  await using folder = await ready(
    `${FLEDGE}"site/b" = "/etc/volant/boot.conf"\n`,
  );
  await assert.rejects(build(folder), /boot\.conf": a directory is there/);
});

/** Others of the same test run may be at work in this process. */
const NOISE = 256 * 1024 * 1024;

Deno.test("a file of 768 MiB is packed in the memory of a small one", async () => {
  await using folder = await ready(`${FLEDGE}"big" = "/big"\n`);
  const file = await Deno.create(`${folder.path}/big`);
  await file.truncate(3 * NOISE);
  file.close();
  const before = Deno.memoryUsage().rss;
  let peak = before;
  await build(folder, {
    progress: () => {
      peak = Math.max(peak, Deno.memoryUsage().rss);
    },
  });
  assert.ok(peak - before < NOISE, `grew by ${peak - before}`);
});
