/** What is said on the control port, read and worded. */

import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import { ControlLines, formatHostLine, parseGuestLine } from "./control.ts";

Deno.test("parseGuestLine() reads every line of the contract", () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ["volant 1", { kind: "version", version: 1 }],
    ["state booting", { kind: "booting" }],
    [
      "state started pid=12 restarts=0",
      { kind: "started", pid: 12, restarts: 0 },
    ],
    ["state waiting status=1 restarts=1 delay_ms=1000", {
      kind: "waiting",
      status: 1,
      restarts: 1,
      delayMs: 1000,
      oom: false,
    }],
    ["state waiting status=137 restarts=2 delay_ms=0 oom=1", {
      kind: "waiting",
      status: 137,
      restarts: 2,
      delayMs: 0,
      oom: true,
    }],
    ["state stopping", { kind: "stopping" }],
    ["state exited status=0", { kind: "exited", status: 0, oom: false }],
    ["state exited status=137 oom=1", {
      kind: "exited",
      status: 137,
      oom: true,
    }],
    ["fault cannot mount x", { kind: "fault", sentence: "cannot mount x" }],
    ["off button", { kind: "off", reason: "button" }],
    ["error what is this", { kind: "error", line: "what is this" }],
  ];
  for (const [line, message] of cases) {
    assert.deepEqual(parseGuestLine(line), message, line);
  }
});

Deno.test("parseGuestLine() makes nothing of what follows no rule", () => {
  const lines = [
    "",
    "volant",
    "volant one",
    "state",
    "state asleep",
    "state started pid=1",
    "state started pid=-1 restarts=0",
    "state started pid=12345678901 restarts=0",
    "state exited status=256",
    "state exited status=1 oom=2",
    "state exited status=1 and more",
    "state waiting status=999 restarts=1 delay_ms=1",
    "off",
    "off tired",
    "Volant 1",
  ];
  for (const line of lines) {
    assert.equal(parseGuestLine(line), undefined, line);
  }
});

Deno.test("formatHostLine() words what the host may say", () => {
  assert.equal(formatHostLine({ kind: "hello" }), "hello 1\n");
  assert.equal(formatHostLine({ kind: "kill" }), "kill\n");
  assert.equal(formatHostLine({ kind: "stop", graceMs: 0 }), "stop 0\n");
  assert.equal(formatHostLine({ kind: "signal", signal: 10 }), "signal 10\n");
});

Deno.test("formatHostLine() refuses what a guest would not understand", () => {
  for (const graceMs of [-1, 0.5, NaN, 2 ** 31]) {
    assert.throws(
      () => formatHostLine({ kind: "stop", graceMs }),
      (thrown) => thrown instanceof Fault && thrown.code === "invalid-input",
    );
  }
  for (const signal of [0, 65, 1.5]) {
    assert.throws(() => formatHostLine({ kind: "signal", signal }), Fault);
  }
});

Deno.test("ControlLines.push() joins parts, and drops empty and over-long lines", () => {
  const lines = new ControlLines();
  const push = (text: string) => lines.push(new TextEncoder().encode(text));
  assert.deepEqual(push("vol"), []);
  assert.deepEqual(push("ant 1\n\n\nstate boo"), ["volant 1"]);
  assert.deepEqual(push("ting\n"), ["state booting"]);
  assert.deepEqual(push("x".repeat(511) + "\n"), ["x".repeat(511)]);
  assert.deepEqual(push("x".repeat(512) + "\noff exit\n"), ["off exit"]);
});
