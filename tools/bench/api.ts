/**
 * How many requests the daemon answers, beside a bare `Deno.serve` that sends
 * the same bytes: each server on one core, the load on the other.
 */

import { idleAppliance } from "../../tests/harness/appliance.ts";
import { TmpVolant } from "../../tests/harness/tmp_volant.ts";
import { until } from "../../tests/harness/until.ts";
import { type Figure, output, rounded } from "./figure.ts";

const REQUESTS = 4000;
const CONNECTIONS = 8;

export async function benchApi(): Promise<Figure[]> {
  await using volant = await TmpVolant.start();
  const { manifest } = await idleAppliance(volant);
  await volant.run(
    "vm",
    "create",
    "idle",
    "--manifest",
    manifest,
    "--no-start",
    "--network",
    "none",
  );
  await output("taskset", ["-a", "-c", "-p", "0", String(volant.daemonPid)]);
  const path = "/api/v1/vms/idle";
  const body = await (await volant.request(path)).text();

  const socket = `${volant.folder}/bare.sock`;
  const bare = await bareServer(socket, body);
  try {
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < 3; round++) {
      ours.push(await load(volant.socketPath, path));
      theirs.push(await load(socket, path));
    }
    const best = Math.max(...ours);
    const bareBest = Math.max(...theirs);
    const how =
      `GET of one VM, ${REQUESTS} requests on ${CONNECTIONS} connections, server and load on a core each, best of 3 in turn`;
    return [
      {
        key: "api.get_vm.requests_per_second",
        value: rounded(best),
        unit: "requests/s",
        baseline: rounded(bareBest),
        how,
      },
      {
        key: "api.get_vm.fraction_of_bare_serve",
        value: rounded(best / bareBest),
        unit: "of a bare Deno.serve",
        how,
      },
    ];
  } finally {
    bare.kill("SIGKILL");
    await bare.status;
  }
}

async function bareServer(
  socket: string,
  body: string,
): Promise<Deno.ChildProcess> {
  const script = `Deno.serve({path: ${
    JSON.stringify(socket)
  }, onListen() {}}, () => new Response(${
    JSON.stringify(body)
  }, {headers: {"content-type": "application/json"}}));`;
  const server = new Deno.Command("taskset", {
    args: ["-c", "0", Deno.execPath(), "eval", script],
    stdin: "null",
  }).spawn();
  await until("the bare server listens", async () => {
    return (await Deno.stat(socket).catch(() => undefined)) !== undefined;
  });
  return server;
}

/** Requests per second. */
async function load(socket: string, path: string): Promise<number> {
  const script = `
    const client = Deno.createHttpClient({proxy: {transport: "unix", path: ${
    JSON.stringify(socket)
  }}, poolMaxIdlePerHost: ${CONNECTIONS}});
    const get = async () => await (await fetch("http://localhost${path}", {client})).text();
    await Promise.all(Array.from({length: ${CONNECTIONS}}, get));
    const start = performance.now();
    await Promise.all(Array.from({length: ${CONNECTIONS}}, async () => {
      for (let i = 0; i < ${REQUESTS / CONNECTIONS}; i++) await get();
    }));
    console.log(${REQUESTS} / (performance.now() - start) * 1000);`;
  const { stdout } = await output("taskset", [
    "-c",
    "1",
    Deno.execPath(),
    "eval",
    script,
  ]);
  return Number(stdout);
}
