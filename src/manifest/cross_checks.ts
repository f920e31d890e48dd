/**
 * What a manifest's keys must be to one another. Each rule gives the path of
 * the key to change and the end of the sentence "<key> ...".
 *
 * @module
 */

import type { Manifest } from "./manifest.ts";

export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly hint?: string | undefined;
}

export function crossCheck(manifest: Manifest): Problem[] {
  return [...checkMedia(manifest), ...crossCheckTemplate(manifest)];
}

/** As `crossCheck`, of a manifest whose artifact is not named yet. */
export function crossCheckTemplate(manifest: Manifest): Problem[] {
  return [
    ...checkWorkload(manifest),
    ...checkHealth(manifest),
    ...checkExposed(manifest),
    ...checkDisks(manifest),
  ];
}

function checkMedia({ rootfs, initramfs }: Manifest): Problem[] {
  if (rootfs !== undefined || initramfs !== undefined) return [];
  return [{
    path: ["initramfs"],
    message: "is missing, and so is rootfs: there is nothing to boot",
    hint: "Name a file in initramfs.url or rootfs.url; " +
      "`volant build` writes a manifest that does",
  }];
}

function checkWorkload({ workload, init }: Manifest): Problem[] {
  if (init?.path !== undefined && init.none === true) {
    return [{
      path: ["init"],
      message: "has both path and none",
      hint: "Keep init.path to name a program as PID 1, or init.none",
    }];
  }
  if (workload === undefined) {
    return init !== undefined ? [] : [{
      path: ["workload"],
      message: "is missing: there is nothing to run",
      hint: 'Add the program to run, such as "workload": ' +
        '{"entrypoint": ["/bin/server"]}',
    }];
  }
  const problems: Problem[] = [];
  if (workload.entrypoint[0] === "") {
    problems.push({
      path: ["workload", "entrypoint", 0],
      message: "is empty: it must name a program",
      hint: "Write the path of the program, such as /bin/server",
    });
  }
  if (workload.type === "http" && workload.base_url === undefined) {
    problems.push({
      path: ["workload", "base_url"],
      message: 'is missing, and workload.type is "http"',
      hint: "Write where the workload answers in the guest, such as " +
        "http://127.0.0.1:80",
    });
  }
  for (const [name, { soft, hard }] of Object.entries(workload.rlimits)) {
    if (asNumber(soft) <= asNumber(hard)) continue;
    problems.push({
      path: ["workload", "rlimits", name],
      message: `has a soft limit (${soft}) above its hard one (${hard})`,
      hint: "Lower soft or raise hard",
    });
  }
  return problems;
}

function asNumber(limit: number | "unlimited"): number {
  return limit === "unlimited" ? Infinity : limit;
}

function checkHealth({ workload, health_check }: Manifest): Problem[] {
  if (health_check === undefined || workload?.base_url !== undefined) return [];
  return [{
    path: ["workload", "base_url"],
    message: "is missing, and health_check needs it",
    hint: "Write where the workload answers in the guest, such as " +
      "http://127.0.0.1:80",
  }];
}

function checkExposed({ network }: Manifest): Problem[] {
  const problems: Problem[] = [];
  const taken = new Map<string, number>();
  for (const [index, expose] of network.expose.entries()) {
    const { host_port, protocol, host_ip } = expose;
    if (host_port === undefined || host_port === 0) continue;
    const key = `${protocol} ${host_ip ?? "*"} ${host_port}`;
    const earlier = taken.get(key);
    taken.set(key, index);
    if (earlier === undefined) continue;
    problems.push({
      path: ["network", "expose", index, "host_port"],
      message: `is ${host_port}, which network.expose[${earlier}] has already`,
      hint: "Give each published port a host_port of its own",
    });
  }
  const published = network.expose.findIndex((expose) =>
    expose.host_port !== undefined
  );
  if (network.mode === "none" && published >= 0) {
    problems.push({
      path: ["network", "expose", published, "host_port"],
      message: `cannot be published: network.mode is "none"`,
      hint: 'Set network.mode to "user" or "bridged", or drop host_port',
    });
  }
  return problems;
}

function checkDisks({ disks }: Manifest): Problem[] {
  const problems: Problem[] = [];
  const names = new Set<string>();
  for (const [index, { name }] of disks.entries()) {
    if (names.has(name)) {
      problems.push({
        path: ["disks", index, "name"],
        message: `is "${name}", which another disk has already`,
        hint: "Give each disk a name of its own",
      });
    }
    names.add(name);
  }
  return problems;
}
