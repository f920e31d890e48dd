/**
 * Bridged guests, in a network namespace of the test's own: who has which
 * address, who reaches whom, and that nothing of it is left.
 *
 * A guest runs what it is told by HTTP, so that the tests look at the network
 * from inside of it, too.
 */

import assert from "node:assert/strict";
import { buildAppliance } from "./harness/appliance.ts";
import { assertTrue } from "./harness/invariants.ts";
import { Netns } from "./harness/netns.ts";
import { HOST_OUTSIDE, OUTSIDE, plugOutside } from "./harness/outside.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

const OBEDIENT = `
mkdir -p /www/cgi-bin
echo "page of $(hostname)" > /www/index.html
cat > /www/cgi-bin/sh << 'END'
#!/bin/sh
echo
sh -c "$(httpd -d "$QUERY_STRING")" 2>&1
END
chmod 755 /www/cgi-bin/sh
exec httpd -f -p 80 -h /www
`;

const BRIDGE_HOST = "192.168.127.1";

async function appliance(volant: TmpVolant): Promise<string> {
  const { manifest } = await buildAppliance(volant, {
    name: "obedient",
    script: OBEDIENT,
    memoryMib: 32,
  });
  return manifest;
}

/** What a guest's shell prints; undefined when the guest does not answer. */
async function inGuest(
  netns: Netns,
  ip: string,
  command: string,
): Promise<string | undefined> {
  return await netns.fetchText(
    `http://${ip}/cgi-bin/sh?${encodeURIComponent(command)}`,
  );
}

/** Busybox's wget, linked statically by Debian, does not survive a look-up. */
function get(address: string, port = 80): string {
  return `page=$(printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${address} ${port} 2> /dev/null | tail -n 1)
    if [ -n "$page" ]; then echo "$page"; else echo unreachable; fi`;
}

async function guestUp(netns: Netns, ip: string): Promise<void> {
  await until(
    `${ip} answers`,
    async () => await netns.fetchText(`http://${ip}/`) !== undefined,
  );
}

/** A web server of the namespace itself, on all of its addresses. */
function serveIn(netns: Netns, folder: string, port: number): Disposable {
  const server = netns.spawn(
    ...["busybox", "httpd", "-f", "-p", String(port), "-h", folder],
  );
  server.stdout.cancel();
  server.stderr.cancel();
  return {
    [Symbol.dispose]: () => {
      server.kill("SIGKILL");
    },
  };
}

Deno.test("guests on a bridge reach what they may, and nothing else", async (t) => {
  await using netns = await Netns.create();
  await using outside = await Netns.create(netns);
  await plugOutside(netns, outside);
  // As a neighbour does who wants to get at guests behind the host.
  await outside.run(
    ...["ip", "route", "add", "192.168.127.0/24", "via", HOST_OUTSIDE],
  );
  await using volant = await TmpVolant.start({ netns });
  const manifest = await appliance(volant);
  const page = `${volant.folder}/page`;
  await Deno.mkdir(page);
  await Deno.writeTextFile(`${page}/index.html`, "page of the host\n");
  using _host = serveIn(netns, page, 8090);
  using _neighbour = serveIn(outside, page, 80);
  const create = (name: string, ...more: readonly string[]) =>
    volant.run("vm", "create", name, "--manifest", manifest, ...more);
  const [a, b, c, d] = [2, 3, 4, 5].map((n) => `192.168.127.${n}`) as [
    string,
    string,
    string,
    string,
  ];

  await t.step("each gets the lowest free address, and its MAC", async () => {
    await create("a", "--publish", "8080:80", "-p", "0.0.0.0:8081:80");
    await create("b");
    await create("c", "--no-isolated");
    await create("d", "--no-isolated");
    for (const [name, ip] of Object.entries({ a, b, c, d })) {
      const vm = await volant.json("vm", "get", name);
      assert.equal(vm.ip_address, ip);
      const hash = new Uint8Array(
        await crypto.subtle.digest(
          "SHA-1",
          new TextEncoder().encode(`${name}|${ip}`),
        ),
      );
      const hex = [...hash.subarray(0, 5)].map((byte) =>
        byte.toString(16).padStart(2, "0")
      );
      assert.equal(vm.mac_address, ["02", ...hex].join(":"));
      await guestUp(netns, ip);
      const shown = await inGuest(netns, ip, "cat /sys/class/net/eth0/address");
      assert.equal(shown?.trim(), vm.mac_address);
    }
    await assertTrue(volant, "four guests");
  });

  await t.step("the host reaches them", async () => {
    assert.equal(await netns.fetchText(`http://${a}/`), "page of a\n");
    assert.equal(await netns.fetchText(`http://${b}/`), "page of b\n");
  });

  await t.step("they do not reach each other", async () => {
    const cases = [[a, b], [b, a], [a, c], [c, a]] as const;
    for (const [from, to] of cases) {
      const said = await inGuest(netns, from, get(to));
      assert.equal(said?.trim(), "unreachable", `${from} to ${to}`);
    }
  });

  await t.step("unless both are open to others", async () => {
    assert.equal(
      await inGuest(netns, c, get(d)),
      "page of d\n",
    );
    assert.equal(
      await inGuest(netns, d, get(c)),
      "page of c\n",
    );
  });

  await t.step(
    "they reach no service of the host, on any address",
    async () => {
      assert.equal(
        await netns.fetchText("http://127.0.0.1:8090/"),
        "page of the host\n",
        "the service runs",
      );
      for (const address of [BRIDGE_HOST, HOST_OUTSIDE]) {
        const said = await inGuest(netns, a, get(address, 8090));
        assert.equal(said?.trim(), "unreachable", address);
      }
    },
  );

  await t.step("they reach the outside, as the host", async () => {
    assert.equal(
      await inGuest(netns, a, get(OUTSIDE)),
      "page of the host\n",
    );
  });

  await t.step("the outside reaches published ports alone", async () => {
    assert.equal(
      await outside.fetchText(`http://${HOST_OUTSIDE}:8081/`),
      "page of a\n",
    );
    assert.equal(
      await outside.fetchText(`http://${HOST_OUTSIDE}:8080/`),
      undefined,
      "published on 127.0.0.1 only",
    );
    assert.equal(await outside.fetchText(`http://${a}/`), undefined);
  });

  await t.step("published ports are there on the host's loopback", async () => {
    for (const port of [8080, 8081]) {
      assert.equal(
        await netns.fetchText(`http://127.0.0.1:${port}/`),
        "page of a\n",
      );
    }
  });

  await t.step(
    "a guest that takes another's address is not heard",
    async () => {
      const ping = (from: string) =>
        `ping -c 1 -W 2 -I ${from} ${BRIDGE_HOST} > /dev/null && echo heard || echo lost`;
      assert.equal((await inGuest(netns, a, ping(a)))?.trim(), "heard");
      const said = await inGuest(
        netns,
        a,
        `ip addr add 192.168.127.99/24 dev eth0 && ${ping("192.168.127.99")}`,
      );
      assert.equal(said?.trim(), "lost");
    },
  );

  await t.step("a daemon that is killed changes nothing of it", async () => {
    await volant.endDaemon("SIGKILL");
    assert.equal(
      await netns.fetchText("http://127.0.0.1:8080/"),
      "page of a\n",
    );
    await volant.startDaemon();
    assert.equal(
      await netns.fetchText("http://127.0.0.1:8080/"),
      "page of a\n",
    );
    const said = await inGuest(netns, a, get(b));
    assert.equal(said?.trim(), "unreachable");
    await assertTrue(volant, "after a crash");
  });

  await t.step(
    "a device that cannot be removed keeps no guest from its rules",
    async () => {
      // The loopback is the one device of a namespace that cannot be deleted.
      const rename = async (from: string, to: string) => {
        await netns.run("ip", "link", "set", from, "down");
        await netns.run("ip", "link", "set", from, "name", to);
        await netns.run("ip", "link", "set", to, "up");
      };
      await volant.endDaemon("SIGKILL");
      await netns.run("nft", "flush", "ruleset");
      await rename("lo", "vbr0-999");
      await volant.startDaemon();
      assert.deepEqual(await netns.knownGuests(), [a, b, c, d]);
      assert.match(
        await Deno.readTextFile(`${volant.folder}/daemon.log`),
        /vbr0-999.{0,4} cannot be removed/,
      );
      await rename("vbr0-999", "lo");
      await assertTrue(volant, "after a device that cannot be removed");
    },
  );

  await t.step(
    "a stopped VM keeps its address, a deleted one gives it up",
    async () => {
      await volant.run("vm", "stop", "--kill", "a");
      await volant.run("vm", "delete", "--force", "b");
      await assertTrue(volant, "one stopped, one deleted");
      await create("e", "--no-start");
      assert.equal((await volant.json("vm", "get", "e")).ip_address, b);
      assert.equal((await volant.json("vm", "get", "a")).ip_address, a);
    },
  );
});

Deno.test("addresses are asked for by name, and run out", async (t) => {
  await using netns = await Netns.create();
  await using volant = await TmpVolant.start({
    netns,
    env: { VOLANT_SUBNET: "10.9.8.0/29" },
  });
  const manifest = await appliance(volant);
  const create = (name: string, ...more: readonly string[]) =>
    volant.volant(
      ...["vm", "create", name, "--manifest", manifest, "--no-start", ...more],
    );
  const addressOf = async (name: string) =>
    (await volant.json("vm", "get", name)).ip_address;

  await t.step("one asked for is given", async () => {
    assert.equal((await create("five", "--ip", "10.9.8.5")).status, 0);
    assert.equal(await addressOf("five"), "10.9.8.5");
  });
  await t.step(
    "one that cannot be given is refused, with the reason",
    async () => {
      const refusals = [
        ["10.9.8.5", /another VM holds it/],
        ["10.9.8.1", /it is the host's own/],
        ["10.9.8.7", /it means the whole subnet/],
        ["10.9.9.2", /it is not in the subnet 10\.9\.8\.0\/29/],
      ] as const;
      for (const [address, wanted] of refusals) {
        const { status, stderr } = await create("other", "--ip", address);
        assert.notEqual(status, 0, address);
        assert.match(stderr, wanted);
      }
    },
  );
  await t.step("all five are given, though asked for at once", async () => {
    const names = ["one", "two", "three", "four"];
    const results = await Promise.all(names.map((name) => create(name)));
    assert.deepEqual(results.map(({ status }) => status), [0, 0, 0, 0]);
    const given = await Promise.all(names.map(addressOf));
    assert.deepEqual(
      given.toSorted(),
      ["10.9.8.2", "10.9.8.3", "10.9.8.4", "10.9.8.6"],
    );
  });
  await t.step("the sixth is refused, and takes nothing", async () => {
    const { status, stderr } = await create("six");
    assert.equal(status, 73);
    assert.match(stderr, /all 5 addresses of 10\.9\.8\.0\/29 are held/);
    assert.match(
      stderr,
      /Delete VMs, or start the daemon with a larger --subnet/,
    );
    assert.equal((await volant.json("vm", "list")).length, 5);
  });
  await t.step("and given what a deleted one held", async () => {
    const freed = await addressOf("two");
    await volant.run("vm", "delete", "two");
    assert.equal((await create("six")).status, 0);
    assert.equal(await addressOf("six"), freed);
  });
});

Deno.test("VMs of an earlier subnet go on when the daemon's is changed", async () => {
  await using netns = await Netns.create();
  await using volant = await TmpVolant.start({ netns });
  const manifest = await appliance(volant);
  await volant.run("vm", "create", "old", "--manifest", manifest);
  await guestUp(netns, "192.168.127.2");

  await volant.endDaemon("SIGTERM");
  await volant.startDaemon({ VOLANT_SUBNET: "10.5.0.0/24" });
  await volant.run("vm", "create", "new", "--manifest", manifest);
  assert.equal((await volant.json("vm", "get", "new")).ip_address, "10.5.0.2");
  await guestUp(netns, "10.5.0.2");
  assert.equal(
    await netns.fetchText("http://192.168.127.2/"),
    "page of old\n",
    "it runs on",
  );
  const said = await inGuest(netns, "10.5.0.2", get("192.168.127.2"));
  assert.equal(said?.trim(), "unreachable");

  await volant.run("vm", "restart", "old");
  assert.equal(
    (await volant.json("vm", "get", "old")).ip_address,
    "192.168.127.2",
    "an address is a VM's until it is deleted",
  );
  await guestUp(netns, "192.168.127.2");
});

Deno.test("a subnet or a bridge that is somebody else's is left alone", async (t) => {
  await using netns = await Netns.create();
  await using volant = await TmpVolant.start({ netns });
  const manifest = await appliance(volant);
  const create = () =>
    volant.volant("vm", "create", "a", "--manifest", manifest);
  await netns.run(
    ...["ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"],
  );

  await t.step("a subnet with a route to it", async () => {
    await netns.run("ip", "addr", "add", "192.168.127.77/24", "dev", "v0");
    await netns.run("ip", "link", "set", "v0", "up");
    const { status, stderr } = await create();
    assert.equal(status, 69);
    assert.match(stderr, /192\.168\.127\.0\/24 is in use: .* of v0/);
    assert.match(stderr, /--subnet/);
    await netns.run("ip", "addr", "flush", "dev", "v0");
  });
  await t.step("an interface that has the bridge's name", async () => {
    await netns.run("ip", "link", "del", "vbr0").catch(() => {});
    await netns.run("ip", "link", "set", "v0", "down");
    await netns.run("ip", "link", "set", "v0", "name", "vbr0");
    const { status, stderr } = await create();
    assert.equal(status, 69);
    assert.match(stderr, /"vbr0" is there already/);
    assert.match(stderr, /--bridge/);
    await netns.run("ip", "link", "del", "vbr0");
  });
  await t.step("nothing is left of the attempts", async () => {
    assert.deepEqual(await volant.json("vm", "list"), []);
    assert.equal((await create()).status, 0, "now it can be had");
    await assertTrue(volant, "created at last");
  });
});
