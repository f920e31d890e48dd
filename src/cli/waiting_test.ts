import assert from "node:assert/strict";
import { fakeDaemon, fakeVm, fault, volant } from "./fake_daemon.ts";
import { fakeSignals } from "./fake_signals.ts";

Deno.test("a signal leaves a start that goes on, and says where to look", async () => {
  using signals = fakeSignals();
  await using daemon = await fakeDaemon(() => {
    signals.raise("SIGTERM");
    return new Response(new ReadableStream());
  });
  const { status, stderr } = await volant(["vm", "start", "web"], daemon);
  assert.equal(status, 143);
  assert.equal(
    stderr,
    "web goes on starting; look with: volant vm get web\n",
  );
});

Deno.test("a start that is not ready in time is said to go on", async () => {
  await using daemon = await fakeDaemon(() =>
    fault(504, "timed-out", "Cannot wait longer")
  );
  const { status, stderr } = await volant(["vm", "start", "web"], daemon);
  assert.equal(status, 75);
  assert.equal(
    stderr,
    "error: Cannot wait longer\nhint: web goes on starting. Do so\n",
  );
});

Deno.test("a long wait is told to a terminal, and to nothing else", async () => {
  for (const isTerminal of [true, false]) {
    const { promise: isOver, resolve: finish } = Promise.withResolvers<void>();
    await using daemon = await fakeDaemon(() =>
      new Response(
        new ReadableStream({
          async start(body) {
            await isOver;
            const vm = JSON.stringify(fakeVm("web"));
            body.enqueue(new TextEncoder().encode(vm));
            body.close();
          },
        }),
      )
    );
    const timer = setTimeout(finish, 2_500);
    const words = ["vm", "start", "web", "--wait", "healthy"];
    const { status, stderr } = await volant(words, { ...daemon, isTerminal });
    clearTimeout(timer);
    assert.equal(status, 0);
    const said = isTerminal ? "waiting until web is healthy ...\n" : "";
    assert.equal(stderr, said);
  }
});
