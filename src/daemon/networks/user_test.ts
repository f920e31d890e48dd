import assert from "node:assert/strict";
import { passtCommand, userNetwork } from "./user.ts";

const network = userNetwork({
  findPasst: () => Promise.resolve({ path: "/usr/bin/passt" }),
});

Deno.test("passtCommand() opens only the ports that are published", async () => {
  const lease = await network.lease("web", [
    { host_ip: "127.0.0.1", host_port: 8080, port: 80, protocol: "tcp" },
  ]);
  const words = passtCommand("/usr/bin/passt", 5, lease).join(" ");
  assert.match(words, /--tcp-ports 127\.0\.0\.1\/8080:80 --udp-ports none$/);
  assert.match(words, /--no-map-gw/);
});

Deno.test("a user network reaches a guest by its published port, and no other", async () => {
  const lease = await network.lease("web", [
    { host_ip: "0.0.0.0", host_port: 8080, port: 80, protocol: "tcp" },
  ]);
  assert.deepEqual(network.reach(lease, 80), { host: "127.0.0.1", port: 8080 });
  assert.equal(network.reach(lease, 81), undefined);
});

Deno.test("a user network says which host port is taken before anything starts", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const lease = await network.lease("web", [{
    host_ip: "127.0.0.1",
    host_port: taken.addr.port,
    port: 80,
    protocol: "tcp",
  }]);
  await assert.rejects(network.attach(lease), { code: "port-in-use" });
});
