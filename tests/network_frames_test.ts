/**
 * What a hostile guest, or a hostile neighbour of the host, can send: frames and
 * packets that no honest kernel would. A namespace on a port of the bridge plays
 * the guest, because it can be told to send anything.
 *
 * What the rules of the bridge and of the loopback refuse is tried again with
 * these rules taken out, which shows that it is they that refuse.
 */

import assert from "node:assert/strict";
import { buildAppliance } from "./harness/appliance.ts";
import {
  arp,
  EVERYBODY,
  LINK_LOCAL,
  lldp,
  routerAdvertisement,
  sendFrame,
  udp,
} from "./harness/frames.ts";
import { Netns } from "./harness/netns.ts";
import { HOST_OUTSIDE, OUTSIDE, plugOutside } from "./harness/outside.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

const SERVER =
  "mkdir -p /www && echo served > /www/index.html && exec httpd -f -p 80 -h /www";

const HOST = "192.168.127.1";
const SERVING = "192.168.127.2";
const HOSTILE = "192.168.127.99";
const HOSTILE_MAC = "02:00:00:00:00:99";

/** Whether `from` gets an answer from the host. */
async function isHeard(from: Netns): Promise<boolean> {
  const { status } = await from.try(
    ...["busybox", "ping", "-c", "1", "-W", "2", HOST],
  );
  return status === 0;
}

/** Puts `hostile` on a port of the bridge, unknown to the daemon. */
async function plugIn(netns: Netns, hostile: Netns): Promise<void> {
  await netns.run(
    ...["ip", "link", "add", "vbr0-99", "type", "veth", "peer", "name"],
    ...["eth0", "address", HOSTILE_MAC, "netns", String(hostile.pid)],
  );
  await netns.run("ip", "link", "set", "vbr0-99", "master", "vbr0", "up");
  await netns.run("bridge", "link", "set", "dev", "vbr0-99", "isolated", "on");
  await hostile.run("ip", "addr", "add", `${HOSTILE}/24`, "dev", "eth0");
  await hostile.run("ip", "link", "set", "eth0", "up");
}

/** Says by ARP that `ip` is the hostile guest's. */
async function claim(hostile: Netns, ip: string): Promise<void> {
  await sendFrame(hostile, "eth0", {
    to: EVERYBODY,
    from: HOSTILE_MAC,
    content: arp(HOSTILE_MAC, ip, HOST),
  });
}

/** Datagrams that reached a namespace, for a program there or for none. */
async function countUdp(netns: Netns): Promise<number> {
  const text = await netns.run("cat", "/proc/net/snmp");
  const [, inDatagrams, noPorts] = /^Udp: (\d+) (\d+)/m.exec(text) ?? [];
  return Number(inDatagrams) + Number(noPorts);
}

/** The port of the bridge behind which it believes a guest to be. */
async function portOf(netns: Netns, mac: string): Promise<string | undefined> {
  const text = await netns.run("bridge", "-j", "fdb", "show", "br", "vbr0");
  const entries: readonly { readonly mac: string; readonly ifname: string }[] =
    JSON.parse(text);
  return entries.find((entry) => entry.mac === mac)?.ifname;
}

/**
 * What the host takes in of frames that are no business of the bridge's, and so
 * pass none of its rules. The hostile guest is one that the daemon's rules know.
 */
async function takenPastBridge(
  netns: Netns,
  hostile: Netns,
  victimMac: string,
): Promise<Record<string, unknown>> {
  const send = (from: string, content: readonly number[]) =>
    sendFrame(hostile, "eth0", { to: LINK_LOCAL, from, content });
  const before = await countUdp(netns);
  const ports = { fromPort: 5555, toPort: 9999 };
  await send(HOSTILE_MAC, udp({ from: HOSTILE, to: HOST, ...ports }));
  await send(HOSTILE_MAC, routerAdvertisement());
  await send(HOSTILE_MAC, arp(HOSTILE_MAC, HOSTILE, HOST));
  await send(victimMac, lldp());
  assert.equal(await isHeard(hostile), true, "frames before it were looked at");
  const neighbours = await netns.run("ip", "neigh", "show", "dev", "vbr0-99");
  const routes = await netns.run("ip", "-6", "route", "show", "default");
  return {
    datagrams: await countUdp(netns) - before,
    hasNeighbour: neighbours.includes(HOSTILE_MAC),
    hasDefaultRoute: routes.includes("vbr0-99"),
    victimIsAt: await portOf(netns, victimMac),
  };
}

/** Who the host believes has that address. */
async function macOf(netns: Netns, ip: string): Promise<string> {
  const text = await netns.run("ip", "-j", "neigh", "show", ip);
  return JSON.parse(text)[0]?.lladdr;
}

/** Counts the frames of IPv6 that come past the rules on the hostile port. */
async function countIpv6(netns: Netns): Promise<() => Promise<number>> {
  await netns.run(
    "nft",
    [
      "add table bridge seen",
      "add chain bridge seen frames { type filter hook prerouting priority 0; }",
      'add rule bridge seen frames iifname "vbr0-99" ether type ip6 counter',
    ].join("; "),
  );
  return async () => {
    const text = await netns.run(
      ...["nft", "list", "chain", "bridge", "seen", "frames"],
    );
    return Number(/counter packets (\d+)/.exec(text)?.[1]);
  };
}

async function sendIpv6(hostile: Netns): Promise<void> {
  // Nobody answers to all nodes here; the frame is what matters.
  await hostile.try(
    ...["busybox", "ping6", "-c", "1", "-W", "1", "-I", "eth0", "ff02::1"],
  );
}

Deno.test("what a hostile guest or neighbour sends is not taken in", async (t) => {
  await using netns = await Netns.create();
  await using hostile = await Netns.create(netns);
  await using outside = await Netns.create(netns);
  await plugOutside(netns, outside);
  await using volant = await TmpVolant.start({ netns });
  const { manifest } = await buildAppliance(volant, {
    name: "page",
    script: SERVER,
  });
  await volant.run(
    ...["vm", "create", "a", "--manifest", manifest],
    ...["--publish", "127.0.0.1:8080:80"],
  );
  await until(
    "the guest serves",
    async () => await netns.fetchText(`http://${SERVING}/`) === "served\n",
  );
  await plugIn(netns, hostile);

  await t.step("a port that is no guest's is not heard", async () => {
    assert.equal(await isHeard(hostile), false);
    const elements = [
      `add element inet volant_vbr0 guests { ${HOSTILE} }`,
      `add element bridge volant_vbr0 guests { "vbr0-99" . ${HOSTILE_MAC} . ${HOSTILE} }`,
    ];
    await netns.run("nft", elements.join("; "));
    assert.equal(await isHeard(hostile), true, "a guest's is");
  });

  await t.step(
    "a MAC address that is not the guest's is not heard",
    async () => {
      const become = async (mac: string) => {
        await hostile.run("ip", "link", "set", "eth0", "address", mac);
        // So that the answer, at least, would find its way.
        await netns.run(
          ...["ip", "neigh", "replace", HOSTILE, "lladdr", mac, "dev", "vbr0"],
        );
      };
      await become("02:00:00:00:00:98");
      assert.equal(await isHeard(hostile), false);
      await become(HOSTILE_MAC);
      assert.equal(await isHeard(hostile), true);
    },
  );

  await t.step(
    "ARP that claims another's address changes no mind",
    async () => {
      await claim(hostile, SERVING);
      assert.equal(await isHeard(hostile), true, "the claim was looked at");
      assert.notEqual(await macOf(netns, SERVING), HOSTILE_MAC);
      assert.equal(await netns.fetchText(`http://${SERVING}/`), "served\n");
    },
  );

  await t.step(
    "frames that are no business of the bridge's are not taken in",
    async () => {
      const { mac_address, id } = await volant.json("vm", "get", "a");
      const refused = {
        datagrams: 0,
        hasNeighbour: false,
        hasDefaultRoute: false,
        victimIsAt: `vbr0-${id}`,
      };
      const taken = () => takenPastBridge(netns, hostile, mac_address);
      assert.deepEqual(await taken(), refused);
      assert.equal(
        await netns.run(
          ...["cat", `/proc/sys/net/ipv6/conf/vbr0-${id}/disable_ipv6`],
        ),
        "1\n",
      );

      for (const family of ["inet", "arp"]) {
        await netns.run(
          ...["nft", "flush", "chain", family, "volant_vbr0", "past_bridge"],
        );
      }
      const learn = (isOff: string) =>
        netns.run(
          ...["ip", "link", "set", "dev", "vbr0", "type", "bridge"],
          ...["no_linklocal_learn", isOff],
        );
      await learn("0");
      assert.deepEqual(await taken(), {
        datagrams: 1,
        hasNeighbour: true,
        hasDefaultRoute: true,
        victimIsAt: "vbr0-99",
      }, "but for the rules");
      await learn("1");
      await netns.run(
        ...["ip", "link", "set", "dev", "vbr0", "type", "bridge", "fdb_flush"],
      );
    },
  );

  await t.step(
    "a flow to a port that is not published any more does not go on",
    async () => {
      const [{ address }] = JSON.parse(
        await netns.run("ip", "-j", "link", "show", "dev", "up0"),
      );
      const [{ address: from }] = JSON.parse(
        await outside.run("ip", "-j", "link", "show", "dev", "down0"),
      );
      const arrives = async () => {
        const before = await countUdp(hostile);
        const content = udp({
          ...{ from: OUTSIDE, fromPort: 4000 },
          ...{ to: HOST_OUTSIDE, toPort: 8082 },
        });
        await sendFrame(outside, "down0", { to: address, from, content });
        assert.equal(await isHeard(hostile), true, "it was looked at");
        return await countUdp(hostile) - before;
      };
      const elements = (verb: string, map: string, element: string) =>
        netns.run(
          ...["nft", verb, "element", "inet", "volant_vbr0", map],
          `{ ${element} }`,
        );
      const published = `${HOSTILE} . udp . 9999`;
      await elements("add", "udp_any", `8082 : ${HOSTILE} . 9999`);
      await elements("add", "published", published);
      assert.equal(await arrives(), 1);
      await elements("delete", "udp_any", `8082 : ${HOSTILE} . 9999`);
      await elements("delete", "published", published);
      assert.equal(await arrives(), 0);
      await elements("add", "published", published);
      assert.equal(await arrives(), 1, "the kernel translates it still");
      await elements("delete", "published", published);
    },
  );

  await t.step(
    "a guest does not reach another by way of the host",
    async () => {
      const [bridge] = JSON.parse(
        await netns.run("ip", "-j", "link", "show", "dev", "vbr0"),
      );
      await hostile.run(
        ...["ip", "neigh", "replace", SERVING, "lladdr", bridge.address],
        ...["dev", "eth0"],
      );
      assert.equal(await hostile.fetchText(`http://${SERVING}/`), undefined);
    },
  );

  const ipv6Frames = await countIpv6(netns);

  await t.step("nothing but IPv4 and ARP is let in", async () => {
    await sendIpv6(hostile);
    assert.equal(await ipv6Frames(), 0);
  });

  await t.step(
    "a neighbour cannot use a port of the host's loopback",
    async () => {
      await outside.run("sysctl", "-q", "net.ipv4.conf.all.route_localnet=1");
      await outside.run("ip", "addr", "flush", "dev", "lo");
      await outside.run(
        ...["ip", "route", "add", "127.0.0.1/32", "via", HOST_OUTSIDE],
      );
      const page = "http://127.0.0.1:8080/";
      assert.equal(await netns.fetchText(page), "served\n", "it is published");
      assert.equal(await outside.fetchText(page), undefined);
      await netns.run(
        ...["nft", "flush", "chain", "inet", "volant_vbr0", "loopback_only"],
      );
      assert.equal(
        await outside.fetchText(page),
        "served\n",
        "but for the rule",
      );
    },
  );

  await t.step(
    "it is the rules of the bridge that keep frames out",
    async () => {
      await netns.run(
        ...["nft", "flush", "chain", "bridge", "volant_vbr0", "own_address"],
      );
      await sendIpv6(hostile);
      assert.notEqual(await ipv6Frames(), 0);
      await claim(hostile, SERVING);
      await until(
        "the host believes the claim",
        async () => await macOf(netns, SERVING) === HOSTILE_MAC,
      );
      await netns.run("ip", "neigh", "delete", SERVING, "dev", "vbr0");
    },
  );

  await t.step("rules that were flushed come back by themselves", async () => {
    await netns.run("nft", "flush", "ruleset");
    await until(
      "the rules are back",
      async () => (await netns.knownGuests()).join() === SERVING,
    );
    assert.equal(
      await netns.fetchText("http://127.0.0.1:8080/"),
      "served\n",
    );
    assert.match(
      await Deno.readTextFile(`${volant.folder}/daemon.log`),
      /somebody flushed the ruleset/,
    );
  });

  await t.step(
    "rules that were flushed come back with the next guest",
    async () => {
      await netns.run("nft", "flush", "ruleset");
      await volant.run("vm", "create", "b", "--manifest", manifest);
      assert.deepEqual(await netns.knownGuests(), [SERVING, "192.168.127.3"]);
      assert.equal(
        await netns.fetchText("http://127.0.0.1:8080/"),
        "served\n",
        "that of the guest before, too",
      );
      assert.equal(await isHeard(hostile), false);
    },
  );

  await t.step(
    "packets of the loopback pass the bridge while a port is published there",
    async () => {
      const passes = () =>
        netns.run("cat", "/proc/sys/net/ipv4/conf/vbr0/route_localnet");
      assert.equal(await passes(), "1\n");
      await volant.run("vm", "stop", "--kill", "a");
      await until("no more", async () => await passes() === "0\n");
    },
  );

  await netns.run("ip", "link", "delete", "vbr0-99");
});
