/**
 * The style that can be checked: which file may import which, how long a file
 * may be, where the outside world is touched, and that what is printed for the
 * docs is what stands there.
 */

import assert from "node:assert/strict";

const ROOT = new URL("../", import.meta.url).pathname;

/** Longest prefix wins. A folder may always import from itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "lib/": [],
  "manifest/": ["lib/"],
  "guest/": ["lib/"],
  "api/": ["lib/", "manifest/"],
  "host/": ["lib/"],
  "archive/": ["lib/"],
  "backup/": ["lib/", "archive/"],
  "builder/": ["lib/", "archive/", "manifest/", "guest/"],
  "cli/": ["lib/", "manifest/", "api/", "host/", "builder/", "backup/"],
  "daemon/store/": [
    "lib/",
    "manifest/values.ts",
    "api/",
    "daemon/vm/vm.ts",
    "daemon/plugins/plugin.ts",
  ],
  "daemon/plugins/": [
    "lib/",
    "manifest/",
    "api/",
    "daemon/store/",
    "daemon/artifacts/artifact_store.ts",
  ],
  "daemon/artifacts/": ["lib/"],
  "daemon/events/": ["lib/", "api/"],
  "daemon/logs/": ["lib/", "api/"],
  "daemon/machines/": ["lib/", "daemon/hypervisors/hypervisor.ts"],
  "daemon/networks/": [
    "lib/",
    "api/",
    "host/",
    "daemon/hypervisors/hypervisor.ts",
  ],
  "daemon/hypervisors/": ["lib/", "daemon/machines/"],
  "daemon/vm/": [
    "lib/",
    "manifest/",
    "guest/",
    "api/",
    "daemon/hypervisors/hypervisor.ts",
    "daemon/networks/network.ts",
    "daemon/networks/registry.ts",
    "daemon/machines/",
    "daemon/store/",
    "daemon/artifacts/",
    "daemon/events/",
  ],
  "daemon/backup/": [
    "lib/",
    "backup/",
    "daemon/hypervisors/hypervisor.ts",
    "daemon/vm/",
    "daemon/store/",
  ],
  "daemon/routes/": [
    "lib/",
    "manifest/",
    "api/",
    "daemon/vm/",
    "daemon/plugins/",
    "daemon/hypervisors/hypervisor.ts",
    "daemon/events/",
    "daemon/logs/",
    "daemon/backup/",
    "backup/writer.ts",
  ],
  "daemon/server.ts": ["lib/", "daemon/routes/"],
  "daemon/config.ts": [
    "lib/",
    "host/",
    "daemon/hypervisors/registry.ts",
    "daemon/hypervisors/qemu/machine_models.ts",
    "daemon/networks/",
  ],
  "daemon/": ["lib/", "api/", "host/", "backup/", "daemon/"],
  "main.ts": ["lib/self.ts", "daemon/main.ts", "cli/cli.ts"],
};

/** What only some files may do; the key is looked for in the text. */
const ONLY_IN: Readonly<Record<string, readonly string[]>> = {
  "Deno.Command": ["lib/exec.ts"],
  "Deno.dlopen": ["lib/libc.ts"],
  "Deno.exit(": ["main.ts"],
  "Deno.env.get": [
    "lib/folders.ts",
    "lib/exec.ts",
    "api/unix_client.ts",
    "daemon/main.ts",
    "cli/",
    "host/",
    "builder/",
  ],
  "node:sqlite": ["daemon/store/", "backup/"],
};

const FILE_LINES_MAX = 400;
const TEST_LINES_MAX = 600;

interface Source {
  readonly path: string;
  readonly text: string;
}

async function sources(folder: string, ending: string): Promise<Source[]> {
  const found: Source[] = [];
  for await (const entry of Deno.readDir(ROOT + folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...await sources(path, ending));
    else if (entry.name.endsWith(ending)) {
      found.push({ path, text: await Deno.readTextFile(ROOT + path) });
    }
  }
  return found;
}

function ruleFor(path: string): readonly [string, readonly string[]] {
  const rule = Object.entries(MAY_IMPORT)
    .filter(([prefix]) => path.startsWith(prefix))
    .toSorted(([a], [b]) => b.length - a.length)[0];
  assert.ok(rule, `src/${path}: no rule says what it may import`);
  return rule;
}

Deno.test("imports go only the way the architecture says", async () => {
  const wrong: string[] = [];
  for (const { path, text } of await sources("src", ".ts")) {
    const own = path.slice("src/".length);
    const [prefix, allowed] = ruleFor(own);
    for (
      const [, target = ""] of text.matchAll(
        /(?:from|import)\(?\s*"(\.[^"]+)"/g,
      )
    ) {
      const to = new URL(target, `file:///${own}`).pathname.slice(1);
      const isOwn = to.startsWith(prefix);
      const isTest = own.endsWith("_test.ts");
      if (!isOwn && !isTest && !allowed.some((each) => to.startsWith(each))) {
        wrong.push(`src/${own}: must not import src/${to}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("the outside world is touched only where it should be", async () => {
  const wrong: string[] = [];
  for (const { path, text } of await sources("src", ".ts")) {
    if (path.endsWith("_test.ts")) continue;
    const own = path.slice("src/".length);
    for (const [what, where] of Object.entries(ONLY_IN)) {
      if (text.includes(what) && !where.some((each) => own.startsWith(each))) {
        wrong.push(`${path}: must not use ${what}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("contracts and agent stay free of node modules and the schema library", async () => {
  const wrong: string[] = [];
  for (const folder of ["src/guest", "src/api", "src/lib"]) {
    for (const { path, text } of await sources(folder, ".ts")) {
      if (path.endsWith("_test.ts") || path.endsWith("_schema.ts")) continue;
      if (/^import (?!type)[^;]*from "(node:|zod)/m.test(text)) {
        wrong.push(`${path}: must not import node:* or zod`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("no file has grown beyond what can be read at once", async () => {
  const wrong: string[] = [];
  const all = [
    ...await sources("src", ".ts"),
    ...await sources("tests", ".ts"),
    ...await sources("tools", ".ts"),
    ...await sources("kernels", ".ts"),
    ...await sources("shim", ".c"),
    ...await sources("tools", ".c"),
  ];
  for (const { path, text } of all) {
    const lines = text.split("\n").length - 1;
    const isTest = path.endsWith("_test.ts");
    const most = isTest ? TEST_LINES_MAX : FILE_LINES_MAX;
    if (lines > most) wrong.push(`${path}: ${lines} lines, over ${most}`);
  }
  assert.deepEqual(wrong, []);
});

Deno.test("every module says what it is for", async () => {
  const wrong: string[] = [];
  for (const { path, text } of await sources("src", ".ts")) {
    if (!path.endsWith("_test.ts") && !text.startsWith("/**")) {
      wrong.push(`${path}: does not open with a comment`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("nothing is left that should have been finished or named a host", async () => {
  // Put together here, so that this file does not find itself.
  const banned = [
    "TO" + "DO",
    "FIX" + "ME",
    "X" + "XX",
    "npm" + "js.org",
    "deb.deb" + "ian.org",
  ];
  const wrong: string[] = [];
  for (const folder of ["src", "tests", "tools", "shim", "kernels", "docs"]) {
    for (const ending of [".ts", ".c", ".h", ".md", ".sh", ".config"]) {
      for (const { path, text } of await sources(folder, ending)) {
        for (const word of banned) {
          if (text.includes(word)) wrong.push(`${path}: "${word}"`);
        }
      }
    }
  }
  assert.deepEqual(wrong, []);
});
