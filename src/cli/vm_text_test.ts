import assert from "node:assert/strict";
import {
  endedStatus,
  exitSentence,
  phaseRows,
  publishedPort,
  restartsText,
  shortKernelLine,
  statusCell,
} from "./vm_text.ts";

const at = "2026-01-01T00:00:00Z";

Deno.test("phaseRows() gives each phase its own duration", () => {
  const rows = phaseRows({
    requested_at: at,
    vmm_ms: 10,
    kernel_ms: 110,
    workload_ms: 112.5,
    healthy_ms: 1_112.5,
  });
  assert.deepEqual(rows.map(({ phase, took, since }) => [phase, took, since]), [
    ["request", "10.0 ms", "10.0 ms"],
    ["kernel", "100 ms", "110 ms"],
    ["shim", "2.50 ms", "113 ms"],
    ["workload", "1.00 s", "1.11 s"],
  ]);
});

Deno.test("phaseRows() leaves out what has not happened", () => {
  assert.deepEqual(phaseRows({ requested_at: at }), []);
  assert.equal(phaseRows({ requested_at: at, vmm_ms: 1 }).length, 1);
});

Deno.test("publishedPort() puts IPv6 in brackets and names UDP", () => {
  const tcp = { host_ip: "127.0.0.1", host_port: 80, port: 8080 };
  assert.equal(publishedPort(tcp), "127.0.0.1:80->8080");
  const udp = {
    host_ip: "::1",
    host_port: 53,
    port: 53,
    protocol: "udp",
  } as const;
  assert.equal(publishedPort(udp), "[::1]:53->53/udp");
});

Deno.test("exitSentence() shows no control characters of the guest's", () => {
  const exit = { cause: "guest-panic", forced: true, at };
  assert.equal(
    exitSentence({ ...exit, detail: "Kernel\x1b[2J panic" }),
    "guest-panic (it had to be forced): Kernel panic",
  );
});

Deno.test("exitSentence() says the status once", () => {
  const exit = { cause: "exited", status: 126, forced: false, at };
  assert.equal(exitSentence(exit), "exited with status 126");
  assert.equal(
    exitSentence({ ...exit, detail: "it ended with status 126: not there" }),
    "exited: it ended with status 126: not there",
  );
});

Deno.test("endedStatus() is the workload's, or says that there is none", () => {
  const exit = { forced: false, at };
  assert.equal(endedStatus({ ...exit, cause: "exited", status: 3 }), 3);
  assert.equal(endedStatus({ ...exit, cause: "stopped", status: 143 }), 143);
  assert.equal(endedStatus({ ...exit, cause: "stopped" }), 0);
  assert.equal(endedStatus({ ...exit, cause: "stopped", forced: true }), 70);
  assert.equal(endedStatus({ ...exit, cause: "killed" }), 70);
  assert.equal(endedStatus({ ...exit, cause: "guest-panic" }), 70);
  assert.equal(endedStatus(undefined), 70);
});

Deno.test("shortKernelLine() leaves out the encoded manifest alone", () => {
  assert.equal(
    shortKernelLine("quiet volant.manifest=eyJh root=/dev/vda"),
    "quiet volant.manifest=(4 bytes) root=/dev/vda",
  );
  assert.equal(shortKernelLine("console=ttyS0"), "console=ttyS0");
});

Deno.test("statusCell() says what is to come of a VM that waits for its next start", () => {
  assert.deepEqual(
    statusCell({ status: "crashed", health: "none", restarting_at: at }),
    { text: "crashed (restarting)", style: "red" },
  );
});

Deno.test("restartsText() tells the workload's restarts from the machine's", () => {
  assert.equal(restartsText({ restarts: 2, machine_restarts: 0 }), "2");
  assert.equal(
    restartsText({ restarts: 2, machine_restarts: 1 }),
    "2, and 1 of the machine",
  );
});
