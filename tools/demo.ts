/**
 * The demo: from nothing to two pages out of two microVMs, and back to nothing.
 *
 * A daemon of its own in a temporary folder builds an appliance of the real
 * Caddy and boots it (initramfs path), then runs nginx out of an OCI image
 * (rootfs path), and shows what they say, how long each phase took, and how they
 * end. Root's guests are on a bridge inside of a network namespace of their own,
 * anybody else's are reached by ports of the host. Whatever happens, Ctrl-C
 * included, nothing is left.
 */

import { Netns } from "../tests/harness/netns.ts";
import { TmpVolant } from "../tests/harness/tmp_volant.ts";
import { until } from "../tests/harness/until.ts";
import { nginxImage } from "./demo/nginx_image.ts";
import { say, Stage } from "./demo/stage.ts";

const EXAMPLE =
  new URL("../examples/caddy/fledge.toml", import.meta.url).pathname;
const MEMORY_LINES = /^(MemTotal|MemFree|MemAvailable):/;

async function appliance(stage: Stage): Promise<void> {
  const { folder } = stage;
  say("\n--- An appliance: Caddy as an initramfs, with the kernel beside it");
  await stage.show("build", EXAMPLE, "--output", `${folder}/caddy.cpio`);
  await stage.show(
    ...["vm", "create", "web", "--network", stage.network],
    ...["--manifest", `${folder}/caddy.cpio.manifest.json`],
    ...["--wait", "healthy", "--timeout", "300"],
  );
  const url = await stage.urlOf("web");
  await stage.showPage(`${url}/`);
  await stage.showPage(`${url}/memory`, MEMORY_LINES);
  await stage.show("vm", "get", "web");
  await stage.show("vm", "logs", "--tail", "5", "web");
}

async function image(stage: Stage): Promise<void> {
  say("\n--- An OCI image: nginx of Debian's packages, unmodified");
  say("Making the image of Debian packages; the first time they are fetched.");
  const { reference } = await nginxImage(`${stage.folder}/nginx`);
  await stage.show(
    ...["run", "--detach", "--name", "nginx", "--publish", "0:80"],
    ...["--network", stage.network, reference],
  );
  const url = await stage.urlOf("nginx");
  await until("nginx answers", () => stage.answers(`${url}/`), 120_000);
  await stage.showPage(`${url}/`);
  await stage.show("vm", "get", "nginx");
  await stage.show("vm", "logs", "nginx");
}

async function demo(stage: Stage): Promise<void> {
  say(`A daemon of its own, in ${stage.folder} ($DEMO below).`);
  await appliance(stage);
  await image(stage);
  await stage.show("vm", "list");
  for (const name of ["web", "nginx"]) {
    await stage.show("vm", "stop", name);
    await stage.show("vm", "delete", name);
  }
}

/** Resolves at Ctrl-C or SIGTERM; the demo is then broken off. */
function interrupted(): Promise<"interrupted"> {
  return new Promise((resolve) => {
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(name, () => resolve("interrupted"));
    }
  });
}

async function main(): Promise<number> {
  const stop = interrupted();
  await using netns = Deno.uid() === 0 ? await Netns.create() : undefined;
  await using volant = await TmpVolant.start(netns && { netns });
  const running = demo(new Stage(volant)).then(() => "done" as const);
  // When it is broken off, what it was doing fails; that is no news then.
  running.catch(() => {});
  const outcome = await Promise.race([running, stop]);
  say(outcome === "done" ? "\nCleaning up." : "\nBroken off; cleaning up.");
  return outcome === "done" ? 0 : 130;
}

const status = await main();
say("Nothing is left: no process, no file.");
Deno.exit(status);
