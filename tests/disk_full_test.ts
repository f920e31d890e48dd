/**
 * A disk without room: a file system of a few MiB in a mount namespace of the
 * test's own, which an ordinary user can make too.
 */

import assert from "node:assert/strict";
import { built } from "./harness/built.ts";
import { TmpVolant } from "./harness/tmp_volant.ts";
import { idleAppliance } from "./harness/appliance.ts";

/**
 * Runs in the namespace: a daemon on a full disk, asked for a VM; then room is
 * made, and the same is asked again. Then the disk is full while a guest boots,
 * and while a daemon starts whose VM has ended meanwhile.
 */
const SCRIPT = `
set -eu
mount -t tmpfs -o size=192m full "$FOLDER/state"
export VOLANT_STATE_DIR=$FOLDER/state VOLANT_RUNTIME_DIR=$FOLDER/run
await() { # until the command succeeds
  tries=0
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { echo "in vain: $*"; cat "$FOLDER/daemon.log"; exit 99; }
    sleep 0.1
  done
}
start() {
  "$VOLANT" daemon 2>>"$FOLDER/daemon.log" &
  daemon=$!
  await "$VOLANT" system info
}
fill() { dd if=/dev/zero of="$FOLDER/state/filler" bs=64k 2>/dev/null || true; }
vmm() { sed -n 's/^vmm_pid=//p' "$FOLDER"/run/vms/*/monitor.state; }
start
trap 'kill $daemon; wait $daemon' EXIT
fill
echo "== full"
"$VOLANT" vm create a --manifest "$MANIFEST" --network none && echo created || echo "status $?"
"$VOLANT" vm list --json
rm "$FOLDER/state/filler"
echo "== room"
"$VOLANT" vm create a --manifest "$MANIFEST" --network none && echo created || echo "status $?"
"$VOLANT" vm delete --force a
echo "== booting"
"$VOLANT" vm create b --manifest "$MANIFEST" --network none --wait none
fill
await grep -q guest=started "$FOLDER"/run/vms/2/monitor.state
rm "$FOLDER/state/filler"
"$VOLANT" vm wait --for running --timeout 30s b
echo "== restarted"
fill
kill -9 $daemon; wait $daemon || true
kill -9 $(vmm)
start
"$VOLANT" vm list -q
rm "$FOLDER/state/filler"
"$VOLANT" vm wait --timeout 30s b || echo "status $?"
"$VOLANT" vm delete --force b
echo "== read-only"
kill $daemon; wait $daemon || true
mount -o remount,ro "$FOLDER/state"
"$VOLANT" daemon 2>&1 || echo "status $?"
mount -o remount,rw "$FOLDER/state"
echo "== damaged"
start
"$VOLANT" vm create c --manifest "$MANIFEST" --network none --no-start
kill $daemon; wait $daemon || true
printf 'no database' | dd of="$FOLDER/state/volant.db" conv=notrunc 2>/dev/null
fill
before=$(sha256sum "$FOLDER"/state/volant.db*)
"$VOLANT" daemon 2>&1 || echo "status $?"
[ "$before" = "$(sha256sum "$FOLDER"/state/volant.db*)" ] && echo untouched
rm "$FOLDER/state/filler"
start
"$VOLANT" vm list -q
"$VOLANT" vm delete c
echo "== left"
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
      const built = await idleAppliance(volant);
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
    const [, full = "", room = "", booting = "", restarted = "", ...more] =
      out?.split(/^== [\w-]+$/m) ?? [];
    const [readOnly = "", damaged = "", left = ""] = more;
    assert.match(full, /^status 74$/m);
    assert.match(full, /^\[\]$/m);
    assert.match(err ?? "", /^error: Cannot .*no space is left/m);
    assert.match(err ?? "", /^hint: Make room/m);
    assert.match(room, /^created$/m);
    assert.match(booting, /b is running/, "it is known to run, if late");
    assert.match(restarted, /^b$/m, "a daemon serves on a full disk");
    assert.match(restarted, /crashed[^]*status 70/, "its end is written later");
    assert.match(readOnly, /its file system is read-only[^]*status 74/);
    assert.ok(readOnly.includes(`${folder}/state`), "it names the folder");
    assert.match(damaged, /no space is left[^]*status 74\nuntouched\nc\n/);
    assert.doesNotMatch(left, /[0-9a-f]{64}/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
