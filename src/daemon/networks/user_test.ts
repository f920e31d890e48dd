import assert from "node:assert/strict";
import type { PublishedPort } from "../../api/vms.ts";
import { noNetwork } from "./none.ts";
import { passtCommand, userNetwork } from "./user.ts";

const network = userNetwork({
  findPasst: () => Promise.resolve({ path: "/usr/bin/passt" }),
});

function lease(publish: readonly Required<PublishedPort>[]) {
  return network.lease({ vmName: "web", publish }, []);
}

Deno.test("passtCommand() opens only the ports that are published", async () => {
  const held = await lease([
    { host_ip: "127.0.0.1", host_port: 8080, port: 80, protocol: "tcp" },
  ]);
  const words = passtCommand("/usr/bin/passt", 5, held).join(" ");
  assert.match(words, /--tcp-ports 127\.0\.0\.1\/8080:80 --udp-ports none$/);
  assert.match(words, /--no-map-gw/);
});

Deno.test("a user network reaches a guest by its published port, and no other", async () => {
  const held = await lease([
    { host_ip: "0.0.0.0", host_port: 8080, port: 80, protocol: "tcp" },
  ]);
  assert.deepEqual(network.reach(held, 80), { host: "127.0.0.1", port: 8080 });
  assert.equal(network.reach(held, 81), undefined);
});

Deno.test("a user network says which host port is taken before anything starts", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const held = await lease([{
    host_ip: "127.0.0.1",
    host_port: taken.addr.port,
    port: 80,
    protocol: "tcp",
  }]);
  await assert.rejects(network.attach({ id: 1, name: "web", lease: held }), {
    code: "port-in-use",
  });
});

for (const mode of [network, noNetwork]) {
  Deno.test(`network mode "${mode.mode}" gives no address that is asked for`, async () => {
    const request = { vmName: "web", publish: [] };
    await assert.rejects(mode.lease({ ...request, ip: "10.0.0.5" }, []), {
      code: "not-supported",
      message:
        `Cannot create VM "web" with address 10.0.0.5: its network mode is "${mode.mode}"`,
    });
    await assert.rejects(mode.lease({ ...request, isolated: false }, []), {
      code: "not-supported",
    });
  });
}
