/**
 * Runs groups of tests and sums them up: `deno run -A tools/test.ts GROUP...`.
 *
 * Each group is one `deno test`, whose output is passed through and whose
 * counts come from its JUnit report. The last line printed is
 * `N passed, M failed`; steps of a test count like tests. A group that ends badly with no failed test (a module
 * that does not load, a leak at exit) counts as one failure, and so does a
 * group in which no test ran, or one was skipped.
 *
 * @module
 */

import { type Counts, readCounts } from "./test_report.ts";

interface Group {
  readonly files: () => Promise<string[]>;
  readonly jobs: number;
}

const ROOT = new URL("../", import.meta.url).pathname;
const TIDY_TEST = "tests/tidy_test.ts";

/** Guests are heavy: two files of them at a time, or one where it is long. */
const GROUPS: Readonly<Record<string, Group>> = {
  unit: {
    files: () => Promise.resolve(["src", "kernels", "tools", TIDY_TEST]),
    jobs: navigator.hardwareConcurrency,
  },
  executable: {
    files: async () =>
      (await testFiles("tests")).filter((path) => path !== TIDY_TEST),
    jobs: 2,
  },
  torture: { files: () => testFiles("tests/torture"), jobs: 1 },
};

if (import.meta.main) {
  const failed = await runGroups(Deno.args);
  Deno.exit(failed === 0 ? 0 : 1);
}

async function runGroups(names: readonly string[]): Promise<number> {
  let passed = 0;
  let failed = 0;
  for (const name of names) {
    const group = GROUPS[name];
    if (group === undefined) {
      throw new Error(
        `Cannot run the tests "${name}": there are ${
          Object.keys(GROUPS).join(", ")
        }`,
      );
    }
    const counts = await runGroup(group);
    passed += counts.passed;
    failed += counts.failed;
  }
  say(`${passed} passed, ${failed} failed`);
  return failed;
}

async function runGroup(group: Group): Promise<Counts> {
  const report = await Deno.makeTempFile({ prefix: "volant-test-" });
  try {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["test", "-A", "--no-check", "--parallel"],
        ...["--permit-no-files", "--junit-path", report],
        ...await group.files(),
      ],
      cwd: ROOT,
      env: { DENO_JOBS: String(group.jobs) },
      stdin: "null",
    }).spawn().status;
    const counts = readCounts(await Deno.readTextFile(report), success);
    for (const problem of counts.problems) say(`error: ${problem}`);
    return counts;
  } finally {
    await Deno.remove(report);
  }
}

async function testFiles(dir: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name } of Deno.readDir(ROOT + dir)) {
    if (name.endsWith("_test.ts")) files.push(`${dir}/${name}`);
  }
  return files.sort();
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
