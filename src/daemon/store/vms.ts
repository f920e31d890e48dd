/**
 * The rows of virtual machines: SQL in, records out.
 *
 * @module
 */

import type { VmStatus } from "../../api/vms.ts";
import { Fault } from "../../lib/fault.ts";
import { storageFault } from "../../lib/files.ts";
import type { Vm } from "../vm/vm.ts";
import {
  type Database,
  type Row,
  type Statement,
  transaction,
} from "./database.ts";

export type NewVm = Pick<
  Vm,
  "name" | "config" | "artifacts" | "lease" | "hypervisor" | "boot" | "wanted"
>;

export type VmChange = Partial<
  Pick<
    Vm,
    | "status"
    | "hypervisor"
    | "kernelCmdline"
    | "boot"
    | "exit"
    | "lease"
    | "wanted"
    | "bootId"
    | "restarts"
    | "restartAt"
  >
>;

/** A VM as far as the ports go that it publishes. */
export interface Publisher {
  readonly name: string;
  readonly lease: Pick<Vm["lease"], "publish">;
}

export class VmStore {
  readonly #database: Database;
  /** Most of a row is its config, which never changes: it is parsed once. */
  readonly #configs = new Map<number, Parsed>();
  /** Preparing one takes longer than running it. */
  readonly #statements = new Map<string, Statement>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Throws `vm-exists`, `address-in-use`. */
  insert(vm: NewVm): Vm {
    try {
      return transaction(this.#database, () => this.#insert(vm));
    } catch (error) {
      const text = String(error);
      if (text.includes("UNIQUE constraint failed: vms.name")) {
        throw vmExists(vm.name);
      }
      if (text.includes("UNIQUE constraint failed: leases.address")) {
        throw new Fault(
          "address-in-use",
          `Cannot create VM "${vm.name}": another VM holds ${vm.lease.ip}`,
          { hint: "Ask for another address, or for none" },
        );
      }
      throw storageFault(error, "write", this.#path());
    }
  }

  #insert(vm: NewVm): Vm {
    const now = new Date().toISOString();
    const { lastInsertRowid } = this.#prepared(
      `INSERT INTO vms (name, status, config, artifacts, lease, hypervisor, boot, wanted, created_at, updated_at)
       VALUES (?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run(
      vm.name,
      JSON.stringify(vm.config),
      JSON.stringify(vm.artifacts),
      JSON.stringify(vm.lease),
      vm.hypervisor,
      vm.boot === undefined ? null : JSON.stringify(vm.boot),
      vm.wanted,
      now,
      now,
    );
    const id = Number(lastInsertRowid);
    // Addresses of the other modes are the same in every VM.
    if (vm.lease.mode === "bridged") {
      this.#prepared("INSERT INTO leases (address, vm_id) VALUES (?, ?)")
        .run(vm.lease.ip, id);
    }
    return this.#row("id = ?", id) ?? lost(vm.name);
  }

  /** Throws `disk-failed` if nothing can be written, as the file is gone. */
  checkThere(): void {
    this.#database.checkThere();
  }

  find(name: string): Vm | undefined {
    return this.#row("name = ?", name);
  }

  /** Throws `vm-not-found`. */
  get(name: string): Vm {
    const vm = this.find(name);
    if (vm !== undefined) return vm;
    throw new Fault("vm-not-found", `Cannot find VM "${name}"`, {
      hint: "List those there are with volant vm list",
    });
  }

  list(): Vm[] {
    return this.#prepared("SELECT * FROM vms ORDER BY id").all()
      .map((row) => record(row, this.#configs));
  }

  /** Throws `vm-not-found` if it is gone. */
  update(vm: Vm, change: VmChange): Vm {
    const next: Vm = {
      ...vm,
      ...change,
      updatedAt: new Date().toISOString(),
    };
    try {
      this.#prepared(
        `UPDATE vms SET status = ?, hypervisor = ?, kernel_cmdline = ?, boot = ?, exit = ?, lease = ?,
           wanted = ?, boot_id = ?, restarts = ?, restart_at = ?, updated_at = ?
         WHERE id = ?`,
      ).run(
        next.status,
        next.hypervisor,
        next.kernelCmdline,
        next.boot === undefined ? null : JSON.stringify(next.boot),
        next.exit === undefined ? null : JSON.stringify(next.exit),
        JSON.stringify(next.lease),
        next.wanted,
        next.bootId,
        next.restarts,
        next.restartAt ?? null,
        next.updatedAt,
        next.id,
      );
    } catch (error) {
      throw storageFault(error, "write", this.#path());
    }
    return next;
  }

  /** To be called before anything of it is removed. */
  markDeleting(vm: Vm): void {
    try {
      this.#prepared("UPDATE vms SET deleting = 1 WHERE id = ?").run(vm.id);
    } catch (error) {
      throw storageFault(error, "write", this.#path());
    }
  }

  delete(vm: Vm): void {
    this.#prepared("DELETE FROM vms WHERE id = ?").run(vm.id);
    this.#configs.delete(vm.id);
  }

  /** Addresses that VMs hold. */
  addresses(): string[] {
    return this.#prepared("SELECT address FROM leases").all()
      .map(({ address }) => String(address));
  }

  /** The VMs that publish ports, and only what is needed to see which. */
  publishers(): Publisher[] {
    return this.#prepared(
      `SELECT name, json_extract(lease, '$.publish') AS publish FROM vms
       WHERE json_array_length(lease, '$.publish') > 0 ORDER BY id`,
    ).all().map(({ name, publish }) => ({
      name: String(name),
      lease: { publish: JSON.parse(String(publish)) },
    }));
  }

  /** Whether any VM boots from the artifact of that digest. */
  usesArtifact(digest: string): boolean {
    return this.#prepared(
      "SELECT 1 FROM vms, json_each(vms.artifacts) WHERE json_each.value = ?",
    ).get(digest) !== undefined;
  }

  #path(): string {
    return this.#database.location() ?? "database";
  }

  #prepared(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #row(where: string, value: string | number): Vm | undefined {
    const row = this.#prepared(`SELECT * FROM vms WHERE ${where}`)
      .get(value);
    return row === undefined ? undefined : record(row, this.#configs);
  }
}

export function vmExists(name: string): Fault {
  return new Fault("vm-exists", `Cannot create VM "${name}": it exists`, {
    hint: `Choose another name, or delete it with volant vm delete ${name}`,
  });
}

function lost(name: string): never {
  throw new Error(`The row of VM "${name}" is gone right after its insert`);
}

interface Parsed {
  readonly text: string;
  readonly config: Vm["config"];
}

function configOf(row: Row, parsed: Map<number, Parsed>): Vm["config"] {
  const id = Number(row["id"]);
  const text = String(row["config"]);
  const known = parsed.get(id);
  if (known?.text === text) return known.config;
  const config = JSON.parse(text);
  parsed.set(id, { text, config });
  return config;
}

function record(row: Row, parsed: Map<number, Parsed>): Vm {
  const json = (column: string) => {
    const text = row[column];
    return typeof text === "string" ? JSON.parse(text) : undefined;
  };
  return {
    id: Number(row["id"]),
    name: String(row["name"]),
    status: String(row["status"]) as VmStatus,
    config: configOf(row, parsed),
    artifacts: json("artifacts"),
    lease: json("lease"),
    hypervisor: String(row["hypervisor"]),
    kernelCmdline: String(row["kernel_cmdline"]),
    boot: json("boot"),
    exit: json("exit"),
    wanted: row["wanted"] === "running" ? "running" : "stopped",
    bootId: String(row["boot_id"]),
    restarts: Number(row["restarts"]),
    restartAt: row["restart_at"] === null
      ? undefined
      : String(row["restart_at"]),
    deleting: row["deleting"] === 1,
    createdAt: String(row["created_at"]),
    updatedAt: String(row["updated_at"]),
  };
}
