/**
 * Reads the words of a command line into values: sizes, times, ports.
 *
 * A word that cannot be read is a fault which shows how it is written.
 *
 * @module
 */

import type { PublishedPort } from "../api/vms.ts";
import { Fault } from "../lib/fault.ts";

const MIB_PER_UNIT: Readonly<Record<string, number>> = {
  "": 1,
  m: 1,
  mib: 1,
  g: 1024,
  gib: 1024,
};

const SECONDS_PER_UNIT: Readonly<Record<string, number>> = {
  "": 1,
  s: 1,
  m: 60,
  h: 3_600,
};

function unreadable(word: string, what: string, hint: string): Fault {
  return new Fault(
    "invalid-input",
    `Cannot read "${word}" as ${what}`,
    { hint },
  );
}

/** A whole number of at least 1. */
export function parseCount(word: string): number {
  if (/^[1-9]\d{0,8}$/.test(word)) return Number(word);
  throw unreadable(word, "a count", "Write a whole number of at least 1");
}

/** A memory size in MiB: `64`, `64MiB`, `1GiB`, `1.5GiB`. */
export function parseMemory(word: string): number {
  const [, digits = "", unit = ""] =
    /^(\d{1,9}(?:\.\d{1,6})?) ?([a-z]*)$/i.exec(word) ?? [];
  const mib = Number(digits) * (MIB_PER_UNIT[unit.toLowerCase()] ?? NaN);
  if (digits !== "" && Number.isInteger(mib) && mib > 0) return mib;
  throw unreadable(
    word,
    "a memory size",
    "Write whole MiB such as 64 or 64MiB, or GiB such as 1GiB",
  );
}

/** A duration in whole seconds: `10`, `10s`, `2m`, `1h`. */
export function parseDuration(word: string): number {
  const [, digits = "", unit = ""] = /^(\d{1,9})([smh]?)$/.exec(word) ?? [];
  if (digits !== "") return Number(digits) * (SECONDS_PER_UNIT[unit] ?? 1);
  throw unreadable(word, "a duration", "Write it as 10s, 2m or 1h");
}

/**
 * `[HOST_IP:]HOST_PORT:PORT[/tcp|/udp]`; an IPv6 address stands in brackets, and
 * the daemon picks a free port for host port 0.
 */
export function parsePublish(word: string): PublishedPort {
  const [, bracketed, address, hostPort, port, protocol] =
    /^(?:(?:\[([0-9a-f:.]+)\]|([\d.]+)):)?(\d+):(\d+)(?:\/(tcp|udp))?$/i
      .exec(word) ?? [];
  const hostIp = bracketed ?? address;
  const isReadable = Number(hostPort) <= 65_535 && Number(port) >= 1 &&
    Number(port) <= 65_535;
  if (!isReadable) {
    throw unreadable(
      word,
      "a published port",
      "Write [HOST_IP:]HOST_PORT:PORT[/udp] such as 8080:80 or 0.0.0.0:5353:53/udp",
    );
  }
  return {
    ...(hostIp === undefined ? {} : { host_ip: hostIp }),
    host_port: Number(hostPort),
    port: Number(port),
    protocol: protocol?.toLowerCase() === "udp" ? "udp" : "tcp",
  };
}

/** An IPv4 address. */
export function parseAddress(word: string): string {
  const parts = word.split(".");
  const isAddress = parts.length === 4 &&
    parts.every((part) =>
      /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255
    );
  if (isAddress) return word;
  throw unreadable(word, "an IPv4 address", "Write one such as 10.1.0.7");
}

/** A path of the guest's, from its root on and without `.` and `..`. */
export function parseGuestPath(word: string): string {
  if (word === "") throw unreadable(word, "a path", "Write one such as /srv");
  const names: string[] = [];
  for (const name of word.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}

/** `NAME=VALUE`, or `NAME` whose value is that of the caller's environment. */
export function parseEnv(
  word: string,
  lookUp: (name: string) => string | undefined,
): readonly [name: string, value: string] {
  const split = word.indexOf("=");
  const name = split < 0 ? word : word.slice(0, split);
  if (!/^[^\s=]+$/.test(name)) {
    throw unreadable(
      word,
      "an environment variable",
      "Write NAME=VALUE, or NAME to pass on the value it has here",
    );
  }
  if (split >= 0) return [name, word.slice(split + 1)];
  const value = lookUp(name);
  if (value !== undefined) return [name, value];
  throw new Fault(
    "invalid-input",
    `Cannot pass on the environment variable "${name}": it is not set here`,
    { hint: `Set it, or write ${name}=VALUE` },
  );
}

/**
 * The variables in the text of the environment file called `name`; `#` opens a
 * comment line. What is wrong is told by its line: it may hold a secret.
 */
export function parseEnvFile(
  text: string,
  name: string,
  lookUp: (name: string) => string | undefined,
): (readonly [name: string, value: string])[] {
  return text.split("\n")
    .map((line, index) => ({ line: line.replace(/\r$/, ""), at: index + 1 }))
    .filter(({ line }) => line.trim() !== "" && !line.startsWith("#"))
    .map(({ line, at }) => {
      try {
        return parseEnv(line, lookUp);
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause;
        throw envLineFault(line, `line ${at} of environment file "${name}"`);
      }
    });
}

/** Without the fault of `parseEnv` as its cause: that one quotes the line. */
function envLineFault(line: string, place: string): Fault {
  const what = /^\s*export\s/.test(line)
    ? ['it begins with "export"', "Write NAME=VALUE alone"]
    : /^[^\s=]+$/.test(line)
    ? [
      "it has no =, and no variable of that name is set here",
      "Write NAME=VALUE, or set the variable it names",
    ]
    : [
      "it is not NAME=VALUE",
      "Write NAME=VALUE, or NAME to pass on the value it has here",
    ];
  return new Fault("invalid-input", `Cannot read ${place}: ${what[0]}`, {
    hint: what[1],
  });
}
