import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fakeDaemon, fakeVm, fault, volant } from "./fake_daemon.ts";

const DIGEST = `sha256:${"0123456789abcdef".repeat(4)}`;

const MANIFEST = {
  name: "web",
  version: "1.0.0",
  initramfs: { url: "web.cpio" },
  cloud_init: { user_data: { path: "user.yaml" } },
  workload: { entrypoint: ["/bin/web"] },
};

function view(name: string, more: Record<string, unknown> = {}) {
  return {
    name,
    version: "1.0.0",
    runtime: name,
    enabled: true,
    artifacts: { initramfs: DIGEST },
    vms: [],
    installed_at: "2026-01-01T00:00:00Z",
    updated_at: "2026-01-01T00:00:00Z",
    ...more,
  };
}

async function project(): Promise<{ readonly path: string } & Disposable> {
  const path = await Deno.makeTempDir();
  await Deno.writeTextFile(`${path}/web.json`, JSON.stringify(MANIFEST));
  await Deno.writeTextFile(`${path}/user.yaml`, "#cloud-config\n");
  return {
    path,
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

// deno-lint-ignore no-explicit-any
type Sent = any;

Deno.test("plugin install sends a manifest that the daemon can use anywhere", async () => {
  using files = await project();
  await using daemon = await fakeDaemon(() =>
    Response.json(view("two", { enabled: false, replaced: "0.9", vms: ["a"] }))
  );
  const { status, stdout } = await volant(
    [
      ...["plugin", "install", `${files.path}/web.json`],
      ...["--name", "two", "--disabled"],
    ],
    daemon,
  );
  assert.equal(status, 0);
  assert.equal(
    stdout,
    "two 1.0.0 is installed, and disabled, in place of 0.9\n" +
      "  initramfs 0123456789ab\n" +
      "  VM a still uses what was installed before\n",
  );
  const sent: Sent = daemon.asked[0]?.body;
  assert.equal(sent.name, "two");
  assert.equal(sent.enabled, false);
  assert.equal(sent.initramfs.url, `${files.path}/web.cpio`);
  assert.deepEqual(sent.cloud_init.user_data, {
    inline: true,
    content: "#cloud-config\n",
  });
});

Deno.test("plugin install reads every place of a manifest by URL beside that URL", async () => {
  const documents: Record<string, string> = {
    "/a/web.json": JSON.stringify({
      ...MANIFEST,
      rootfs: { url: "/etc/shadow" },
      disks: [{ name: "d", source: DIGEST }],
    }),
    "/a/user.yaml": "#cloud-config\n",
  };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request): Response => {
      const { pathname } = new URL(request.url);
      const there = new URL("/a/web.json", request.url);
      if (pathname === "/old") return Response.redirect(there);
      if (pathname === "/long") return new Response("x".repeat(2_000_000));
      const text = documents[pathname];
      return new Response(text ?? "", {
        status: text === undefined ? 404 : 200,
      });
    },
  );
  const origin = `http://127.0.0.1:${server.addr.port}`;
  await using daemon = await fakeDaemon(() => Response.json(view("web")));
  const install = (...words: string[]) =>
    volant(["plugins", "install", ...words], daemon);

  assert.equal((await install(`${origin}/old`)).status, 0);
  const sent: Sent = daemon.asked[0]?.body;
  assert.equal(sent.initramfs.url, `${origin}/a/web.cpio`);
  assert.equal(sent.rootfs.url, `${origin}/etc/shadow`);
  assert.equal(sent.disks[0].source, DIGEST);
  assert.equal(sent.cloud_init.user_data.content, "#cloud-config\n");

  const checksum = createHash("sha256").update(documents["/a/web.json"] ?? "")
    .digest("hex");
  const pinned = ["--url", `${origin}/a/web.json`, "--checksum", checksum];
  assert.equal((await install(...pinned)).status, 0);
  const wrong = await install(`${origin}/a/web.json`, "--checksum", DIGEST);
  assert.equal(wrong.status, 65);
  assert.match(wrong.stderr, /its checksum is sha256:/);
  const gone = await install(`${origin}/gone`);
  assert.equal(gone.status, 69);
  assert.match(gone.stderr, /the server answered 404/);
  const long = await install(`${origin}/long`);
  assert.match(long.stderr, /it has more than 1048576 bytes/);
  assert.equal(daemon.asked.length, 2);
  await server.shutdown();
});

Deno.test("plugin install wants one manifest", async () => {
  using files = await project();
  const path = `${files.path}/web.json`;
  const none = await volant(["plugin", "install"]);
  assert.equal(none.status, 64);
  assert.match(none.stderr, /no manifest is named/);
  const two = await volant(["plugin", "install", path, "--manifest", path]);
  assert.match(two.stderr, /more than one manifest is named/);
  const file = await volant(["plugin", "install", path, "--checksum", DIGEST]);
  assert.match(file.stderr, /Cannot use --checksum with manifest/);
});

Deno.test("plugin list prints aligned columns, names or JSON", async () => {
  const items = [view("a", { enabled: false, vms: ["x", "y"] }), view("web")];
  await using daemon = await fakeDaemon(() =>
    Response.json({ plugins: ["a", "web"], items })
  );
  const { stdout } = await volant(["plugin", "list"], daemon);
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    "NAME  VERSION  ENABLED  ARTIFACT                VMS",
    "a     1.0.0    no       initramfs 0123456789ab  x, y",
    "web   1.0.0    yes      initramfs 0123456789ab  -",
  ]);
  const quiet = await volant(["plugin", "list", "-q"], daemon);
  assert.equal(quiet.stdout, "a\nweb\n");
  const json = await volant(["plugin", "list", "--json"], daemon);
  assert.deepEqual(JSON.parse(json.stdout), items);
});

Deno.test("plugin show is plugin get", async () => {
  const manifest = {
    ...MANIFEST,
    enabled: true,
    runtime: "web",
    resources: { cpu_cores: 1, memory_mb: 64 },
    workload: { entrypoint: ["/bin/sh", "-c", "it's"], args: [] },
    network: { mode: "user", expose: [{ port: 80 }] },
  };
  await using daemon = await fakeDaemon(({ path }) =>
    Response.json(
      path === "/api/v1/plugins"
        ? { plugins: ["web"], items: [view("web", { vms: ["a"] })] }
        : manifest,
    )
  );
  const { stdout } = await volant(["plugins", "show", "web"], daemon);
  assert.match(stdout, /^command: +\/bin\/sh -c 'it'\\''s'$/m);
  assert.match(stdout, /^VMs: +a$/m);
  const json = await volant(["plugin", "get", "web", "--json"], daemon);
  assert.deepEqual(JSON.parse(json.stdout), manifest);
});

Deno.test("plugin enable, disable and remove say what VMs there still are", async () => {
  await using daemon = await fakeDaemon(({ method, path }) => {
    if (path.includes("/gone")) {
      return fault(404, "plugin-not-found", "Cannot find plugin");
    }
    if (method === "DELETE") return new Response(null, { status: 204 });
    return path === "/api/v1/vms"
      ? Response.json([
        fakeVm("a", { plugin: "web" }),
        fakeVm("b", { runtime: "web" }),
      ])
      : Response.json(view("web", { vms: ["a", "b"] }));
  });
  const say = async (...words: string[]) =>
    await volant(["plugin", ...words], daemon);
  assert.equal((await say("enable", "web")).stdout, "web is enabled\n");
  assert.equal(
    (await say("disable", "web")).stdout,
    "web is disabled; VMs a, b still use it\n",
  );
  const removed = await say("remove", "gone", "web");
  assert.equal(removed.status, 66);
  assert.equal(removed.stdout, "web is removed; VM a still uses it\n");
  assert.equal(daemon.asked.at(-1)?.query, "?plugin=web");
  assert.deepEqual(daemon.asked[0]?.body, { enabled: true });
});

Deno.test("vm create takes a plugin in place of a manifest, and one of the two", async () => {
  await using daemon = await fakeDaemon(() => Response.json(fakeVm("a")));
  const create = (...words: string[]) =>
    volant(["vm", "create", "a", ...words], daemon);
  assert.equal((await create("--plugin", "web", "--cpus", "2")).status, 0);
  const sent: Sent = daemon.asked[0]?.body;
  assert.equal(sent.config.plugin, "web");
  assert.equal(sent.config.manifest, undefined);
  assert.equal(sent.config.resources.cpu_cores, 2);
  const none = await create();
  assert.equal(none.status, 64);
  assert.match(none.stderr, /neither --manifest nor --plugin is given/);
  const both = await create("--plugin", "web", "-m", "x.json");
  assert.match(both.stderr, /are both given/);
});
