/**
 * Reads the counts out of the JUnit report that `deno test` writes.
 *
 * @module
 */

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  /** What counts as a failure though no test failed, as sentences. */
  readonly problems: readonly string[];
}

const SUITE_REGEXP = /<testsuite\s([^>]*)>/g;

/** Counts of a run; `success` is whether `deno test` itself ended well. */
export function readCounts(xml: string, success: boolean): Counts {
  let tests = 0;
  let skipped = 0;
  let failed = 0;
  for (const [, attributes = ""] of xml.matchAll(SUITE_REGEXP)) {
    tests += attribute(attributes, "tests");
    skipped += attribute(attributes, "disabled");
    failed += attribute(attributes, "failures") +
      attribute(attributes, "errors");
  }
  const problems: string[] = [];
  if (skipped > 0) problems.push(`${skipped} tests were skipped`);
  if (tests === 0) problems.push("no test ran");
  if (!success && failed === 0) {
    problems.push("the run failed outside its tests");
  }
  return {
    passed: tests - skipped - failed,
    failed: failed + problems.length,
    problems,
  };
}

function attribute(attributes: string, name: string): number {
  const [, digits = "0"] = new RegExp(`\\b${name}="(\\d+)"`).exec(attributes) ??
    [];
  return Number(digits);
}
