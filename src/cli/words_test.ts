import assert from "node:assert/strict";
import { Fault } from "../lib/fault.ts";
import {
  parseAddress,
  parseCount,
  parseDuration,
  parseEnv,
  parseEnvFile,
  parseGuestPath,
  parseMemory,
  parsePublish,
} from "./words.ts";

const noEnvironment = () => undefined;

function refuses(read: () => unknown): void {
  assert.throws(
    read,
    (error) => error instanceof Fault && error.code === "invalid-input",
  );
}

Deno.test("parseMemory() takes MiB by default and knows MiB and GiB", () => {
  const cases = { "64": 64, "64MiB": 64, "1GiB": 1024, "1.5g": 1536, "2 m": 2 };
  for (const [word, mib] of Object.entries(cases)) {
    assert.equal(parseMemory(word), mib);
  }
});

Deno.test("parseMemory() refuses what is no whole number of MiB", () => {
  for (const word of ["", "0", "-1", "1.5", "64MB", "1TiB", "x", "1e3"]) {
    refuses(() => parseMemory(word));
  }
});

Deno.test("parseDuration() reads seconds, minutes and hours", () => {
  const cases = { "10": 10, "10s": 10, "2m": 120, "1h": 3600, "0": 0 };
  for (const [word, seconds] of Object.entries(cases)) {
    assert.equal(parseDuration(word), seconds);
  }
  for (const word of ["", "10x", "-1s", "1.5s", "s"]) {
    refuses(() => parseDuration(word));
  }
});

Deno.test("parseCount() refuses zero, signs and fractions", () => {
  assert.equal(parseCount("12"), 12);
  for (const word of ["0", "-1", "+1", "1.0", "", "two"]) {
    refuses(() => parseCount(word));
  }
});

Deno.test("parsePublish() reads address, ports and protocol", () => {
  assert.deepEqual(parsePublish("8080:80"), {
    host_port: 8080,
    port: 80,
    protocol: "tcp",
  });
  assert.deepEqual(parsePublish("0.0.0.0:53:5353/udp"), {
    host_ip: "0.0.0.0",
    host_port: 53,
    port: 5353,
    protocol: "udp",
  });
  assert.deepEqual(parsePublish("[::1]:0:80/TCP"), {
    host_ip: "::1",
    host_port: 0,
    port: 80,
    protocol: "tcp",
  });
});

Deno.test("parsePublish() refuses ports that do not exist and other forms", () => {
  const words = ["80", ":80", "8080:", "70000:80", "80:0", "1:2:3:4", "a:b"];
  for (const word of [...words, "80:80/sctp", "::1:80:80"]) {
    refuses(() => parsePublish(word));
  }
});

Deno.test("parseAddress() takes the plain form of an IPv4 address alone", () => {
  assert.equal(parseAddress("10.1.0.255"), "10.1.0.255");
  for (
    const word of ["", "10.1.0", "10.1.0.256", "10.01.0.1", "::1", "a.b.c.d"]
  ) {
    refuses(() => parseAddress(word));
  }
});

Deno.test("parseEnv() takes a value, or the caller's", () => {
  assert.deepEqual(parseEnv("A=b=c", noEnvironment), ["A", "b=c"]);
  assert.deepEqual(parseEnv("A=", noEnvironment), ["A", ""]);
  assert.deepEqual(parseEnv("A", () => "here"), ["A", "here"]);
  for (const word of ["A", "=x", "", "A B=1"]) {
    refuses(() => parseEnv(word, noEnvironment));
  }
});

Deno.test("parseEnvFile() leaves out comments and empty lines", () => {
  const text = "# secrets\n\nA=1\r\nB=two words # kept\nC\n";
  assert.deepEqual(parseEnvFile(text, "env", () => "here"), [
    ["A", "1"],
    ["B", "two words # kept"],
    ["C", "here"],
  ]);
});

Deno.test("parseEnvFile() names file and line, and never prints what is in it", () => {
  const cases = [
    ["export SECRET=1", /line 2 of .*"env": it begins with "export"/],
    ["SECRET", /line 2 of .*"env": it has no =/],
    ["SEC RET=1", /line 2 of .*"env": it is not NAME=VALUE/],
  ] as const;
  for (const [line, expected] of cases) {
    assert.throws(
      () => parseEnvFile(`A=1\n${line}\n`, "env", noEnvironment),
      (error) => {
        assert.ok(error instanceof Fault);
        assert.match(error.message, expected);
        const said = `${error.message} ${error.hint} ${error.cause}`;
        assert.doesNotMatch(said, /SECRET|SEC RET/);
        return true;
      },
    );
  }
});

Deno.test("parseGuestPath() cleans a path as the guest's own kernel would read it", () => {
  const cases = {
    "/srv": "/srv",
    "/tmp/../etc/": "/etc",
    "//a/./b": "/a/b",
    "/../..": "/",
    "srv": "/srv",
  };
  for (const [word, path] of Object.entries(cases)) {
    assert.equal(parseGuestPath(word), path);
  }
  assert.throws(() => parseGuestPath(""), /"" as a path/);
});
