import assert from "node:assert/strict";
import { run } from "../lib/exec.ts";
import { readBackup } from "./reader.ts";
import {
  backupOf,
  collected,
  pieces,
  testFolder,
  writeSparse,
} from "./testing.ts";
import { fewParts } from "./writer.ts";

const GIB = 1024 ** 3;

/** A folder of a VM with a disk, a mark and a log. */
async function makeVm(path: string, diskBytes: number): Promise<void> {
  await Deno.mkdir(`${path}/1/logs`, { recursive: true });
  await Deno.chmod(`${path}/1`, 0o711);
  await writeSparse(`${path}/1/state.ext4`, diskBytes, [
    [0, 1],
    [diskBytes / 2, 2],
  ]);
  await Deno.writeTextFile(`${path}/1/state.ext4.made`, "");
  await Deno.writeTextFile(`${path}/1/logs/output.log`, "hello\n");
}

Deno.test("what is written is read again, holes and owners included", async () => {
  await using folder = await testFolder();
  await makeVm(folder.path, 100 * GIB);
  const bytes = await collected(backupOf(folder.path));
  assert.ok(bytes.length < 64 * 1024, `${bytes.length} bytes`);

  const seen: string[] = [];
  const { header, entries } = await readBackup(pieces(bytes), async (entry) => {
    let stored = 0;
    for await (const chunk of entry.stored()) stored += chunk.length;
    const mode = entry.mode.toString(8);
    seen.push(`${entry.path} ${entry.kind} ${mode} ${entry.size} ${stored}`);
    assert.equal(entry.uid, Deno.uid());
  });
  assert.equal(header.volant, "1.0.0");
  assert.deepEqual(seen, [
    "vms directory 700 0 0",
    "vms/1 directory 711 0 0",
    "vms/1/logs directory 755 0 0",
    "vms/1/logs/output.log file 644 6 6",
    `vms/1/state.ext4 file 644 ${100 * GIB} 8192`,
    "vms/1/state.ext4.made file 644 0 0",
  ]);
  assert.equal(entries.length, 7);
});

Deno.test("GNU tar lists a backup, and extracts the same files", async () => {
  await using folder = await testFolder();
  const [from, to] = [`${folder.path}/from`, `${folder.path}/to`];
  await makeVm(from, 64 * 1024 ** 2);
  const long = `${"a-name-longer-than-a-header-takes-".repeat(4)}é`;
  await writeSparse(`${from}/1/${long}`, 65536, [[8192, 3]]);
  await Deno.mkdir(to);
  const archive = `${folder.path}/backup.tar`;
  await Deno.writeFile(archive, ReadableStream.from(backupOf(from)));

  const listed = await run("tar", [
    "--list",
    "--quoting-style=literal",
    "-f",
    archive,
  ]);
  assert.ok(listed.includes(`vms/1/${long}\n`), listed);
  assert.ok(listed.endsWith("\ncontents.json\n"), listed);
  await run("tar", ["-x", "-C", to, "-f", archive]);
  await run("diff", ["-r", from, `${to}/vms`]);
  const { blocks } = await Deno.stat(`${to}/vms/1/state.ext4`);
  assert.ok(Number(blocks) < 64, "its holes are holes again");
});

Deno.test("no byte of a backup can change, and no end be missing, unseen", async () => {
  await using folder = await testFolder();
  await makeVm(folder.path, 1024 * 1024);
  const bytes = await collected(backupOf(folder.path));
  const reads = async (changed: Uint8Array) => {
    try {
      await readBackup(pieces(changed, 65536));
      return true;
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "ArchiveProblem") {
        throw error;
      }
      assert.match(error.message, / \((?:at|in) .+, byte \d+\)$/);
      return false;
    }
  };
  assert.ok(await reads(bytes));
  const unseen: string[] = [];
  for (let at = 0; at < bytes.length; at += at % 512 < 500 ? 7 : 1) {
    for (const bit of [0x01, 0x80]) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ bit;
      if (await reads(changed)) unseen.push(`byte ${at} ^ ${bit}`);
    }
    if (await reads(bytes.subarray(0, at))) unseen.push(`cut at ${at}`);
  }
  const longer = new Uint8Array(bytes.length + 512);
  longer.set(bytes);
  if (await reads(longer)) unseen.push("a block more");
  assert.deepEqual(unseen, []);
});

Deno.test("a damage is told with the file it is in", async () => {
  await using folder = await testFolder();
  await makeVm(folder.path, 1024 * 1024);
  const bytes = await collected(backupOf(folder.path));
  const hello = new TextDecoder("latin1").decode(bytes).indexOf("hello\n");
  assert.ok(hello > 0);
  const changed = bytes.slice();
  changed[hello] = 0;
  await assert.rejects(readBackup(pieces(changed)), {
    message: /^its bytes are not .* \(in "vms\/1\/logs\/output\.log", byte/,
  });
  await assert.rejects(readBackup(pieces(bytes.subarray(0, hello + 2))), {
    message: /^it ends in the middle.* \(at "vms\/1\/logs\/output\.log", byte/,
  });
});

Deno.test("an archive of something else is no backup", async () => {
  await using folder = await testFolder();
  await Deno.writeTextFile(`${folder.path}/a`, "a");
  const archive = `${folder.path}.tar`;
  await run("tar", ["-c", "-C", folder.path, "-f", archive, "a"]);
  const bytes = await Deno.readFile(archive);
  await Deno.remove(archive);
  await assert.rejects(readBackup(pieces(bytes)), {
    message: /^it is an archive, but no backup of Volant/,
  });
});

for (const name of ["../evil", "/etc/passwd", "vms/../../x", "lock", "run/x"]) {
  Deno.test(`a backup that holds ${name} is refused`, async () => {
    await using folder = await testFolder();
    const owned = { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
    const bytes = await collected(
      backupOf(
        folder.path,
        (writer) => writer.bytes(name, new Uint8Array(1), owned),
      ),
    );
    await assert.rejects(readBackup(pieces(bytes)), {
      message: /^it holds a name that no backup does/,
    });
  });
}

Deno.test("a file in very many parts is written in as many as can be read", () => {
  const parts = Array.from(
    { length: 300_000 },
    (_, at) => ({ offset: at * 16384, length: 4096 }),
  );
  const few = fewParts(parts, 300_000 * 16384);
  assert.ok(few.length > 0 && few.length < 100_000, `${few.length} parts`);
  const [first] = few;
  assert.equal(first?.offset, 0);
  const last = few.at(-1);
  assert.equal(
    (last?.offset ?? 0) + (last?.length ?? 0),
    299_999 * 16384 + 4096,
  );
});

Deno.test("a few bytes that claim to be very many are not read out", async () => {
  for (const name of ["volant-backup.json", "failure.json", "contents.json"]) {
    await using folder = await testFolder();
    const header = `{"format":1,"volant":"1","schema":6,"artifacts":true}`;
    await Deno.writeTextFile(`${folder.path}/volant-backup.json`, header);
    await run("truncate", ["-s", "1T", `${folder.path}/${name}`]);
    const names = [...new Set(["volant-backup.json", name])];
    const archive = `${folder.path}.tar`;
    await run("tar", [
      ...["-c", "--sparse", "--format=posix", "-C", folder.path],
      ...["-f", archive, ...names],
    ]);
    await assert.rejects(readBackup(pieces(await Deno.readFile(archive))), {
      name: "ArchiveProblem",
    });
    await Deno.remove(archive);
  }
});
