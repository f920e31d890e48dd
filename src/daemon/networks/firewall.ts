/**
 * Keeps nftables true to the guests that are attached to one bridge.
 *
 * A guest's elements are added and deleted as it comes and goes. The tables are
 * laid down whole when the daemon starts, when a change fails, and when they are
 * found to be gone: somebody else may have flushed the ruleset.
 *
 * @module
 */

import { Batches, type JobResult } from "./batches.ts";
import {
  addScript,
  deleteScript,
  type Guest,
  hasRules,
  listScripts,
  wholeScript,
} from "./firewall_rules.ts";
import { lastWords, type NetworkPrograms, unavailable } from "./programs.ts";

interface Change {
  readonly kind: "add" | "remove";
  readonly guest: Guest;
}

type Job = Change | { readonly kind: "look"; onGone(): void };

export class Firewall {
  readonly #programs: NetworkPrograms;
  readonly #bridge: string;
  readonly #batches = new Batches<Job>((jobs) => this.#do(jobs));
  /** By TAP: the guests whose elements belong into the tables. */
  #guests = new Map<string, Guest>();
  /** Whether they are in there, and no others. */
  #isLaid = false;

  constructor(programs: NetworkPrograms, bridge: string) {
    this.#programs = programs;
    this.#bridge = bridge;
  }

  async add(guest: Guest): Promise<void> {
    await this.#batches.run({ kind: "add", guest });
  }

  /** No error if it is not there. */
  async remove(guest: Guest): Promise<void> {
    if (!this.#guests.has(guest.tap)) return;
    await this.#batches.run({ kind: "remove", guest });
  }

  hasGuestAt(ip: string): boolean {
    return this.guests().some((guest) => guest.ip === ip);
  }

  guests(): readonly Guest[] {
    return [...this.#guests.values()];
  }

  /**
   * Lays the tables down if that failed before, and again if they are not there
   * or have no rules: `onGone` is told of that.
   */
  async look(onGone: () => void): Promise<void> {
    await this.#batches.run({ kind: "look", onGone });
  }

  /** These guests and no other belong into the tables, when next they are laid. */
  expect(guests: readonly Guest[]): void {
    this.#guests = new Map(guests.map((guest) => [guest.tap, guest]));
    this.#isLaid = false;
  }

  /** Lays the tables down whole, for these guests and no other. */
  async lay(guests: readonly Guest[]): Promise<void> {
    this.expect(guests);
    const result = await this.#programs.nft(wholeScript(this.#bridge, guests));
    if (result.status !== 0) throw refused(lastWords(result));
    this.#isLaid = true;
  }

  async #do(jobs: readonly Job[]): Promise<readonly JobResult[]> {
    const looks = jobs.filter((job) => job.kind === "look");
    const changes = jobs.filter((job) => job.kind !== "look");
    if (looks.length > 0 && !(this.#isLaid && await this.#areThere())) {
      if (this.#isLaid) { for (const { onGone } of looks) onGone(); }
      await this.lay(this.guests());
    }
    if (changes.length === 0) return [];
    const results = await this.#change(changes);
    return jobs.map((job) =>
      job.kind === "look" ? undefined : results[changes.indexOf(job)]
    );
  }

  async #areThere(): Promise<boolean> {
    const results = await Promise.all(
      listScripts(this.#bridge).map((script) => this.#programs.nft(script)),
    );
    return results.every(({ status, stdout }) =>
      status === 0 && hasRules(stdout)
    );
  }

  async #change(changes: readonly Change[]): Promise<readonly JobResult[]> {
    if (this.#isLaid && await this.#try(changes) === undefined) return [];
    // Without those that come: one of them may be what is refused.
    const leaving = new Set(changes.map(({ guest }) => guest.tap));
    await this.lay(
      this.guests().filter(({ tap }) => !leaving.has(tap)),
    );
    const results: JobResult[] = [];
    for (const change of changes) {
      const words = change.kind === "add"
        ? await this.#try([change])
        : undefined;
      results.push(words === undefined ? undefined : refused(words));
    }
    return results;
  }

  /** Makes all these changes or none; what nft said if none. */
  async #try(changes: readonly Change[]): Promise<string | undefined> {
    const script = changes.map(({ kind, guest }) =>
      kind === "add"
        ? addScript(this.#bridge, guest)
        : deleteScript(this.#bridge, guest)
    ).join("");
    const result = await this.#programs.nft(script);
    if (result.status !== 0) return lastWords(result);
    for (const { kind, guest } of changes) {
      if (kind === "add") this.#guests.set(guest.tap, guest);
      else this.#guests.delete(guest.tap);
    }
    return undefined;
  }
}

function refused(words: string): Error {
  return unavailable(
    `nftables refused its rules: ${words}`,
    "See docs/network.md, and what `volant doctor` says of the kernel",
  );
}
