import assert from "node:assert/strict";
import { fakeDaemon, fakeVm, fault, volant } from "./fake_daemon.ts";

Deno.test("vm list prints aligned columns", async () => {
  await using daemon = await fakeDaemon(() =>
    Response.json([
      fakeVm("web", { health: "healthy" }),
      fakeVm("database", { status: "stopped", expose: [], ip_address: "" }),
    ])
  );
  const { status, stdout } = await volant(["vm", "list"], daemon);
  assert.equal(status, 0);
  const lines = stdout.replaceAll(/\d+d$/gm, "AGE").trimEnd().split("\n");
  assert.deepEqual(lines, [
    "NAME      STATUS             IP         CPUS  MEMORY  PORTS               RESTARTS  AGE",
    "web       running (healthy)  10.0.2.15  1     64 MiB  127.0.0.1:8080->80  0         AGE",
    "database  stopped            -          1     64 MiB  -                   0         AGE",
  ]);
});

Deno.test("vm list takes --json, -q, --status and the name vms", async () => {
  await using daemon = await fakeDaemon(() => Response.json([fakeVm("web")]));
  const json = await volant(["vms", "list", "--json"], daemon);
  assert.deepEqual(JSON.parse(json.stdout), [fakeVm("web")]);
  const quiet = await volant(
    ["vm", "list", "-q", "--status", "running,crashed"],
    daemon,
  );
  assert.equal(quiet.stdout, "web\n");
  assert.equal(daemon.asked.at(-1)?.query, "?status=running%2Ccrashed");
});

Deno.test("colours are for terminals", async () => {
  await using daemon = await fakeDaemon(() => Response.json([fakeVm("web")]));
  const terminal = await volant(["vm", "list"], {
    ...daemon,
    isTerminal: true,
  });
  assert.ok(terminal.stdout.includes("\x1b[32mrunning\x1b[0m"));
  const pipe = await volant(["vm", "list"], daemon);
  assert.ok(!pipe.stdout.includes("\x1b"));
});

Deno.test("vm get shows the phases of the last boot and the exit", async () => {
  await using daemon = await fakeDaemon(() =>
    Response.json(fakeVm("web", {
      status: "crashed",
      boot: {
        requested_at: "2026-01-01T00:00:00Z",
        vmm_ms: 12,
        kernel_ms: 112,
        workload_ms: 114,
      },
      exit: {
        cause: "exited",
        status: 3,
        forced: false,
        at: "2026-01-01T00:00:09Z",
      },
    }))
  );
  const { stdout } = await volant(["vm", "get", "web"], daemon);
  assert.match(stdout, /^status: +crashed$/m);
  assert.match(
    stdout,
    /^exit: +exited with status 3, at 2026-01-01T00:00:09Z$/m,
  );
  assert.match(stdout, /^kernel +shim started +100 ms +112 ms$/m);
  assert.doesNotMatch(stdout, /healthy/);
});

Deno.test("a fault of the daemon ends with its own exit status and hint", async () => {
  await using daemon = await fakeDaemon(() =>
    fault(404, "vm-not-found", 'Cannot find VM "x": there is none')
  );
  const text = await volant(["vm", "get", "x"], daemon);
  assert.equal(text.status, 66);
  assert.equal(
    text.stderr,
    'error: Cannot find VM "x": there is none\nhint: Do so\n',
  );
  assert.equal(text.stdout, "");
  const json = await volant(["vm", "get", "x", "--json"], daemon);
  assert.deepEqual(JSON.parse(json.stderr), {
    error: 'Cannot find VM "x": there is none',
    code: "vm-not-found",
    hint: "Do so",
  });
});

Deno.test("several names: the others have their turn, the first failure counts", async () => {
  await using daemon = await fakeDaemon(({ path }) =>
    path.includes("/gone/")
      ? fault(404, "vm-not-found", "Cannot find it")
      : path.includes("/busy/")
      ? fault(409, "wrong-state", "Cannot stop it")
      : Response.json(fakeVm("web", { status: "stopped" }))
  );
  const { status, stdout, stderr } = await volant(
    ["vm", "stop", "--grace", "2m", "gone", "busy", "web"],
    daemon,
  );
  assert.equal(status, 66);
  assert.equal(stdout, "web is stopped\n");
  assert.match(stderr, /Cannot find it[^]*Cannot stop it/);
  assert.deepEqual(
    daemon.asked.map(({ path, query }) => path + query),
    ["gone", "busy", "web"].map((name) => `/api/v1/vms/${name}/stop?grace=120`),
  );
});

Deno.test("start and restart say until when to wait", async () => {
  await using daemon = await fakeDaemon(() => Response.json(fakeVm("web")));
  await volant(["vm", "start", "web"], daemon);
  await volant(
    ["vm", "restart", "web", "--kill", "--wait=none", "--timeout=5"],
    daemon,
  );
  assert.deepEqual(daemon.asked.map(({ query }) => query), [
    "?wait=running",
    "?kill=true&wait=none&timeout=5",
  ]);
});

Deno.test("vm delete forces only when told to", async () => {
  await using daemon = await fakeDaemon(() =>
    new Response(null, { status: 204 })
  );
  const { stdout } = await volant(["vm", "delete", "a"], daemon);
  await volant(["vm", "delete", "-f", "a"], daemon);
  assert.equal(stdout, "a is deleted\n");
  assert.deepEqual(
    daemon.asked.map(({ method, query }) => method + query),
    ["DELETE?force=false", "DELETE?force=true"],
  );
});

Deno.test("vm wait ends with the workload's status", async () => {
  const at = "2026-01-01T00:00:00Z";
  await using daemon = await fakeDaemon(() =>
    Response.json(fakeVm("job", {
      status: "crashed",
      exit: { cause: "exited", status: 42, forced: false, at },
    }))
  );
  const ended = await volant(["vm", "wait", "job"], daemon);
  assert.equal(ended.status, 42);
  assert.equal(ended.stdout, "job ended: exited with status 42\n");
  const ran = await volant(["vm", "wait", "job", "--for", "running"], daemon);
  assert.equal(ran.status, 0);
});

Deno.test("vm logs keeps the streams apart and guards terminals", async () => {
  const lines = [
    { timestamp: "T1", stream: "stdout", line: "\x1b[31mout" },
    { timestamp: "T2", stream: "stderr", line: "err" },
  ];
  await using daemon = await fakeDaemon(() =>
    new Response(lines.map((line) => `${JSON.stringify(line)}\n`).join(""))
  );
  const words = ["vm", "logs", "web", "--tail", "2"];
  const pipe = await volant(words, daemon);
  assert.deepEqual([pipe.stdout, pipe.stderr], ["\x1b[31mout\n", "err\n"]);
  const terminal = await volant([...words, "--timestamps"], {
    ...daemon,
    isTerminal: true,
  });
  assert.equal(terminal.stdout, "T1 out\n");
  const json = await volant([...words, "--json"], daemon);
  assert.deepEqual(
    json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line)),
    lines,
  );
  assert.equal(daemon.asked[0]?.query, "?source=workload&tail=2");
});

Deno.test("a console of a VM that does not run is refused before it is opened", async () => {
  await using daemon = await fakeDaemon(() => {
    const { pid: _pid, ...stopped } = fakeVm("web", { status: "stopped" });
    return Response.json(stopped);
  });
  const { status, stderr } = await volant(["vm", "console", "web"], daemon);
  assert.equal(status, 73);
  assert.match(stderr, /it is stopped/);
});

Deno.test("system info tells daemon and counts", async () => {
  await using daemon = await fakeDaemon(({ path }) =>
    path.endsWith("/info")
      ? Response.json({
        version: "1.2.3",
        api_listen_addr: "/s",
        hypervisor: {
          name: "qemu",
          version: "7.2",
          machine: "q35",
          accelerator: "tcg",
        },
        state_dir: "/state",
        runtime_dir: "/run",
      })
      : Response.json({ total_vms: 3, by_status: { running: 2, stopped: 1 } })
  );
  const { stdout } = await volant(["system", "info"], daemon);
  assert.match(stdout, /^hypervisor: +qemu 7\.2, q35, tcg$/m);
  assert.match(stdout, /^vms: +3, 2 running, 1 stopped$/m);
});

Deno.test("without a daemon the socket is named, by --socket first", async () => {
  const env = { VOLANT_SOCKET: "/nonexistent/env.sock" };
  const words = ["vm", "list"];
  const cases = [
    [words, "env"],
    [["--socket", "/nonexistent/ahead.sock", ...words], "ahead"],
    [[...words, "--socket=/nonexistent/flag.sock"], "flag"],
  ] as const;
  for (const [line, name] of cases) {
    const { status, stderr } = await volant(line, { env });
    assert.equal(status, 69);
    assert.match(stderr, new RegExp(`/nonexistent/${name}\\.sock`));
    assert.match(stderr, /^hint: Start it with `volant daemon`/m);
  }
});

Deno.test("events of a VM that does not exist are waited for, with a word", async () => {
  await using daemon = await fakeDaemon(({ path }) =>
    path.includes("/events")
      ? fault(500, "bug", "no more")
      : fault(404, "vm-not-found", "Cannot find it")
  );
  const { stderr } = await volant(["events", "--vm", "web"], daemon);
  assert.match(stderr, /^There is no VM "web" yet; waiting for its events/);
  assert.equal(daemon.asked.at(-1)?.query, "?vm=web");
});
