import assert from "node:assert/strict";
import { fakeDaemon, fakeVm, fault, volant } from "./fake_daemon.ts";
import { formatOf } from "./manifest_file.ts";

const MANIFEST = {
  schema_version: "v1",
  name: "web",
  version: "1.0.0",
  runtime: "web",
  initramfs: { url: "web.cpio" },
  resources: { cpu_cores: 1, memory_mb: 64 },
  workload: { entrypoint: ["/bin/web"] },
};

/** A folder with a manifest, a variable file and a kernel. */
async function project(): Promise<{ readonly path: string } & Disposable> {
  const path = await Deno.makeTempDir();
  const files = {
    "web.json": JSON.stringify(MANIFEST),
    "web.toml": 'schema_version = "v1"\nname = "web"\nversion = "1"\n' +
      '[initramfs]\nurl = "./out/web.cpio"\n[resources]\ncpu_cores = 1\n' +
      'memory_mb = 64\n[workload]\nentrypoint = ["/bin/web"]\n',
    variables: "A=file\nB=file\n",
    kernel: "",
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${path}/${name}`, text);
  }
  return {
    path,
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

Deno.test("vm create sends the manifest with absolute paths and waits", async () => {
  using files = await project();
  await using daemon = await fakeDaemon(() => Response.json(fakeVm("web")));
  for (
    const [file, artifact] of [
      ["web.json", "web.cpio"],
      ["web.toml", "out/web.cpio"],
    ]
  ) {
    const { status, stdout } = await volant(
      ["vm", "create", "web", "-m", `${files.path}/${file}`],
      daemon,
    );
    assert.equal(status, 0);
    assert.equal(stdout, "web is running\n  published 127.0.0.1:8080->80\n");
    const { query, body } = daemon.asked.at(-1) ?? {};
    assert.equal(query, "?wait=running");
    const sent = body as {
      readonly name: string;
      readonly start: boolean;
      readonly config: { readonly manifest: typeof MANIFEST };
    };
    assert.deepEqual([sent.name, sent.start], ["web", true]);
    assert.equal(
      sent.config.manifest.initramfs.url,
      `${files.path}/${artifact}`,
    );
  }
});

Deno.test("vm create sends what the flags say over the manifest", async () => {
  using files = await project();
  await using daemon = await fakeDaemon(() => Response.json(fakeVm("web")));
  const { path } = files;
  const words = [
    ...["vm", "create", "web", "--manifest", `${path}/web.json`],
    ...["--cpus", "2", "--memory", "1GiB", "-p", "8080:80", "-p", "53:53/udp"],
    ...["--env-file", `${path}/variables`, "-e", "B=flag", "--env", "HERE"],
    ...["--network", "user", "--restart", "always", "--kernel"],
    ...[`${path}/kernel`, "--kernel-arg", "quiet", "--kernel-arg", "x=1"],
    ...["--no-start", "--wait", "healthy", "--timeout", "2m"],
  ];
  const env = { HERE: "value" };
  const { status } = await volant(words, { socket: daemon.socket, env });
  assert.equal(status, 0);
  const [asked] = daemon.asked;
  assert.equal(asked?.query, "?wait=none&timeout=120");
  const { start, config } = asked.body as {
    readonly start: boolean;
    readonly config: Readonly<Record<string, unknown>>;
  };
  const { manifest: _manifest, ...rest } = config;
  assert.equal(start, false);
  assert.deepEqual(rest, {
    resources: { cpu_cores: 2, memory_mb: 1024 },
    network: { mode: "user" },
    expose: [
      { host_port: 8080, port: 80, protocol: "tcp" },
      { host_port: 53, port: 53, protocol: "udp" },
    ],
    env: { A: "file", B: "flag", HERE: "value" },
    restart: "always",
    kernel_cmdline: "quiet x=1",
    kernel_override: `${path}/kernel`,
  });
});

Deno.test("vm create sends nothing when a file or a variable is wrong", async () => {
  using files = await project();
  const { path } = files;
  await Deno.writeTextFile(
    `${path}/odd.json`,
    JSON.stringify({ ...MANIFEST, memroy: 1 }),
  );
  await Deno.writeTextFile(`${path}/broken.json`, "{");
  await using daemon = await fakeDaemon(() => fault(500, "bug", "not asked"));
  const good = `${path}/web.json`;
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [[`${path}/absent.json`], 66, /absent\.json": it does not exist/],
    [[path], 66, /Cannot read manifest/],
    [[`${path}/odd.json`], 65, /memroy/],
    [[`${path}/broken.json`], 65, /broken\.json/],
    [[good, "--env", "NOT_SET"], 64, /"NOT_SET": it is not set/],
    [[good, "--env-file", `${path}/absent`], 66, /environment file/],
    [[good, "--kernel", `${path}/absent`], 66, /kernel/],
  ];
  for (const [words, expected, error] of cases) {
    const { status, stderr } = await volant(
      ["vm", "create", "web", "-m", ...words],
      daemon,
    );
    assert.equal(status, expected, words.join(" "));
    assert.match(stderr, /^error: [^\n]+\nhint: [^\n]+\n$/);
    assert.match(stderr, error);
  }
  assert.equal(daemon.asked.length, 0);
});

Deno.test("vm create shows every problem of a manifest", async () => {
  using files = await project();
  const path = `${files.path}/odd.json`;
  const odd = { ...MANIFEST, memroy: 1, labls: {}, resources: 1 };
  await Deno.writeTextFile(path, JSON.stringify(odd));
  const { status, stderr } = await volant(["vm", "create", "w", "-m", path]);
  assert.equal(status, 65);
  const [error = "", ...rest] = stderr.trimEnd().split("\n");
  assert.match(error, /^error: .*\(and 2 more\)$/);
  assert.equal(rest.filter((line) => line.startsWith("  ")).length, 3);
  for (const key of ["memroy", "labls", "resources"]) {
    assert.match(stderr, new RegExp(`^  \\S*${key} is`, "m"));
  }
  assert.match(rest.at(-1) ?? "", /^hint: /);
});

Deno.test("vm create tells an artifact from its manifest", async () => {
  using files = await project();
  for (
    const bytes of [[..."070701AB"].map((c) => c.charCodeAt(0)), [31, 139, 8]]
  ) {
    const path = `${files.path}/web.cpio`;
    await Deno.writeFile(path, Uint8Array.from(bytes));
    const { status, stderr } = await volant(["vm", "create", "w", "-m", path]);
    assert.equal(status, 65);
    assert.match(stderr, /it is an artifact/);
    assert.match(stderr, /^hint: .*web\.cpio\.manifest\.json$/m);
  }
});

Deno.test("formatOf() goes by the name, else by how the text begins", () => {
  assert.equal(formatOf("a.TOML", "{"), "toml");
  assert.equal(formatOf("a.json", "x = 1"), "json");
  assert.equal(formatOf("-", '\n {"name": 1}'), "json");
  assert.equal(formatOf("manifest", 'name = "x"'), "toml");
});
