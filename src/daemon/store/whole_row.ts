/**
 * Whether a row is one that the daemon can have written: pure.
 *
 * SQLite finds a page that is no page; a value that was damaged inside of a good
 * page is found here.
 *
 * @module
 */

import { VM_STATUSES } from "../../api/vms.ts";
import { VM_NAME_REGEXP } from "../../manifest/values.ts";
import type { Row } from "./database.ts";

const STATUSES: readonly unknown[] = VM_STATUSES;

/** What is wrong with a row of that table, as names of columns; [] if nothing. */
export function damagedColumns(table: string, row: Row): string[] {
  const checks = CHECKS[table] ?? {};
  return Object.entries(checks)
    .filter(([column, isWhole]) => column in row && !isWhole(row[column]))
    .map(([column]) => column);
}

/** The row without what a VM can be without; undefined if more is damaged. */
export function mendedVm(row: Row): Row | undefined {
  const mended: Row = { ...row };
  for (const column of damagedColumns("vms", row)) {
    if (!Object.hasOwn(WITHOUT, column)) return undefined;
    mended[column] = WITHOUT[column] ?? null;
  }
  return mended;
}

/** What is left out of a row where it is damaged. */
const WITHOUT: Row = {
  kernel_cmdline: "",
  boot: null,
  exit: null,
  restarts: 0,
  restart_at: null,
  boot_id: "",
};

type Check = (value: unknown) => boolean;

const CHECKS: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  vms: {
    id: (value) => Number.isSafeInteger(value) && Number(value) > 0,
    name: (value) => VM_NAME_REGEXP.test(String(value)),
    status: (value) => STATUSES.includes(value),
    config: (value) => isObject(parsed(value)?.["manifest"]),
    artifacts: (value) => parsed(value) !== undefined,
    lease: (value) => typeof parsed(value)?.["mode"] === "string",
    hypervisor: (value) => typeof value === "string" && value !== "",
    kernel_cmdline: isText,
    boot: isNullOr((value) => parsed(value) !== undefined),
    exit: isNullOr((value) => parsed(value) !== undefined),
    wanted: (value) => value === "running" || value === "stopped",
    boot_id: isText,
    restarts: (value) => Number.isSafeInteger(value),
    restart_at: isNullOr(isTime),
    deleting: (value) => value === 0 || value === 1,
    created_at: isTime,
    updated_at: isTime,
  },
  plugins: {
    name: (value) => typeof value === "string" && value !== "",
    version: isText,
    enabled: (value) => value === 0 || value === 1,
    manifest: (value) => parsed(value) !== undefined,
    artifacts: (value) => parsed(value) !== undefined,
    installed_at: isTime,
    updated_at: isTime,
  },
};

function isNullOr(check: Check): Check {
  return (value) => value === null || check(value);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && !value.includes("\0");
}

function isTime(value: unknown): boolean {
  return typeof value === "string" && !Number.isNaN(Date.parse(value));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object a JSON text holds; undefined if it holds none. */
function parsed(value: unknown): Record<string, unknown> | undefined {
  if (!isText(value)) return undefined;
  try {
    const json: unknown = JSON.parse(String(value));
    return isObject(json) ? json : undefined;
  } catch {
    // It is no JSON any more.
    return undefined;
  }
}
