import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import { nearest } from "./nearest.ts";
import { signalNumber, spellSignal } from "./signals.ts";
import { digest, isVmName, macAddress, port, vmName } from "./values.ts";

Deno.test("a VM name is a DNS label that starts with a letter", () => {
  for (const name of ["a", "web-1", "a".repeat(63)]) assert.ok(isVmName(name));
  const wrong = [
    "",
    "1a",
    "-a",
    "a-",
    "A",
    "a.b",
    "a_b",
    "a\n",
    "a".repeat(64),
  ];
  for (const name of wrong) {
    assert.throws(() => vmName(name), Fault, JSON.stringify(name));
  }
});

Deno.test("a digest is read with and without its prefix", () => {
  const hex = "ab".repeat(32);
  assert.equal(digest(hex.toUpperCase()), `sha256:${hex}`);
  assert.equal(digest(` sha256:${hex}`), `sha256:${hex}`);
  for (const text of ["", hex.slice(1), `sha512:${hex}`, `${hex}0`]) {
    assert.throws(() => digest(text), Fault);
  }
});

Deno.test("a port is a whole number from 1 to 65535", () => {
  assert.equal(port(65535), 65535);
  for (const value of [0, 65536, 1.5, NaN]) {
    assert.throws(() => port(value), Fault);
  }
});

Deno.test("a MAC address is that of one station", () => {
  assert.equal(macAddress("02:1B:44:11:3A:B7"), "02:1b:44:11:3a:b7");
  assert.throws(() => macAddress("03:1b:44:11:3a:b7"), /multicast/);
  assert.throws(() => macAddress("02:1b:44:11:3a"), /six hexadecimal pairs/);
});

Deno.test("signals are named and numbered as Linux does", () => {
  const numbers: [name: string, number: number | undefined][] = [
    ["SIGHUP", 1],
    ["SIGKILL", 9],
    ["SIGTERM", 15],
    ["SIGSYS", 31],
    ["SIGRTMIN", 34],
    ["SIGRTMIN+3", 37],
    ["SIGRTMIN+31", undefined],
    ["SIGNOPE", undefined],
  ];
  for (const [name, number] of numbers) {
    assert.equal(signalNumber(name), number, name);
  }
  assert.equal(spellSignal("term"), "SIGTERM");
  assert.equal(spellSignal(37), "SIGRTMIN+3");
  assert.equal(spellSignal("99"), "99");
  assert.equal(signalNumber(spellSignal("99")), undefined);
});

Deno.test("the nearest word is found, and none where none is near", () => {
  const words = ["entrypoint", "env", "restart", "host_port"];
  assert.equal(nearest("entrypont", words), "entrypoint");
  assert.equal(nearest("restrat", words), "restart");
  assert.equal(nearest("hostPort", words), "host_port");
  assert.equal(nearest("kernel", words), undefined);
});
