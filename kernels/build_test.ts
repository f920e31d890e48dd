/**
 * The pure half of the kernel build: what is asked for, under which name it is
 * cached, and whether the configuration kept its promises.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parseRequest } from "./build.ts";
import { cacheFolder, cacheKey, surplusEntries } from "./cache.ts";
import {
  formatConfig,
  kconfigSymbols,
  lostOptions,
  mergeOptions,
  parseConfig,
  parseFragment,
  unknownOptions,
} from "./options.ts";
import { lastLines } from "./run.ts";
import { checkTarball, parsePin } from "./source.ts";

const HERE = new URL(".", import.meta.url);
const PIN = `# a comment
upstream=6.1.1
package=linux-source-6.1
package_version=6.1.1-1
tarball=linux-source-6.1.tar.xz
sha256=abc
`;

Deno.test("a fragment gives the options that are on, off and valued", () => {
  const text = '# why\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x=1"\n';
  assert.deepEqual(
    [...parseFragment("base.config", text)],
    [["A", "y"], ["B", "n"], ["C", '"x=1"']],
  );
});

Deno.test("a fragment with a line that means nothing is refused by its number", () => {
  assert.throws(
    () => parseFragment("base.config", "CONFIG_A=y\nCONFIG_B\n"),
    /"base.config": line 2: "CONFIG_B" is no option/,
  );
  assert.throws(
    () => parseFragment("base.config", "# CONFIG_A is off\n"),
    /line 1/,
  );
});

Deno.test("a fragment that names an option twice is refused", () => {
  assert.throws(
    () => parseFragment("base.config", "CONFIG_A=y\n# CONFIG_A is not set\n"),
    /line 2: A is there twice/,
  );
});

Deno.test("options are written as they are read, those that are off too", () => {
  const text = '# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C="x=1"\n';
  assert.equal(formatConfig(parseConfig(text)), text);
});

Deno.test("a later fragment wins", () => {
  const merged = mergeOptions([
    new Map([["A", "y"], ["B", "n"]]),
    new Map([["B", "y"]]),
  ]);
  assert.deepEqual([...merged], [["A", "y"], ["B", "y"]]);
});

Deno.test("each option that did not survive is named with what it became", () => {
  const config = parseConfig(
    "# CONFIG_GONE is not set\nCONFIG_FORCED=y\nCONFIG_SIZE=64\nCONFIG_KEPT=y\n",
  );
  const wanted = new Map([
    ["GONE", "y"],
    ["ABSENT", "y"],
    ["FORCED", "n"],
    ["SIZE", "4"],
    ["KEPT", "y"],
    ["OFF", "n"],
  ]);
  assert.deepEqual(lostOptions(wanted, config), [
    "CONFIG_GONE is n, not y",
    "CONFIG_ABSENT is n, not y",
    "CONFIG_FORCED is y, not n",
    "CONFIG_SIZE is 64, not 4",
  ]);
});

Deno.test("an option the kernel does not know is named, even when it is off", () => {
  const symbols = new Set(
    kconfigSymbols("config A\n\tbool\nmenuconfig B\n\n  config C\n# config D"),
  );
  const wanted = new Map([["A", "y"], ["B", "n"], ["C", "y"], ["D", "n"]]);
  assert.deepEqual(unknownOptions(wanted, symbols), [
    "CONFIG_D does not exist",
  ]);
});

Deno.test("the fragments of the repository can be read together", async () => {
  for (
    const name of ["base", "x86_64", "aarch64", "generic", "rootfs", "baked"]
  ) {
    const text = await Deno.readTextFile(new URL(`${name}.config`, HERE));
    assert.ok(parseFragment(`${name}.config`, text).size > 0, name);
  }
});

Deno.test("a pin has all its values, and one that is missing is named", () => {
  assert.equal(parsePin(PIN).packageVersion, "6.1.1-1");
  assert.throws(
    () => parsePin(PIN.replace("sha256=abc\n", "")),
    /"sha256" is not there/,
  );
});

Deno.test("a tarball with another checksum is refused with both", () => {
  const pin = parsePin(PIN);
  checkTarball("a.tar.xz", "abc", pin);
  assert.throws(
    () => checkTarball("a.tar.xz", "def", pin),
    /"a.tar.xz": its SHA-256 is def, not abc/,
  );
});

Deno.test("a cache key depends on names, values and nothing else", () => {
  const key = cacheKey({ a: "1", b: new Uint8Array([50]) });
  assert.match(key, /^[0-9a-f]{64}$/);
  assert.equal(cacheKey({ b: "2", a: "1" }), key);
  assert.notEqual(cacheKey({ a: "1", b: "3" }), key);
  assert.notEqual(cacheKey({ a: "1", c: "2" }), key);
  assert.notEqual(cacheKey({ a: "1b 1\n2" }), cacheKey({ a: "1", b: "2" }));
});

Deno.test("the cache lies where the environment says", () => {
  const home = { HOME: "/home/a" };
  assert.equal(cacheFolder(home), "/home/a/.cache/volant/kernels");
  assert.equal(
    cacheFolder({ ...home, XDG_CACHE_HOME: "/c" }),
    "/c/volant/kernels",
  );
  assert.equal(
    cacheFolder({ ...home, XDG_CACHE_HOME: "/c", VOLANT_CACHE: "/v" }),
    "/v/kernels",
  );
  assert.throws(() => cacheFolder({}), /HOME is not set/);
});

Deno.test("the entries used longest ago are surplus", () => {
  const entries = [
    { name: "old", usedMs: 1 },
    { name: "new", usedMs: 3 },
    { name: "middle", usedMs: 2 },
  ];
  assert.deepEqual(surplusEntries(entries, 2), ["old"]);
  assert.deepEqual(surplusEntries(entries, 3), []);
});

Deno.test("a request names kernels, shim and folder", () => {
  assert.deepEqual(parseRequest(["--shim", "s", "--out", "o"]), {
    kernels: ["generic", "volant"],
    shim: "s",
    out: "o",
  });
  assert.deepEqual(parseRequest(["--only", "generic"]), {
    kernels: ["generic"],
    shim: undefined,
    out: "build/kernels",
  });
  assert.throws(() => parseRequest([]), /no shim is named/);
  assert.throws(
    () => parseRequest(["--only", "tiny"]),
    /"tiny": it is not one of generic, volant/,
  );
});

Deno.test("the end of a long output is shown", () => {
  assert.equal(lastLines("a\nb\nc\n", 2), "b\nc");
});
