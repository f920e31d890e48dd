import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import { parseFledgeToml } from "./fledge_toml.ts";

const HEAD = 'version = "1"\nstrategy = "initramfs"\n';
const HEX = "ab".repeat(32);

function refusal(text: string): Fault {
  try {
    parseFledgeToml(text, "fledge.toml");
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.code, "invalid-manifest");
    return error;
  }
  assert.fail(`nothing was thrown for ${text}`);
}

Deno.test("the smallest fledge.toml is a recipe", () => {
  const recipe = parseFledgeToml(HEAD, "fledge.toml");
  assert.deepEqual(recipe.init, { kind: "shim" });
  assert.deepEqual(recipe.mappings, []);
  assert.equal(recipe.busybox, undefined);
  assert.equal(recipe.resolveLibs, false);
});

Deno.test("a fledge.toml of the original is accepted", () => {
  const recipe = parseFledgeToml(
    `${HEAD}
[agent]
source_strategy = "release"
version = "latest"

[source]
busybox_url = "https://example.org/busybox"
busybox_sha256 = "${HEX}"

[filesystem]
type = "squashfs"
size_buffer_mb = 0
preallocate = false
compression_level = 15
overlay_size = "1G"

[mappings]
"payload/app" = "/usr/bin/app"
"conf" = "/etc/app/"
`,
    "fledge.toml",
  );
  assert.deepEqual(recipe.busybox, {
    url: "https://example.org/busybox",
    checksum: `sha256:${HEX}`,
  });
  assert.deepEqual(recipe.mappings, [
    { source: "payload/app", dst: "/usr/bin/app", uid: 0, gid: 0 },
    { source: "conf", dst: "/etc/app/", uid: 0, gid: 0 },
  ]);
  assert.match(recipe.unused[0] ?? "", /\[agent\] has no effect/);
});

Deno.test("a mapping may say mode and owner", () => {
  const recipe = parseFledgeToml(
    `${HEAD}[mappings]\n"a" = { dst = "/a", mode = "0750", uid = 5, gid = 6 }\n`,
    "fledge.toml",
  );
  assert.deepEqual(recipe.mappings, [
    { source: "a", dst: "/a", mode: 0o750, uid: 5, gid: 6 },
  ]);
});

Deno.test("the original's busybox is filled in as a pair", () => {
  const { busybox } = parseFledgeToml(
    `${HEAD}[source]\nbusybox = true\n`,
    "fledge.toml",
  );
  assert.ok(busybox !== undefined && "url" in busybox);
  assert.match(busybox.url, /^https:\/\/.*1\.35\.0/);
  assert.match(busybox.checksum, /^sha256:6e123e7f/);
});

Deno.test("an own init is a program or none", () => {
  const init = (text: string) =>
    parseFledgeToml(`${HEAD}[init]\n${text}\n`, "fledge.toml").init;
  assert.deepEqual(init('path = "my-init"'), {
    kind: "custom",
    path: "my-init",
  });
  assert.deepEqual(init("none = true"), { kind: "none" });
  assert.deepEqual(init(""), { kind: "shim" });
});

Deno.test("each refusal names line, column and key", () => {
  const cases: [text: string, sentence: RegExp, hint?: RegExp][] = [
    ["", /version is missing/],
    ["version = 1\n", /line 1, column 1: version is 1, not "1"/],
    ['version = "1"\nstrategy = "docker"\n', /line 2, column 1: strategy is/],
    [
      `${HEAD}resolve_lib = true\n`,
      /line 3, column 1: resolve_lib is not a known key/,
      /Did you mean resolve_libs\?/,
    ],
    [
      `${HEAD}[source]\n  busybox_ulr = "x"\n`,
      /line 4, column 3: source\.busybox_ulr is not a known key/,
      /Did you mean source\.busybox_url\?/,
    ],
    [`${HEAD}[mapping]\n`, /mapping is not a known key/, /mean mappings\?/],
    [`${HEAD}[mappings]\n"a" = "b"\n`, /line 4, column 1: .*not an absolute/],
    [`${HEAD}[mappings]\na = "/../b"\n`, /contains '\.\.'/],
    [`${HEAD}[mappings]\na = {}\n`, /mappings\.a\.dst is missing/],
    [`${HEAD}[mappings]\na = { dst = "/a", mode = 755 }\n`, /mode is the num/],
    [`${HEAD}[mappings]\na = { dst = "/a", mode = "799" }\n`, /octal digits/],
    [`${HEAD}[mappings]\na = { dst = "/a", owner = 1 }\n`, /owner is not a kn/],
    [`${HEAD}[init]\nnone = true\npath = "x"\n`, /init\.none is true although/],
    [`${HEAD}[init]\nnone = true\n[agent]\n`, /agent does not go with/],
    [`${HEAD}[agent]\nsource_strategy = "http"\n`, /agent\.url is missing/],
    [
      `${HEAD}[source]\nbusybox_url = "https://x/y"\n`,
      /busybox_sha256 is missing/,
    ],
    [`${HEAD}[source]\nbusybox_sha256 = "${HEX}"\n`, /but no busybox is/],
    [
      `${HEAD}[source]\nbusybox_path = "/b"\nbusybox = true\n`,
      /busybox is set although source\.busybox_path/,
    ],
    [
      `${HEAD}[source]\nimage = "a"\ndockerfile = "b"\n`,
      /dockerfile is set although/,
    ],
    [
      'version = "1"\nstrategy = "oci_rootfs"\n',
      /source\.image is missing/,
    ],
    [`${HEAD}[filesystem]\ncompression = "xz"\n`, /compression is "xz", not/],
    [`${HEAD}[mappings\n`, /line 3, column \d+: /],
  ];
  for (const [text, sentence, hint] of cases) {
    const fault = refusal(text);
    assert.match(fault.message, /^Cannot read "fledge\.toml": /);
    assert.match(fault.message, sentence, text);
    if (hint !== undefined) assert.match(fault.hint ?? "", hint);
  }
});
