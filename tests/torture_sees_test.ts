/**
 * The torture must be able to find something: each kind of damage is done by
 * hand, and must be seen.
 */

import assert from "node:assert/strict";
import {
  outputLog,
  readNumbers,
  type Spec,
  typeLine,
} from "./torture/guests.ts";
import { Host } from "./torture/host.ts";
import { until } from "./harness/until.ts";
import type { Excuses } from "./torture/model.ts";
import { Random } from "./torture/random.ts";
import { look, prepare } from "./torture/truth.ts";
import { makeWorld, type World } from "./torture/world.ts";

const SPEC: Spec = {
  kind: "overlay",
  network: "bridged",
  port: 18_000,
  restart: "no",
  autoRemove: false,
};
const NO_EXCUSE: Excuses = { causes: new Map() };

async function assertSeen(world: World, what: RegExp): Promise<void> {
  const { wrong } = await look(world, NO_EXCUSE);
  assert.match(wrong.join("\n"), what);
}

Deno.test("damage that is done to a host is seen", async (t) => {
  await using host = await Host.create("simulated");
  const world = { ...await makeWorld(host), random: new Random(1) };
  const { model } = world;
  const { netns } = host;
  await prepare(world, { name: "create", target: "v", spec: SPEC });
  const id = model.vms.get("v")?.id ?? 0;
  const state = `${host.stateDir}/vms/${id}`;
  await typeLine(host, id, "put 7");
  await until(
    "it is put down",
    () => readNumbers(outputLog(host, id)).put === 7,
  );
  assert.deepEqual((await look(world, NO_EXCUSE)).wrong, []);

  await t.step("a device of no VM", async () => {
    await netns.run("ip", "tuntap", "add", "dev", "vbr0-99", "mode", "tap");
    await assertSeen(world, /TAP vbr0-99 is of no VM/);
    await netns.run("ip", "link", "delete", "dev", "vbr0-99");
  });
  await t.step("a rule of no VM, and one that is missing", async () => {
    const element = ["element", "inet", "volant_vbr0", "guests"];
    await netns.run("nft", "add", ...element, "{ 192.168.127.99 }");
    await assertSeen(world, /element inet guests 192.168.127.99 is of no VM/);
    await netns.run("nft", "delete", ...element, "{ 192.168.127.99 }");
    const ip = model.vms.get("v")?.ip;
    await netns.run("nft", "delete", ...element, `{ ${ip} }`);
    await assertSeen(world, /firewall element inet guests .* is missing/);
    await netns.run("nft", "add", ...element, `{ ${ip} }`);
  });
  await t.step("a process and a port of nobody", async () => {
    const server = netns.spawn("busybox", "nc", "-l", "-p", "18999");
    await until("it listens", async () => {
      const { wrong } = await look(world, NO_EXCUSE);
      return wrong.some((each) => /port 18999 is of no VM/.test(each)) &&
        wrong.some((each) => /process \d+ is nobody's: busybox/.test(each));
    });
    server.kill("SIGKILL");
    await server.output();
  });
  await t.step("files of nobody", async () => {
    for (
      const path of [
        `${host.stateDir}/stray`,
        `${state}/stray`,
        `${host.stateDir}/artifacts/sha256/${"0".repeat(64)}`,
        `${host.runtimeDir}/vms/${id}/stray`,
      ]
    ) {
      await Deno.writeTextFile(path, "");
      await assertSeen(world, /is nobody's/);
      await Deno.remove(path);
    }
  });
  await t.step("a number that was put down and is lost", async () => {
    const log = `${state}/logs/output.log`;
    const text = await Deno.readTextFile(log);
    await Deno.writeTextFile(log, text + text.replace(/F .*\n/g, "F kept 6\n"));
    await assertSeen(world, /found 6, but 7 was put down/);
    await Deno.writeTextFile(log, text);
  });
  await t.step("a VM that ended of itself, and one that is gone", async () => {
    await typeLine(host, id, "exit 3");
    await until("it is seen", async () => {
      const { wrong } = await look(world, NO_EXCUSE);
      return wrong.some((each) => /v is crashed of itself/.test(each));
    });
    await host.call("/vms/v", { method: "DELETE" });
    await assertSeen(world, /VM v is lost/);
  });
});
