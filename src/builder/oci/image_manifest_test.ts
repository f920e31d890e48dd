import assert from "node:assert/strict";
import { checkManifest } from "../../manifest/parse.ts";
import { imageManifest, type ImageOverrides } from "./image_manifest.ts";
import { imageNames } from "./image_names.ts";
import { configSchema } from "./image_schema.ts";
import { resolveImageUser } from "./image_users.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

const passwd = [
  "root:x:0:0:root:/root:/bin/sh",
  "# a comment",
  "broken:x",
  "www:x:33:34:www:/var/www:/bin/false",
  "nobody:x:65534:65534::relative:/bin/false",
].join("\n");

const group = [
  "root:x:0:",
  "www:x:34:",
  "ssl:x:102:www,root",
  "log:x:4:root,www",
  "none:x:4294967295:www",
].join("\n");

function manifestOf(
  config: Readonly<Record<string, unknown>>,
  overrides: ImageOverrides = {},
) {
  const output = imageManifest({
    facts: {
      passwd,
      group,
      config: configSchema.parse({
        config: { Cmd: ["/bin/app"], ...config },
        rootfs: { diff_ids: [] },
      }),
    },
    names: { text: "oci:web:1", name: "web", version: "1" },
    overrides,
    imageDigest: DIGEST,
    rootfsPath: "/cache/rootfs.erofs",
    rootfsDigest: DIGEST,
  });
  const manifest = checkManifest(output.manifest, "manifest");
  return { ...output, manifest, workload: manifest.workload };
}

Deno.test("the config of an image becomes a manifest", () => {
  const { manifest, workload, notes } = manifestOf({
    Entrypoint: ["/entry.sh", "-x"],
    Cmd: ["serve"],
    Env: ["A=b=c", "EMPTY=", "PATH=/own"],
    WorkingDir: "srv/../app/./",
    User: "www",
    StopSignal: "QUIT",
    ExposedPorts: { "443/tcp": {}, "53/udp": {}, "80": {}, "53/tcp": {} },
    Volumes: { "/data": {} },
    Labels: { "org.opencontainers.image.title": "Web" },
  });
  assert.deepEqual(notes, []);
  assert.deepEqual(
    [manifest.name, manifest.version, manifest.image, manifest.image_digest],
    ["web", "1", "oci:web:1", DIGEST],
  );
  assert.deepEqual(manifest.rootfs, {
    url: "/cache/rootfs.erofs",
    checksum: DIGEST,
    format: "erofs",
  });
  assert.deepEqual(workload?.entrypoint, ["/entry.sh", "-x"]);
  assert.deepEqual(workload?.args, ["serve"]);
  assert.deepEqual(workload?.env, {
    PATH: "/own",
    HOME: "/var/www",
    A: "b=c",
    EMPTY: "",
  });
  assert.equal(workload?.workdir, "/app");
  assert.equal(workload?.user, "33:34");
  assert.equal(workload?.stop_signal, "SIGQUIT");
  assert.deepEqual(manifest.network.expose, [
    { protocol: "tcp", port: 53 },
    { protocol: "udp", port: 53 },
    { protocol: "tcp", port: 80 },
    { protocol: "tcp", port: 443 },
  ]);
  assert.equal(manifest.labels["org.opencontainers.image.title"], "Web");
});

Deno.test("what a config leaves out is as in Docker", () => {
  const { workload, manifest } = manifestOf({ Entrypoint: null, Env: null });
  assert.deepEqual(workload?.entrypoint, ["/bin/app"]);
  assert.deepEqual(workload?.args, []);
  assert.deepEqual(workload?.env, {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
  });
  assert.equal(workload?.workdir, "/");
  assert.equal(workload?.user, "0:0");
  assert.equal(workload?.stop_signal, "SIGTERM");
  assert.deepEqual(manifest.network.expose, []);
});

Deno.test("the command follows Docker's rules, and can be given", () => {
  const command = (
    config: Readonly<Record<string, unknown>>,
    overrides?: ImageOverrides,
  ) => {
    const { workload } = manifestOf(config, overrides);
    return [workload?.entrypoint, workload?.args];
  };
  const both = { Entrypoint: ["e"], Cmd: ["c"] };
  assert.deepEqual(command(both), [["e"], ["c"]]);
  assert.deepEqual(command(both, { args: ["x"] }), [["e"], ["x"]]);
  assert.deepEqual(command(both, { args: [] }), [["e"], []]);
  assert.deepEqual(command(both, { entrypoint: ["o"] }), [["o"], []]);
  assert.deepEqual(command({ Entrypoint: [""], Cmd: ["c"] }), [["c"], []]);
  assert.deepEqual(command({ Cmd: [] }, { args: ["x", "y"] }), [
    ["x", "y"],
    [],
  ]);
  for (const none of [{ Cmd: [] }, { Cmd: null }, { Cmd: [""] }]) {
    assert.throws(() => command(none), {
      code: "invalid-input",
      message: 'Cannot run image "oci:web:1": it names no program to run',
      hint: /--entrypoint.*-- CMD/,
    });
  }
});

Deno.test("what a manifest cannot say is noted", () => {
  const { notes, manifest, workload } = manifestOf({
    Env: ["A B=c", "=x", "GOOD=1"],
    StopSignal: "SIGNONE",
    ExposedPorts: { "80/sctp": {}, "99999": {} },
    Healthcheck: { Test: ["CMD", "true"] },
    Labels: { "": "x", big: "x".repeat(5000), ok: "1" },
  });
  assert.equal(notes.length, 8);
  for (const word of ["HEALTHCHECK", "ENV", "STOPSIGNAL", "EXPOSE", "LABEL"]) {
    assert.ok(notes.some((note) => note.startsWith(word)), word);
  }
  assert.equal(workload?.env["GOOD"], "1");
  assert.equal(manifest.labels["ok"], "1");
  assert.equal(manifest.labels["big"], undefined);
  assert.deepEqual(manifestOf({ Healthcheck: { Test: ["NONE"] } }).notes, []);
});

Deno.test("ports of a range are all exposed, within a limit", () => {
  const some = manifestOf({ ExposedPorts: { "8000-8002/udp": {} } });
  assert.deepEqual(some.manifest.network.expose.map(({ port }) => port), [
    8000,
    8001,
    8002,
  ]);
  const many = manifestOf({ ExposedPorts: { "1-65535": {} } });
  assert.equal(many.manifest.network.expose.length, 256);
  assert.match(many.notes[0] ?? "", /more than 256 ports/);
});

Deno.test("users and groups are looked up in the image", () => {
  const files = { passwd, group };
  const cases:
    readonly (readonly [string, number, number, number[], string])[] = [
      ["", 0, 0, [4, 102], "/root"],
      ["www", 33, 34, [4, 102], "/var/www"],
      ["33", 33, 34, [4, 102], "/var/www"],
      ["www:log", 33, 4, [], "/var/www"],
      ["www:102", 33, 102, [], "/var/www"],
      ["1234", 1234, 0, [], "/"],
      ["1234:5678", 1234, 5678, [], "/"],
      ["nobody", 65534, 65534, [], "/"],
      [":log", 0, 4, [], "/root"],
    ];
  for (const [user, uid, gid, groups, home] of cases) {
    assert.deepEqual(
      resolveImageUser(user, files, { name: "web" }),
      { uid, gid, groups, home },
      user,
    );
  }
  for (const user of ["absent", "broken", "www:absent", "4294967295"]) {
    assert.throws(() => resolveImageUser(user, files, { name: "web" }), {
      code: "invalid-image",
      message: /^Cannot run image "web" as (?:user|group) "/,
    });
  }
  assert.equal(manifestOf({}, { user: "www" }).workload?.user, "33:34");
});

Deno.test("an image is called by its name, else by its file", () => {
  const names = (path: string, name?: string, tag?: string) => {
    const reference = {
      text: `oci:${path}`,
      transport: "oci",
      path,
      tag,
    } as const;
    const found = imageNames(reference, { name, digest: DIGEST });
    return [found.name, found.version];
  };
  assert.deepEqual(names("/a/web", "1.0", "1.0"), ["web", "1.0"]);
  assert.deepEqual(names("/a/web.oci.tar"), ["web", "0123456789ab"]);
  assert.deepEqual(names("x.tar", "docker.io/library/nginx:alpine"), [
    "nginx",
    "alpine",
  ]);
  assert.deepEqual(names("x.tar", "localhost:5000/team/app"), [
    "app",
    "0123456789ab",
  ]);
  assert.deepEqual(names("/images/!my image!/"), ["my-image", "0123456789ab"]);
  assert.deepEqual(names("/"), ["image", "0123456789ab"]);
  assert.deepEqual(names("é".repeat(100))[0], "image");
});

Deno.test("ranges of EXPOSE are walked up to the limit, however many there are", () => {
  const keys = Array.from({ length: 3000 }, (_, at) => `${at + 1}-65535/tcp`);
  const { manifest, notes } = manifestOf({
    ExposedPorts: Object.fromEntries(keys.map((key) => [key, {}])),
  });
  const { expose } = manifest.network;
  assert.equal(expose.length, 256);
  assert.deepEqual([expose[0]?.port, expose.at(-1)?.port], [1, 256]);
  assert.deepEqual(notes, [
    "EXPOSE has more than 1024 entries: the rest is left",
    "EXPOSE names more than 256 ports: the rest is left",
  ]);
});

Deno.test("an image that gives cause for endless notes gets some of them", () => {
  const { notes } = manifestOf({
    Env: Array.from({ length: 5000 }, (_, at) => `${at} ${"x".repeat(500)}=1`),
  });
  assert.equal(notes.length, 51);
  assert.equal(notes.at(-1), "4950 further notes are left out");
  assert.ok(notes.every((note) => note.length < 200));
});

Deno.test("a user that is given and not known is the giver's mistake", () => {
  assert.throws(() => manifestOf({}, { user: "nosuch" }), {
    code: "invalid-input",
    message: /as user "nosuch": its \/etc\/passwd does not know it/,
    hint: /--user/,
  });
  assert.throws(() => manifestOf({ User: "nosuch" }), {
    code: "invalid-image",
  });
});
