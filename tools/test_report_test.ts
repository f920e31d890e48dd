/**
 * Tests of the reader of JUnit reports.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readCounts } from "./test_report.ts";

function report(...suites: readonly string[]): string {
  return `<testsuites name="deno test" tests="99" failures="9">${
    suites.map((suite) => `<testsuite name="x" ${suite}></testsuite>`).join("")
  }</testsuites>`;
}

Deno.test("readCounts() sums the suites and leaves the total alone", () => {
  const xml = report(
    'tests="4" disabled="0" errors="1" failures="1"',
    'tests="2" disabled="0" errors="0" failures="0"',
  );
  assert.deepEqual(readCounts(xml, false), {
    passed: 4,
    failed: 2,
    problems: [],
  });
});

Deno.test("readCounts() makes a skipped test a failure", () => {
  const xml = report('tests="3" disabled="2" errors="0" failures="0"');
  assert.deepEqual(readCounts(xml, true), {
    passed: 1,
    failed: 1,
    problems: ["2 tests were skipped"],
  });
});

Deno.test("readCounts() makes a bad end with no failed test a failure", () => {
  const xml = report('tests="3" disabled="0" errors="0" failures="0"');
  assert.deepEqual(readCounts(xml, false), {
    passed: 3,
    failed: 1,
    problems: ["the run failed outside its tests"],
  });
});

Deno.test("readCounts() makes a run of no test a failure", () => {
  assert.deepEqual(readCounts(report(), true).problems, ["no test ran"]);
  assert.equal(readCounts("", false).failed, 2);
});
