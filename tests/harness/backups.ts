/**
 * What the tests of backups share: a guest that counts on its disk, a backup,
 * and a second daemon that gets it.
 */

import { rootImage, rootManifest } from "./root_image.ts";
import { TmpVolant } from "./tmp_volant.ts";

/**
 * Says what it finds on its disk, then counts for ever; a number is said when
 * it is on the disk for good.
 */
const COUNTER = `
b=/bin/busybox
n=$($b cat /data/n 2> /dev/null || $b echo 0)
$b echo "kept $n"
while :; do
  n=$((n+1))
  $b echo $n > /data/n.new; $b mv /data/n.new /data/n; $b sync
  $b echo "put $n"
done
`;

export async function counterManifest(volant: TmpVolant): Promise<string> {
  return await rootManifest(volant, {
    name: "counter",
    image: await rootImage(volant, "erofs"),
    format: "erofs",
    script: COUNTER,
  });
}

/** The last number the guest has said. */
export async function acknowledged(
  volant: TmpVolant,
  name = "counter",
): Promise<number> {
  const log = await volant.run("vm", "logs", name);
  return Number([...log.matchAll(/^put (\d+)$/gm)].at(-1)?.[1] ?? 0);
}

export async function vmmOf(
  volant: TmpVolant,
  name = "counter",
): Promise<number> {
  return (await volant.json("vm", "get", name)).pid;
}

/** Makes one and resolves with its path. */
export async function backUp(
  volant: TmpVolant,
  ...flags: readonly string[]
): Promise<string> {
  const path = `${volant.folder}/volant.backup`;
  await volant.run("backup", "create", ...flags, path);
  return path;
}

/** A second daemon, not started, with the backup restored. */
export async function restoredInto(
  volant: TmpVolant,
  backup: string,
): Promise<TmpVolant> {
  await using undo = new AsyncDisposableStack();
  const other = undo.use(await emptyVolant());
  await volant.run("backup", "restore", "--state-dir", other.stateDir, backup);
  undo.move();
  return other;
}

/** One whose daemon does not run, and which has no state directory. */
export async function emptyVolant(
  env: Readonly<Record<string, string>> = {},
): Promise<TmpVolant> {
  await using undo = new AsyncDisposableStack();
  const other = undo.use(await TmpVolant.start({ env }));
  await other.endDaemon("SIGTERM");
  await Deno.remove(other.stateDir, { recursive: true });
  undo.move();
  return other;
}
