import assert from "node:assert/strict";
import { choosePorts } from "./ports.ts";
import type { Vm } from "./vm.ts";

const holder = (host_ip: string, host_port: number) => ({
  name: "other",
  lease: {
    publish: [{ host_ip, host_port, port: 80, protocol: "tcp" }],
  },
} as unknown as Vm);

Deno.test("choosePorts() fills in the defaults and a free port", () => {
  const [first, second] = choosePorts("a", [
    { host_port: 8080, port: 80 },
    { host_port: 0, port: 81 },
  ], []);
  assert.deepEqual(first, {
    host_ip: "127.0.0.1",
    host_port: 8080,
    port: 80,
    protocol: "tcp",
  });
  assert.ok((second?.host_port ?? 0) > 0);
});

Deno.test("choosePorts() refuses what another VM holds, by its name", () => {
  assert.throws(
    () =>
      choosePorts("a", [{ host_port: 8080, port: 80 }], [
        holder("0.0.0.0", 8080),
      ]),
    { code: "port-in-use", message: /VM "other" holds 127\.0\.0\.1:8080\/tcp/ },
  );
  const udp = { host_port: 8080, port: 80, protocol: "udp" } as const;
  assert.equal(choosePorts("a", [udp], [holder("0.0.0.0", 8080)]).length, 1);
});

Deno.test("choosePorts() refuses the same host port twice", () => {
  const twice = [{ host_port: 8080, port: 80 }, { host_port: 8080, port: 81 }];
  assert.throws(() => choosePorts("a", twice, []), { code: "invalid-input" });
});
