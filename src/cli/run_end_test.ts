import assert from "node:assert/strict";
import type { VmView } from "../api/vms.ts";
import { type Answer, fakeVm, volant } from "./fake_daemon.ts";
import { type FakeSignals, fakeSignals } from "./fake_signals.ts";
import { daemonOf, ended, LINES, manifestFile, ndjson } from "./run_fixture.ts";

/** A VM that goes on until it is stopped `times`. */
function running(
  { raise }: FakeSignals,
  times: number,
  exit: Partial<VmView["exit"]>,
) {
  const { promise, resolve } = Promise.withResolvers<void>();
  let stops = 0;
  return {
    wait: () =>
      new Response(
        new ReadableStream({
          async start(body) {
            await promise;
            const vm = JSON.stringify(fakeVm("job", ended(exit)));
            body.enqueue(new TextEncoder().encode(vm));
            body.close();
          },
        }),
        { headers: { "content-type": "application/json" } },
      ),
    logs: () => {
      raise("SIGTERM");
      return ndjson(LINES);
    },
    stop: () => {
      stops++;
      if (stops < times) raise("SIGTERM");
      else resolve();
      return Response.json(fakeVm("job"));
    },
  } as const satisfies Record<string, Answer>;
}

Deno.test("run: a signal stops the VM, a second one ends it at once", async () => {
  using signals = fakeSignals();
  using file = await manifestFile();
  const cases = [
    [1, { cause: "stopped", status: 7 }, 7, ["stop"]],
    [1, { cause: "stopped", status: undefined }, 143, ["stop"]],
    [2, { cause: "killed", status: undefined }, 143, [
      "stop",
      "stop?kill=true",
    ]],
  ] as const;
  for (const [times, exit, expected, stops] of cases) {
    await using daemon = await daemonOf(
      {},
      running(signals, times, exit as Partial<VmView["exit"]>),
    );
    const words = ["run", "--name", "job", file.path];
    const { status, stderr } = await volant(words, daemon);
    assert.equal(status, expected);
    assert.match(stderr, /^Stopping job; a second signal ends it at once/m);
    const asked = daemon.asked.filter(({ path }) => path.endsWith("/stop"))
      .map(({ path, query }) => path.split("/").at(-1) + query);
    assert.deepEqual(asked, stops);
  }
});

Deno.test("run: a third signal leaves the VM as it is", async () => {
  using signals = fakeSignals();
  using file = await manifestFile();
  let stops = 0;
  const never = () => new Response(new ReadableStream());
  await using daemon = await daemonOf({}, {
    ...running(signals, 1, {}),
    wait: never,
    stop: () => {
      stops++;
      signals.raise("SIGTERM");
      return Response.json(fakeVm("job"));
    },
  });
  const words = ["run", "--rm", "--name", "job", file.path];
  const { status, stderr } = await volant(words, daemon);
  assert.equal(status, 143);
  assert.equal(stops, 2);
  assert.match(stderr, /job is left as it is/);
  assert.ok(!daemon.asked.some(({ method }) => method === "DELETE"));
});

Deno.test("run: a reader that goes away stops the VM", async () => {
  using file = await manifestFile();
  await using daemon = await daemonOf({}, {
    wait: () => new Response(new ReadableStream()),
  });
  const words = ["run", "--rm", "--name", "job", file.path];
  const { status } = await volant(words, { ...daemon, closed: true });
  assert.equal(status, 141);
  const last = daemon.asked.slice(-2).map(({ method, path }) =>
    `${method} ${path}`
  );
  assert.deepEqual(last, [
    "POST /api/v1/vms/job/stop",
    "DELETE /api/v1/vms/job",
  ]);
});

Deno.test("run: output that cannot be written stops the VM and removes it", async () => {
  using file = await manifestFile();
  await using daemon = await daemonOf({}, {
    wait: () => new Response(new ReadableStream()),
  });
  const words = ["run", "--rm", "--name", "job", file.path];
  const fails = new Error("No space left on device (os error 28)");
  const { status, stderr } = await volant(words, { ...daemon, fails });
  assert.equal(status, 125);
  assert.match(
    stderr,
    /^error: Cannot write the workload's output: no space is left/,
  );
  const last = daemon.asked.slice(-2).map(({ method, path }) =>
    `${method} ${path}`
  );
  assert.deepEqual(last, [
    "POST /api/v1/vms/job/stop",
    "DELETE /api/v1/vms/job",
  ]);
});
