/**
 * Twenty real guests on a bridge are asked for pages and for echoes all the time
 * by a client beside them, while their daemon is killed, stopped and replaced by
 * another executable: not one request fails, and no held connection is cut.
 */

import assert from "node:assert/strict";
import { buildAppliance } from "./harness/appliance.ts";
import { assertTrue } from "./harness/invariants.ts";
import { Netns } from "./harness/netns.ts";
import { BridgeClient } from "./harness/bridge_client.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

const GUESTS = 20;
const HELD_PORT = 7;
/** Published on the host by the first few: translated, so that may break, too. */
const PUBLISHED = 5;

const SERVING = `
mkdir -p /www
echo "page of $(hostname)" > /www/index.html
nc -ll -p ${HELD_PORT} -e /bin/cat &
exec httpd -f -p 80 -h /www
`;

/** How the daemon goes, in this order; it comes back each time. */
const WAYS = [
  { name: "killed", signal: "SIGKILL", isReplaced: false },
  { name: "killed again", signal: "SIGKILL", isReplaced: false },
  { name: "killed once more", signal: "SIGKILL", isReplaced: false },
  { name: "replaced", signal: "SIGKILL", isReplaced: true },
  { name: "stopped", signal: "SIGTERM", isReplaced: false },
] as const;

async function replace(volant: TmpVolant): Promise<void> {
  const next = `${volant.folder}/next`;
  await Deno.copyFile(volant.executable, next);
  volant.executable = next;
}

Deno.test(`${GUESTS} real VMs are adopted while a client that talks to them directly sees no failed request`, async (t) => {
  await using netns = await Netns.create();
  await using volant = await TmpVolant.start({ netns });
  const { manifest } = await buildAppliance(volant, {
    name: "serving",
    script: SERVING,
    memoryMib: 32,
  });
  const names = Array.from({ length: GUESTS }, (_, index) => `g${index + 1}`);
  for (const [index, name] of names.entries()) {
    const publish = index < PUBLISHED
      ? ["-p", `${8000 + index}:80`, "-p", `${9000 + index}:${HELD_PORT}`]
      : [];
    await volant.run("vm", "create", name, "--manifest", manifest, ...publish);
  }
  const before = await volant.json("vm", "list");
  const targets = before.flatMap((
    { name, ip_address }: { name: string; ip_address: string },
    index: number,
  ) => [
    { name, host: ip_address, page: 80, held: HELD_PORT },
    ...(index < PUBLISHED
      ? [{ name, host: "127.0.0.1", page: 8000 + index, held: 9000 + index }]
      : []),
  ]);
  await using client = await BridgeClient.start(netns, targets);
  const asked = async () => {
    const { rounds } = client.counts;
    await until(
      "each was asked again",
      () => client.counts.rounds > rounds + 1,
      60_000,
    );
  };

  for (const { name, signal, isReplaced } of WAYS) {
    await t.step(`a daemon that is ${name}`, async () => {
      await asked();
      await volant.endDaemon(signal);
      await asked();
      if (isReplaced) await replace(volant);
      await volant.startDaemon();
      await asked();
      assert.deepEqual(client.failures, []);
      for (const [index, vm] of (await volant.json("vm", "list")).entries()) {
        const { pid, boot, ip_address, status } = before[index];
        assert.deepEqual(
          [vm.pid, vm.boot, vm.ip_address, vm.status],
          [pid, boot, ip_address, status],
        );
      }
      await assertTrue(volant, name);
    });
  }

  const { pages, echoes, slowestMs } = client.counts;
  await t.step(
    `${client.failures.length} of ${pages + echoes} requests failed ` +
      `(${pages} on new connections, the slowest ${slowestMs} ms; ${echoes} on ${targets.length} held ones)`,
    () => {
      assert.deepEqual(client.failures, []);
      assert.ok(pages >= targets.length * WAYS.length * 3);
      assert.ok(echoes >= targets.length * WAYS.length * 3);
    },
  );
});
