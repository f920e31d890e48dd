/**
 * What the tests of `volant run` have in common: a manifest in place of an image,
 * and a daemon whose VM writes two lines and ends.
 *
 * @module
 */

import type { VmView } from "../api/vms.ts";
import {
  type Answer,
  type Asked,
  type FakeDaemon,
  fakeDaemon,
  fakeVm,
} from "./fake_daemon.ts";

const MANIFEST = {
  schema_version: "v1",
  name: "Busy_Box-1.2",
  version: "1.0.0",
  runtime: "busybox",
  initramfs: { url: "/web.cpio" },
  resources: { cpu_cores: 1, memory_mb: 64 },
  workload: { entrypoint: ["/bin/init"], args: ["--serve"] },
};

export const at = "2026-01-01T00:00:00Z";

/** A file with the manifest, which `run` takes in place of an image. */
export async function manifestFile(
  change: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly path: string } & Disposable> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/image.json`;
  await Deno.writeTextFile(path, JSON.stringify({ ...MANIFEST, ...change }));
  return {
    path,
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

export function ended(more: Partial<VmView["exit"]> = {}): Partial<VmView> {
  return {
    status: "crashed",
    boot: { requested_at: at, workload_ms: 5 },
    exit: { cause: "exited", status: 0, forced: false, at, ...more },
  };
}

export const LINES = [
  { timestamp: "T1", stream: "stdout", line: "out" },
  { timestamp: "T2", stream: "stderr", line: "err" },
];

export function ndjson(lines: readonly unknown[]): Response {
  return new Response(
    lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
  );
}

/** A daemon whose VM writes two lines and ends as `vm` says. */
export function daemonOf(
  vm: Partial<VmView>,
  more: Partial<Record<string, Answer>> = {},
): Promise<FakeDaemon> {
  return fakeDaemon((asked) => {
    const own = more[keyOf(asked)];
    if (own !== undefined) return own(asked);
    if (asked.path.endsWith("/status")) return Response.json({ status: "ok" });
    if (asked.path.endsWith("/logs")) return ndjson(LINES);
    if (asked.method === "DELETE") return new Response(null, { status: 204 });
    const name = (asked.body as { name?: string } | undefined)?.name ?? "x";
    return Response.json(fakeVm(name, vm));
  });
}

function keyOf({ method, path }: Asked): string {
  const verb = path.split("/").slice(5).join("/");
  return verb === "" ? method : verb;
}
