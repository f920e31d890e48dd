/**
 * A disk without room: a file system of a few MiB in a mount namespace of the
 * test's own, which an ordinary user can make too.
 */

import assert from "node:assert/strict";
import { built } from "./harness/built.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { buildAppliance } from "./harness/appliance.ts";

/**
 * Runs in the namespace: a daemon on a full disk, asked for a VM; then room is
 * made, and the same is asked again.
 */
const SCRIPT = `
set -eu
mount -t tmpfs -o size=64m full "$FOLDER/state"
export VOLANT_STATE_DIR=$FOLDER/state VOLANT_RUNTIME_DIR=$FOLDER/run
"$VOLANT" daemon 2>"$FOLDER/daemon.log" &
daemon=$!
trap 'kill $daemon; wait $daemon' EXIT
tries=0
until "$VOLANT" system info >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 200 ] || { cat "$FOLDER/daemon.log"; exit 99; }
  sleep 0.1
done
dd if=/dev/zero of="$FOLDER/state/filler" bs=64k 2>/dev/null || true
echo "== full"
"$VOLANT" vm create a --manifest "$MANIFEST" --network none && echo created || echo "status $?"
"$VOLANT" vm list --json
rm "$FOLDER/state/filler"
echo "== room"
"$VOLANT" vm create a --manifest "$MANIFEST" --network none && echo created || echo "status $?"
"$VOLANT" vm delete --force a
ls -A "$FOLDER/state/artifacts/incoming" "$FOLDER/state/artifacts/sha256" "$FOLDER/state/vms"
`;

Deno.test("a full disk is one clear error, leaves nothing, and ends with room", async () => {
  const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "vf-" });
  try {
    await Deno.chmod(folder, 0o755);
    await Deno.mkdir(`${folder}/state`);
    let manifest = "";
    {
      await using volant = await TmpVolant.start();
      const built = await buildAppliance(volant, {
        name: "idle",
        script: "sleep 1000",
      });
      manifest = `${folder}/idle.json`;
      const text = JSON.parse(await Deno.readTextFile(built.manifest));
      const artifact = built.manifest.replace(/\.manifest\.json$/, "");
      await Deno.copyFile(artifact, `${folder}/idle.cpio`);
      text.initramfs.url = `${folder}/idle.cpio`;
      await Deno.writeTextFile(manifest, JSON.stringify(text));
    }
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: ["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT],
      env: { FOLDER: folder, MANIFEST: manifest, VOLANT: built("volant") },
      stdin: "null",
    }).output();
    const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
    assert.equal(code, 0, `${out}\n${err}`);
    const [, full = "", room = ""] = out?.split(/^== \w+$/m) ?? [];
    assert.match(full, /^status 74$/m);
    assert.match(full, /^\[\]$/m);
    assert.match(err ?? "", /^error: Cannot .*no space is left/m);
    assert.match(err ?? "", /^hint: Make room/m);
    assert.match(room, /^created$/m);
    assert.doesNotMatch(room.split("created")[1] ?? "", /[0-9a-f]{64}/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
