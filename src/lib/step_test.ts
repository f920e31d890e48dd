import assert from "node:assert/strict";

const STEP = new URL("./step.ts", import.meta.url).href;

async function statusAt(name: string): Promise<Deno.CommandStatus> {
  const { code, signal, success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["eval", "--no-check"],
      `import { killAt, step } from "${STEP}"; killAt("${name}"); step("a:b"); step("a:c"); Deno.exit(7)`,
    ],
    stdin: "null",
    stderr: "null",
  }).output();
  return { code, signal, success };
}

Deno.test("step() ends the process as kill -9 does, at the step that was named and no other", async () => {
  assert.equal((await statusAt("a:c")).signal, "SIGKILL");
  assert.equal((await statusAt("a:x")).code, 7);
});
