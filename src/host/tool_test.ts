import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import { findTool, isAtLeast } from "./tool.ts";

const SEARCH = {
  name: "volant-test-no-such-program",
  variable: "VOLANT_TEST_TOOL",
  version: /version (\d+(?:\.\d+)*)/,
  install: "apt-get install it",
} as const;

/** Runs `act` while the variable names a program that does what `script` says. */
async function withTool(
  script: string,
  act: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/tool`;
  await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  Deno.env.set(SEARCH.variable, path);
  try {
    await act(path);
  } finally {
    Deno.env.delete(SEARCH.variable);
    await Deno.remove(folder, { recursive: true });
  }
}

function isUnavailable(error: unknown, message: RegExp, hint: RegExp): true {
  assert.ok(error instanceof Fault);
  assert.equal(error.code, "hypervisor-unavailable");
  assert.match(error.message, message);
  assert.match(error.hint ?? "", hint);
  return true;
}

Deno.test("findTool() says how to install what is absent", async () => {
  await assert.rejects(
    findTool(SEARCH),
    (error) => isUnavailable(error, /not installed/, /apt-get install it/),
  );
});

Deno.test("findTool() takes the program the variable names, and its version", async () => {
  await withTool('echo "Tool version 7.2.22 (Debian)"', async (path) => {
    assert.deepEqual(await findTool(SEARCH), { path, version: "7.2.22" });
  });
  await withTool("echo what", async (path) => {
    assert.deepEqual(await findTool(SEARCH), { path, version: "unknown" });
  });
});

Deno.test("findTool() tells the variable when what it names does not run", async () => {
  const hint = /Mend VOLANT_TEST_TOOL/;
  await withTool("echo broken >&2; exit 3", async () => {
    await assert.rejects(
      findTool(SEARCH),
      (error) => isUnavailable(error, /status 3: broken/, hint),
    );
  });
  await withTool("exit 0", async (path) => {
    await Deno.remove(path);
    await assert.rejects(
      findTool(SEARCH),
      (error) => isUnavailable(error, /it is not there/, hint),
    );
    await Deno.writeTextFile(path, "no program");
    await assert.rejects(
      findTool(SEARCH),
      (error) => isUnavailable(error, /Cannot run/, hint),
    );
  });
});

Deno.test("isAtLeast() compares numbers, not text", () => {
  assert.ok(isAtLeast("7.2", "7.2"));
  assert.ok(isAtLeast("10.0.1", "7.2"));
  assert.ok(isAtLeast("7.10", "7.2"));
  assert.ok(isAtLeast("6.1.0-56-cloud", "6.1"));
  assert.ok(isAtLeast("unknown", "7.2"));
  assert.ok(!isAtLeast("7.1.9", "7.2"));
  assert.ok(!isAtLeast("6", "7.2"));
});
