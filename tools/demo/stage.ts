/**
 * Where the demo plays: commands as one would type them, and pages as one would
 * see them from there.
 *
 * @module
 */

import type { TmpVolant } from "../../tests/harness/tmp_volant.ts";

const encoder = new TextEncoder();

export function say(text: string): void {
  Deno.stdout.writeSync(encoder.encode(`${text}\n`));
}

export class Stage {
  readonly #volant: TmpVolant;

  constructor(volant: TmpVolant) {
    this.#volant = volant;
  }

  get folder(): string {
    return this.#volant.folder;
  }

  get network(): "bridged" | "user" {
    return this.#volant.netns === undefined ? "user" : "bridged";
  }

  /** Shows a command and what it prints. */
  async show(...args: readonly string[]): Promise<void> {
    const shorter = (text: string) => text.replaceAll(this.folder, "$DEMO");
    say(`\n$ volant ${shorter(args.join(" "))}`);
    const { status, stdout, stderr } = await this.#volant.volant(...args);
    say(shorter(stderr + stdout).trimEnd());
    if (status !== 0) throw new Error(`volant ended with status ${status}`);
  }

  /** Where the host reaches the guest's web server. */
  async urlOf(name: string): Promise<string> {
    const { ip_address, expose: [port] } = await this.#volant.json(
      ...["vm", "get", name],
    );
    return this.network === "bridged"
      ? `http://${ip_address}`
      : `http://${port.host_ip}:${port.host_port}`;
  }

  async answers(url: string): Promise<boolean> {
    return await this.#page(url) !== undefined;
  }

  async showPage(url: string, lines: RegExp = /^/): Promise<void> {
    say(`\n$ curl ${url}`);
    const text = await this.#page(url);
    if (text === undefined) throw new Error(`${url} does not answer`);
    for (const line of text.trimEnd().split("\n")) {
      if (lines.test(line)) say(line);
    }
  }

  async #page(url: string): Promise<string | undefined> {
    const { netns } = this.#volant;
    if (netns !== undefined) return await netns.fetchText(url);
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return await response.text();
    await response?.body?.cancel();
    return undefined;
  }
}
