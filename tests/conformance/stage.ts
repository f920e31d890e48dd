/**
 * What a behaviour is asked on: a daemon with the subject's driver, and guests
 * of both boot paths that obey.
 */

import assert from "node:assert/strict";
import { buildAppliance } from "../harness/appliance.ts";
import { rootImage, rootManifest } from "../harness/root_image.ts";
import { TmpVolant } from "../harness/tmp_volant.ts";
import { Guest } from "./guest.ts";
import { OBEDIENT } from "./obedient.ts";
import type { Subject } from "./subject.ts";

export interface GuestOptions {
  /** Commands it carries out at each start, before it listens. */
  readonly commands?: readonly string[];
  /** Of its root: its initramfs, or an image below a state disk. */
  readonly root?: "initramfs" | "state-disk";
  /** More words of `volant vm create`. */
  readonly words?: readonly string[];
}

export class Stage implements AsyncDisposable {
  readonly subject: Subject;
  readonly volant: TmpVolant;
  readonly #manifests: Readonly<Record<"initramfs" | "state-disk", string>>;
  #guests = 0;

  private constructor(
    subject: Subject,
    volant: TmpVolant,
    manifests: Readonly<Record<"initramfs" | "state-disk", string>>,
  ) {
    this.subject = subject;
    this.volant = volant;
    this.#manifests = manifests;
  }

  static async start(subject: Subject): Promise<Stage> {
    await using undo = new AsyncDisposableStack();
    const volant = undo.use(await TmpVolant.start({ env: subject.env }));
    const appliance = await buildAppliance(volant, {
      name: "obedient",
      script: OBEDIENT,
    });
    const disk = await rootManifest(volant, {
      name: "obedient-disk",
      image: await rootImage(volant, "erofs"),
      format: "erofs",
      script: OBEDIENT,
    });
    undo.move();
    return new Stage(subject, volant, {
      initramfs: appliance.manifest,
      "state-disk": disk,
    });
  }

  /** A guest that has said `kept`, and so listens; gone when disposed of. */
  async guest(options: GuestOptions = {}): Promise<Guest> {
    const { commands = [], root = "initramfs", words = [] } = options;
    const guest = new Guest(this.volant, `g${++this.#guests}`);
    assert.ok(commands.every((command) => !command.includes(";")));
    await this.volant.run(
      ...["vm", "create", guest.name, "--manifest", this.#manifests[root]],
      ...["--network", "none", "--env", `SIMULATE=${commands.join(";")}`],
      ...words,
    );
    await guest.says(/^kept \d+$/);
    return guest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.volant[Symbol.asyncDispose]();
  }
}
