/**
 * Makes backups while everything runs: the database as it is at one moment,
 * then one VM after the other, each copied and sent before the next is touched,
 * so that a machine stands still only while its own disks are copied and the
 * room needed is that of the largest VM.
 *
 * The database is sent last: a VM that was deleted meanwhile is taken out of
 * it, so that a backup holds a VM whole or not at all. VMs created since are
 * left out.
 *
 * @module
 */

import {
  ARTIFACTS_FOLDER,
  DATABASE_NAME,
  encodeHeader,
  FORMAT_VERSION,
  HEADER_NAME,
  VMS_FOLDER,
} from "../../backup/format.ts";
import { BackupWriter, type Bytes, NOBODYS } from "../../backup/writer.ts";
import { Fault } from "../../lib/fault.ts";
import { isThere, makeDir } from "../../lib/files.ts";
import { step } from "../../lib/step.ts";
import type { Database } from "../store/database.ts";
import { Snapshot } from "../store/snapshot.ts";
import { vmDirs } from "../vm/vm_dirs.ts";
import { type StageDeps, stageVm } from "./stage_vm.ts";
import { Staging } from "./staging.ts";

export interface BackupDeps extends StageDeps {
  readonly database: Database;
  readonly version: string;
  readonly artifactPath: (digest: string) => string;
}

interface Begun {
  readonly staging: Staging;
  readonly snapshot: Snapshot;
  readonly undo: AsyncDisposable;
  readonly withArtifacts: boolean;
  readonly signal: AbortSignal;
}

export class Backups {
  readonly #deps: BackupDeps;
  #isMaking = false;

  constructor(deps: BackupDeps) {
    this.#deps = deps;
  }

  /**
   * The bytes of a backup of what is there now. They must be read to their end,
   * or the generator ended; `signal` ends what goes on between two of them.
   * Throws `wrong-state`, `disk-full`, `file-not-found`.
   */
  async begin(withArtifacts: boolean, signal: AbortSignal): Promise<Bytes> {
    if (this.#isMaking) {
      throw new Fault(
        "wrong-state",
        "Cannot make a backup: another one is being made",
        { hint: "Wait until it is done, or interrupt it" },
      );
    }
    this.#isMaking = true;
    await using undo = new AsyncDisposableStack();
    undo.defer(() => {
      this.#isMaking = false;
    });
    const { folders, database } = this.#deps;
    const staging = await Staging.make(folders.stateDir);
    undo.defer(async () => {
      await staging[Symbol.asyncDispose]();
      step("backup:staging-removed");
    });
    await makeDir(`${staging.path}/artifacts`);
    // Between these two no artifact can be given up: there is no pause.
    const snapshot = undo.use(
      new Snapshot(database, `${staging.path}/${DATABASE_NAME}`),
    );
    if (withArtifacts) this.#keepArtifacts(staging, snapshot);
    step("backup:database-copied");
    await staging.checkRoom(
      snapshot.vms().map(({ id }) => vmDirs(folders, id).stateDir),
      "the largest VM",
    );
    const begun = { staging, snapshot, withArtifacts, signal };
    return this.#bytes({ ...begun, undo: undo.move() });
  }

  /** By a second name, under which they stay until they are sent. */
  #keepArtifacts({ path }: Staging, snapshot: Snapshot): void {
    for (const digest of snapshot.artifacts()) {
      try {
        Deno.linkSync(
          this.#deps.artifactPath(digest),
          `${path}/artifacts/${hexOf(digest)}`,
        );
      } catch (cause) {
        if (!(cause instanceof Deno.errors.NotFound)) throw cause;
        throw new Fault(
          "file-not-found",
          `Cannot back up artifact "${digest}": the file is gone`,
          {
            cause,
            hint:
              "Put it back, delete what uses it, or leave them out with --no-artifacts",
          },
        );
      }
    }
  }

  async *#bytes(begun: Begun): Bytes {
    await using _undo = begun.undo;
    const writer = new BackupWriter();
    try {
      yield* this.#entries(writer, begun);
    } catch (error) {
      // Whoever reads has no other way to learn the reason.
      if (!begun.signal.aborted) yield* writer.failure(Fault.from(error));
      throw error;
    }
  }

  async *#entries(writer: BackupWriter, begun: Begun): Bytes {
    const { snapshot, withArtifacts } = begun;
    const { folders } = this.#deps;
    const header = encodeHeader({
      format: FORMAT_VERSION,
      volant: this.#deps.version,
      schema: snapshot.schema,
      created_at: new Date().toISOString(),
      artifacts: withArtifacts,
    });
    yield* writer.bytes(HEADER_NAME, header, NOBODYS);
    yield* writer.folder(VMS_FOLDER, `${folders.stateDir}/${VMS_FOLDER}`);
    for (const vm of snapshot.vms()) yield* this.#vm(vm, writer, begun);
    // Nobody writes there but a daemon that starts.
    const forgotten = `${folders.stateDir}/forgotten`;
    if (await isThere(forgotten)) yield* writer.tree("forgotten", forgotten);
    if (withArtifacts) yield* this.#artifacts(writer, begun);
    yield* writer.file(DATABASE_NAME, snapshot.path);
    yield* writer.end();
  }

  async *#vm(
    vm: { readonly id: number; readonly name: string },
    writer: BackupWriter,
    { staging, snapshot, signal }: Begun,
  ): Bytes {
    const found = await stageVm(this.#deps, vm, staging, signal);
    if (found === "gone") snapshot.drop(vm.id);
    if (found !== "copied") return;
    const name = String(vm.id);
    yield* writer.tree(`${VMS_FOLDER}/${name}`, `${staging.path}/${name}`);
    await staging.remove(name);
    step("backup:vm-sent");
  }

  async *#artifacts(
    writer: BackupWriter,
    { staging, snapshot }: Begun,
  ): Bytes {
    const { stateDir } = this.#deps.folders;
    let path = "";
    for (const part of ARTIFACTS_FOLDER.split("/")) {
      path = path === "" ? part : `${path}/${part}`;
      yield* writer.folder(path, `${stateDir}/${path}`);
    }
    for (const digest of snapshot.artifacts()) {
      const hex = hexOf(digest);
      yield* writer.file(`${path}/${hex}`, `${staging.path}/artifacts/${hex}`);
    }
    step("backup:artifacts-sent");
  }
}

function hexOf(digest: string): string {
  return digest.slice(digest.indexOf(":") + 1);
}
