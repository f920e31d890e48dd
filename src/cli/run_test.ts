import assert from "node:assert/strict";
import type { VmView } from "../api/vms.ts";
import { writeOciLayout } from "../../tests/harness/oci_image.ts";
import { type Asked, fakeVm, fault, volant } from "./fake_daemon.ts";
import { at, daemonOf, ended, manifestFile, ndjson } from "./run_fixture.ts";

interface Sent {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>> & {
    readonly manifest: { readonly workload: Readonly<Record<string, unknown>> };
  };
}

function created(asked: readonly Asked[]): Asked & { readonly body: Sent } {
  const one = asked.find(({ method, path }) =>
    method === "POST" && path.endsWith("/vms")
  );
  assert.ok(one, "a VM is created");
  return one as Asked & { readonly body: Sent };
}

Deno.test("run prints the workload's lines and ends with its status", async () => {
  using file = await manifestFile();
  await using daemon = await daemonOf(ended({ status: 3 }));
  const { status, stdout, stderr } = await volant(["run", file.path], daemon);
  assert.deepEqual([status, stdout, stderr], [3, "out\n", "err\n"]);
  const { query, body } = created(daemon.asked);
  assert.equal(query, "?wait=none");
  assert.match(body.name, /^busy-box-1-2-[a-z]{4}$/);
  assert.equal(body.config["auto_remove"], undefined);
  const asked = daemon.asked.map(({ method, path, query }) =>
    `${method} ${path.replace(body.name, "NAME")}${query}`
  );
  assert.deepEqual(asked.toSorted(), [
    "GET /api/v1/system/status",
    "GET /api/v1/vms/NAME/logs?follow=true",
    "GET /api/v1/vms/NAME/wait?timeout=86400",
    "POST /api/v1/vms?wait=none",
  ]);
});

Deno.test("run sends what the flags say, and deletes with --rm", async () => {
  using file = await manifestFile();
  await using daemon = await daemonOf(ended());
  const words = [
    ...["run", "--rm", "--name", "job", "-m", "1GiB", "--cpus", "2"],
    ...["--disk", "8GiB"],
    ...["-e", "A=1", "-p", "8080:80/udp", "--ip", "10.1.0.7"],
    ...["--no-isolated", "--ephemeral", "--restart", "on-failure"],
    ...["-u", "1000:1000", "-w", "/tmp/.././srv/", file.path],
    ...["--", "sh", "-c", "env --help", "--", "-e"],
  ];
  assert.equal((await volant(words, daemon)).status, 0);
  const { name, config } = created(daemon.asked).body;
  const { manifest, ...rest } = config;
  assert.equal(name, "job");
  assert.deepEqual(rest, {
    resources: { cpu_cores: 2, memory_mb: 1024, disk_mb: 8192 },
    network: { mode: "bridged", ip: "10.1.0.7", isolated: false },
    expose: [{ host_port: 8080, port: 80, protocol: "udp" }],
    env: { A: "1" },
    restart: "on-failure",
    ephemeral: true,
    auto_remove: true,
  });
  const { entrypoint, args, user, workdir } = manifest.workload;
  assert.deepEqual([entrypoint, args, user, workdir], [
    ["/bin/init"],
    ["sh", "-c", "env --help", "--", "-e"],
    "1000:1000",
    "/srv",
  ]);
  assert.equal(daemon.asked.at(-1)?.method, "DELETE");
});

Deno.test("run: an entrypoint replaces the image's and its words", async () => {
  using file = await manifestFile();
  await using daemon = await daemonOf(ended());
  const words = ["run", "--entrypoint", "/bin/sh", file.path];
  for (const more of [[], ["--", "-c", "id"]]) {
    await volant([...words, ...more], daemon);
    const { workload } = created(daemon.asked.slice(-4)).body.config.manifest;
    assert.deepEqual(workload["entrypoint"], ["/bin/sh"]);
    assert.deepEqual(workload["args"], more.slice(1));
  }
});

Deno.test("run --detach waits until it runs and prints its name alone", async () => {
  using file = await manifestFile();
  await using daemon = await daemonOf({});
  const words = ["run", "-d", "--name", "web", "-p", "0:80", file.path];
  const { status, stdout, stderr } = await volant(words, daemon);
  assert.deepEqual([status, stdout], [0, "web\n"]);
  assert.equal(stderr, "published 127.0.0.1:8080->80\n");
  assert.equal(created(daemon.asked).query, "?wait=running");
  const more = ["--wait", "healthy", "--timeout", "2m", "--json"];
  const json = await volant([...words, ...more], daemon);
  assert.equal(JSON.parse(json.stdout).name, "web");
  assert.equal(daemon.asked.at(-1)?.query, "?wait=healthy&timeout=120");
});

Deno.test("run: how a guest ended that has no status, and what is said of it", async () => {
  using file = await manifestFile();
  const cases = [
    [
      { cause: "guest-panic", status: undefined, detail: "no init" },
      125,
      /no init/,
    ],
    [
      { cause: "guest-oom", status: 137, detail: "out of memory" },
      137,
      /out of/,
    ],
    [
      { status: 127, detail: "it ended with status 127: no /bin/x" },
      127,
      /no \/bin\/x/,
    ],
    [{ status: 3, detail: "the workload ended with status 3" }, 3, /^err\n$/],
    [{ cause: "killed", status: undefined }, 137, /^err\n/],
    [{ cause: "stopped", status: undefined }, 0, /^err\n$/],
  ] as const;
  for (const [exit, expected, said] of cases) {
    await using daemon = await daemonOf(ended(exit as Partial<VmView["exit"]>));
    const { status, stderr } = await volant(["run", file.path], daemon);
    assert.equal(status, expected, JSON.stringify(exit));
    assert.match(stderr, said);
  }
});

Deno.test("run: a boot that failed shows the reason and the console's last lines", async () => {
  using file = await manifestFile();
  const exit = { cause: "guest-fault", forced: false, at, detail: "no root" };
  const vm = { status: "crashed", boot: { requested_at: at }, exit } as const;
  for (const flags of [[], ["--rm"]]) {
    await using daemon = await daemonOf(vm, {
      logs: ({ query }) =>
        query.includes("console")
          ? ndjson([{ timestamp: "", stream: "stdout", line: "\x1b[2Jpanic" }])
          : ndjson([]),
    });
    const words = ["run", ...flags, file.path];
    const { status, stdout, stderr } = await volant(words, daemon);
    assert.deepEqual([status, stdout], [125, ""]);
    assert.match(stderr, /^console: panic\nerror: .*never started: no root\n/);
    assert.match(
      stderr,
      flags.length > 0 ? /without --rm/ : /--source console/,
    );
    const isDeleted = daemon.asked.some(({ method }) => method === "DELETE");
    assert.equal(isDeleted, flags.length > 0);
  }
});

Deno.test("run: every failure of Volant's own ends with 125", async () => {
  using file = await manifestFile();
  const away = { env: { VOLANT_SOCKET: "/nonexistent/volant.sock" } };
  await using daemon = await daemonOf({}, {
    POST: () => fault(409, "vm-exists", "Cannot create it"),
  });
  const cases = [
    [["run", file.path], away, /Cannot reach the daemon/],
    [["run", file.path], daemon, /Cannot create it/],
    [["run", "/nonexistent/web.json"], daemon, /does not exist/],
    [["run"], daemon, /IMAGE is missing/],
    [["run", "--cpsu", "1", file.path], daemon, /Did you mean --cpus/],
    [["run", "--wait", "healthy", file.path], daemon, /without --detach/],
    [["run", "--timeout", "1", file.path], daemon, /without --detach/],
    [["run", "--entrypoint=", file.path], daemon, /or --entrypoint "" to run/],
    [["run", "-e", "NOT_SET", file.path], daemon, /it is not set here/],
  ] as const;
  for (const [words, options, said] of cases) {
    const { status, stdout, stderr } = await volant(words, options);
    assert.deepEqual([status, stdout], [125, ""], words.join(" "));
    assert.match(stderr, said);
  }
  const json = await volant(["run", "--json", "/nonexistent/a.json"], daemon);
  assert.equal(JSON.parse(json.stderr).code, "file-not-found");
});

Deno.test("run: a guest without a workload of its own takes no command", async () => {
  using file = await manifestFile({
    init: { none: true },
    workload: undefined,
  });
  await using daemon = await daemonOf({});
  const { status, stderr } = await volant(
    ["run", file.path, "--", "id"],
    daemon,
  );
  assert.equal(status, 125);
  assert.match(stderr, /the guest is on its own/);
});

Deno.test("run --detach: a boot that failed is hinted at with what run has", async () => {
  using file = await manifestFile();
  await using daemon = await daemonOf({}, {
    POST: () => fault(422, "boot-failed", "Cannot start it: no root"),
  });
  for (
    const [flags, hint] of [[[], /--detach to/], [["--rm"], /--rm to/]] as const
  ) {
    const words = ["run", "-d", ...flags, file.path];
    const { status, stderr } = await volant(words, daemon);
    assert.equal(status, 125);
    assert.match(stderr, /^error: Cannot start it: no root\nhint: /);
    assert.match(stderr, hint);
  }
});

Deno.test("run: the cache is nobody's to clear until the VM has its image", async () => {
  const folder = await Deno.makeTempDir();
  const { reference } = await writeOciLayout(`${folder}/image`, {
    layers: [{ entries: [{ name: "hello", content: "hi" }] }],
    config: { Cmd: ["/hello"] },
  });
  const free: boolean[] = [];
  const look = () => {
    using file = Deno.openSync(`${folder}/cache/.lock`);
    free.push(file.tryLockSync(true));
  };
  await using daemon = await daemonOf(ended(), {
    POST: ({ body }) => {
      look();
      return Response.json(fakeVm((body as Sent).name, ended()));
    },
    wait: () => {
      look();
      return Response.json(fakeVm("x", ended()));
    },
  });
  const env = { VOLANT_CACHE: `${folder}/cache` };
  const { status, stderr } = await volant(["run", reference], {
    ...daemon,
    env,
  });
  assert.equal(status, 0, stderr);
  assert.deepEqual(free, [false, true]);
  await Deno.remove(folder, { recursive: true });
});
