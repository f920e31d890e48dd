import assert from "node:assert/strict";
import { volant } from "./fake_daemon.ts";

Deno.test("every misuse ends with 64, one error and one hint", async () => {
  const cases: readonly (readonly [string, RegExp, RegExp])[] = [
    ["vm lsit", /command "lsit"/, /Did you mean `list`\?/],
    ["vn list", /command "vn"/, /Did you mean `vm`\?/],
    ["toString", /command "toString"/, /--help/],
    ["vm rm a", /command "rm"/, /mean `volant vm delete`\?/],
    ["ps", /command "ps"/, /mean `volant vm list`\?/],
    ["launch", /command "launch"/, /mean `volant vm create`\?/],
    ["vm run a", /command "run"/, /mean `volant run`\?/],
    ["vm kill a", /command "kill"/, /mean `volant vm stop --kill`\?/],
    ["help", /command "help"/, /mean `volant --help`\?/],
    ["vm exec a", /"exec": it is not in this version/, /published ports/],
    ["frobnicate", /command "frobnicate"/, /^hint: See `volant --help`$/],
    ["vm xy", /command "xy"/, /^hint: See `volant --help`$/],
    [
      "vm create a -m f --memory=",
      /"--memory": its value is empty/,
      /--memory=/,
    ],
    ["vm list --stauts running", /flag "--stauts"/, /Did you mean --status\?/],
    ["vm create w -m f --evn-file x", /"--evn-file"/, /mean --env-file\?/],
    ["vm list -x", /flag "-x"/, /--help/],
    ["vm list --status bad", /--status to "bad"/, /pending, starting/],
    ["vm list web", /word "web".* takes none/, /--help/],
    ["vm get", /NAME is missing/, /--help/],
    ["vm stop", /NAME is missing/, /--help/],
    ["vm get a b", /word "b".* takes only 1/, /--help/],
    ["vm get Not_A_Name", /VM name "Not_A_Name"/, /such as web-1/],
    ["vm stop a --grace", /"--grace": its value is missing/, /--help/],
    ["vm stop a --grace soon", /"soon" as a duration/, /10s/],
    ["vm logs a --tail 1 --tail 2", /--tail to "2"/, /once/],
    ["vm create a -m f -p 80", /"80" as a published port/, /8080:80/],
    ["vm create a", /neither --manifest nor --plugin is given/, /--manifest/],
  ];
  for (const [line, error, hint] of cases) {
    const { status, stdout, stderr } = await volant(line.split(" "));
    assert.equal(status, 64, line);
    assert.equal(stdout, "", line);
    assert.match(stderr, /^error: [^\n]+\nhint: [^\n]+\n$/, line);
    const [said = "", advised = ""] = stderr.split("\n");
    assert.match(said, error);
    assert.match(advised, hint);
  }
});

Deno.test("misuse under --json is one JSON object", async () => {
  const { status, stderr } = await volant(["vm", "get", "--json"]);
  assert.equal(status, 64);
  assert.equal(JSON.parse(stderr).code, "invalid-input");
});

Deno.test("help is the same for a command and its group's alias", async () => {
  const { status, stdout } = await volant(["vm", "list", "--help"]);
  assert.equal(status, 0);
  assert.match(stdout, /EXAMPLES\n {2}volant vm list\n/);
  assert.equal((await volant(["vms", "list", "-h"])).stdout, stdout);
});

Deno.test("help of the program lists every command", async () => {
  const { status, stdout } = await volant(["--help"]);
  assert.equal(status, 0);
  const names = ["vm", "build", "events", "system", "doctor", "version"];
  for (const name of [...names, "daemon", "docs"]) {
    assert.match(stdout, new RegExp(`^  ${name} {2}`, "m"));
  }
  assert.match((await volant([])).stdout, /COMMANDS/);
});

Deno.test("fledge is the build command, volar the whole program", async () => {
  const build = (await volant(["build", "--help"])).stdout;
  assert.match(build, /volant build/);
  for (const words of [["--help"], ["build", "--help"]]) {
    assert.equal((await volant(words, { program: "fledge" })).stdout, build);
  }
  const volar = await volant(["vm", "list", "--help"], { program: "volar" });
  assert.match(volar.stdout, /^ {2}volar vm list$/m);
});

Deno.test("--version is version", async () => {
  const { stdout } = await volant(["version", "--json"]);
  assert.equal(JSON.parse(stdout).deno, Deno.version.deno);
  const short = await volant(["--version"]);
  assert.equal(short.stdout, (await volant(["version"])).stdout);
  assert.equal(
    (await volant(["--version"], { program: "fledge" })).stdout,
    short.stdout,
  );
});
