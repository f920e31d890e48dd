import assert from "node:assert/strict";
import { holdMachine } from "./hold.ts";

/** A monitor that answers each line with the next of these, then hangs up. */
async function withMonitor(
  answers: readonly string[],
  act: (path: string, heard: readonly string[]) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/monitor.sock`;
  const heard: string[] = [];
  {
    using listener = Deno.listen({ transport: "unix", path });
    const served = (async () => {
      using connection = await listener.accept();
      for (const answer of answers) {
        const chunk = new Uint8Array(128);
        const count = await connection.read(chunk);
        if (count === null) return;
        heard.push(new TextDecoder().decode(chunk.subarray(0, count)));
        await connection.write(new TextEncoder().encode(answer));
      }
    })();
    await act(path, heard);
    await served;
  }
  await Deno.remove(folder, { recursive: true });
}

Deno.test("a machine is held and released", async () => {
  await withMonitor(["ok\n", "ok\n"], async (path, heard) => {
    using hold = await holdMachine(path, 5000);
    assert.equal(await hold?.release(), true);
    assert.deepEqual(heard, ["hold 5000\n", "release\n"]);
  });
});

Deno.test("a hold that was over before its release is told", async () => {
  await withMonitor(["ok\n"], async (path) => {
    using hold = await holdMachine(path, 5000);
    assert.equal(await hold?.release(), false);
  });
});

Deno.test("a machine that is ending, or has ended, is not held", async () => {
  await withMonitor(["error the machine is ending\n"], async (path) => {
    assert.equal(await holdMachine(path, 5000), undefined);
  });
  assert.equal(await holdMachine("/nonexistent/monitor.sock", 5000), undefined);
});

Deno.test("a monitor of an older Volant is told with a remedy", async () => {
  const answer = "error the line is none of watch, stop MS, kill\n";
  await withMonitor([answer], async (path) => {
    await assert.rejects(holdMachine(path, 5000), {
      code: "not-supported",
      hint: /Restart that VM once/,
    });
  });
});
