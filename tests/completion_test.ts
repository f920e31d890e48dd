/**
 * Completion in the shells themselves: each loads the script the executable prints, is given a line as somebody would type it,
 * and says what it would offer. What is proposed in which place is tested beside the code.
 */

import assert from "node:assert/strict";
import { built, source } from "./harness/built.ts";

const FIXTURES = source("tests/fixtures/completion");
const DEADLINE_MS = 60_000;

interface Shell {
  /** What the shell offers for `line`, sorted; `words` is the line as bash breaks it up. */
  offered(line: string, words: readonly string[]): Promise<string[]>;
}

/** A folder with files to complete, and the executable by two of its names. */
class Place implements AsyncDisposable {
  readonly path: string;
  readonly #socket: string;
  readonly #daemon: Deno.HttpServer;

  private constructor(path: string) {
    this.path = path;
    this.#socket = `${path}/s`;
    this.#daemon = Deno.serve(
      { path: this.#socket, onListen: () => {} },
      ({ url }) =>
        Response.json(
          new URL(url).pathname.endsWith("/plugins")
            ? { plugins: ["caddy", "curl"] }
            : [{ name: "web" }, { name: "web-2" }, { name: "db" }],
        ),
    );
  }

  static async make(): Promise<Place> {
    const path = await Deno.makeTempDir({ prefix: "volant-completion-" });
    await Deno.mkdir(`${path}/bin`);
    for (const name of ["volant", "volar", "fledge"]) {
      await Deno.symlink(
        await Deno.realPath(built("volant")),
        `${path}/bin/${name}`,
      );
    }
    await Deno.mkdir(`${path}/here/an image`, { recursive: true });
    await Deno.writeTextFile(`${path}/here/an image/index.json`, "");
    return new Place(path);
  }

  async run(program: string, args: readonly string[]): Promise<string[]> {
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args: [...args],
      cwd: `${this.path}/here`,
      clearEnv: true,
      env: {
        PATH: `${this.path}/bin:/usr/bin:/bin`,
        HOME: this.path,
        TERM: "dumb",
        LANG: "C.UTF-8",
        VOLANT_SOCKET: this.#socket,
        VOLANT_STATE_DIR: `${this.path}/state`,
      },
      stdin: "null",
      signal: AbortSignal.timeout(DEADLINE_MS),
    }).output();
    const text = new TextDecoder();
    assert.equal(code, 0, `${program}: ${text.decode(stderr)}`);
    return text.decode(stdout).split("\n").filter((line) => line !== "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon.shutdown();
    await Deno.remove(this.path, { recursive: true });
  }
}

function shells(place: Place): Readonly<Record<string, Shell>> {
  return {
    bash: {
      async offered(line, words) {
        const args = [`${FIXTURES}/capture.bash`, line, ...words];
        return (await place.run("bash", args)).toSorted();
      },
    },
    zsh: {
      async offered(line) {
        const found = await place.run("zsh", [
          "-f",
          `${FIXTURES}/capture.zsh`,
          line,
        ]);
        // It says a file's name as it would write it.
        return found.map((word) => word.replaceAll("\\", "")).toSorted();
      },
    },
    fish: {
      async offered(line) {
        const script = "volant completion fish | source; complete -C $argv[1]";
        const found = await place.run("fish", ["-N", "-c", script, line]);
        return found.map((each) =>
          each.split("\t")[0]?.replace(/\/$/, "") ?? ""
        )
          .toSorted();
      },
    },
  };
}

/** A line, as bash breaks it up behind the program, and what is offered. */
const CASES: readonly (readonly [
  line: string,
  words: readonly string[],
  offered: readonly string[],
])[] = [
  ["volant vm st", ["vm", "st"], ["start", "stop"]],
  ["volar vms lo", ["vms", "lo"], ["logs"]],
  ["volant vm stop we", ["vm", "stop", "we"], ["web", "web-2"]],
  ["volant vm create x --network ", ["vm", "create", "x", "--network", ""], [
    ...["bridged", "none", "user"],
  ]],
  ["volant plugins get c", ["plugins", "get", "c"], ["caddy", "curl"]],
  ["volant vm wait --fo", ["vm", "wait", "--fo"], ["--for"]],
  ["volant completion ", ["completion", ""], ["bash", "fish", "zsh"]],
  ["fledge an", ["an"], ["an image"]],
  ["volant run --rm oci-", ["run", "--rm", "oci-"], ["oci-archive:"]],
];

for (const shell of ["bash", "zsh", "fish"]) {
  Deno.test(`${shell} completes commands, flags, values, names and files`, async () => {
    await using place = await Place.make();
    const { offered } = shells(place)[shell] ?? {};
    assert.ok(offered);
    for (const [line, words, expected] of CASES) {
      const [program = ""] = line.split(" ");
      assert.deepEqual(
        await offered(line, [program, ...words]),
        expected,
        line,
      );
    }
  });
}

Deno.test("what stands before = or : is kept as each shell needs it", async () => {
  await using place = await Place.make();
  const { bash, zsh, fish } = shells(place);
  assert.ok(bash && zsh && fish);
  const flag = "volant vm create --network=b";
  const flagWords = ["volant", "vm", "create", "--network", "=", "b"];
  assert.deepEqual(await bash.offered(flag, flagWords), ["bridged"]);
  const whole = ["--network=bridged"];
  assert.deepEqual(await zsh.offered(flag, []), whole);
  assert.deepEqual(await fish.offered(flag, []), whole);
  const image = "volant run oci:an";
  const imageWords = ["volant", "run", "oci", ":", "an"];
  assert.deepEqual(await bash.offered(image, imageWords), ["an image"]);
  assert.deepEqual(await zsh.offered(image, []), ["oci:an image"]);
  assert.deepEqual(await fish.offered(image, []), ["oci:an image"]);
});

Deno.test("a name with a space is completed further", async () => {
  await using place = await Place.make();
  const { bash, zsh, fish } = shells(place);
  assert.ok(bash && zsh && fish);
  const line = "volant vm create x --manifest an\\ image/i";
  const words = line.replace("an\\ image", "NAME").split(" ")
    .map((word) => word.replace("NAME", "an\\ image"));
  const file = "an image/index.json";
  assert.deepEqual(await bash.offered(line, words), [file]);
  assert.deepEqual(await fish.offered(line, []), [file]);
  assert.deepEqual(await zsh.offered(line, []), ["index.json"]);
});
