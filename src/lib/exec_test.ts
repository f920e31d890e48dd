import assert from "node:assert/strict";
import { type ExecOptions, execute, run } from "./exec.ts";

Deno.test("execute() hands back status and output", async () => {
  const script = "echo out; echo err >&2; exit 3";
  assert.deepEqual(await execute("/bin/sh", ["-c", script]), {
    status: 3,
    stdout: "out\n",
    stderr: "err\n",
  });
});

Deno.test("execute() runs a program in the C locale, unless another is asked for", async () => {
  const before = Deno.env.get("LC_ALL");
  Deno.env.set("LC_ALL", "de_DE.UTF-8");
  try {
    const said = async (options?: ExecOptions) =>
      (await execute("/bin/sh", ["-c", "echo $LC_ALL"], options)).stdout;
    assert.equal(await said(), "C\n");
    assert.equal(await said({ clearEnv: true, env: { A: "b" } }), "C\n");
    assert.equal(await said({ env: { LC_ALL: "POSIX" } }), "POSIX\n");
  } finally {
    if (before === undefined) Deno.env.delete("LC_ALL");
    else Deno.env.set("LC_ALL", before);
  }
});

Deno.test("execute() gives a program its input, more than a pipe holds", async () => {
  const input = "line\n".repeat(100_000);
  const { stdout } = await execute("/bin/cat", [], { input });
  assert.equal(stdout, input);
});

Deno.test("execute() hands back the status of a program that leaves its input", async () => {
  const input = "line\n".repeat(100_000);
  const { status } = await execute("/bin/sh", ["-c", "exit 4"], { input });
  assert.equal(status, 4);
});

Deno.test("run() makes a fault of a status, with the last words", async () => {
  await assert.rejects(run("/bin/sh", ["-c", "echo why >&2; exit 3"]), {
    code: "boot-failed",
    message: 'Cannot run "/bin/sh": it ended with status 3: why',
  });
});

Deno.test("execute() says that a program is not there", async () => {
  const options = { fault: "hypervisor-unavailable", hint: "Get it" } as const;
  await assert.rejects(execute("/no/such", [], options), {
    code: "hypervisor-unavailable",
    message: 'Cannot run "/no/such": it is not there',
    hint: "Get it",
  });
});

Deno.test("execute() says that a program may not be run", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.chmod(path, 0o600);
    const options = { fault: "hypervisor-unavailable" } as const;
    await assert.rejects(execute(path, [], options), {
      code: "hypervisor-unavailable",
      message: `Cannot run "${path}": permission denied`,
      hint: /its file system may be mounted noexec/,
    });
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("execute() ends what it runs when its signal aborts, and says why", async () => {
  const stop = new AbortController();
  const running = execute("/bin/sh", ["-c", "exec sleep 100"], {
    signal: stop.signal,
  });
  stop.abort(new Error("the daemon stops"));
  await assert.rejects(running, /the daemon stops/);
});
