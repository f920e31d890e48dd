/**
 * `volant run` of OCI images: what the guest's workload sees of the image's config and of the command line, and what is kept.
 */

import assert from "node:assert/strict";
import {
  layoutArchive,
  type LayoutImage,
  type RunConfig,
  writeOciLayout,
} from "./harness/oci_image.ts";
import { type Result, TmpVolant } from "./harness/tmp_volant.ts";
import { until } from "./harness/until.ts";

const DEADLINE_MS = 90_000;

const BASE: LayoutImage["layers"] = [
  {
    entries: [
      { name: "bin/", type: "5", mode: 0o755 },
      {
        name: "bin/busybox",
        content: Deno.readFileSync("/bin/busybox"),
        mode: 0o755,
      },
      { name: "bin/sh", type: "2", linkName: "busybox" },
      { name: "etc/", type: "5", mode: 0o755 },
      {
        name: "etc/passwd",
        content: "root:x:0:0::/root:/bin/sh\nwww:x:1234:1235::/srv:/bin/sh\n",
      },
      { name: "etc/group", content: "root:x:0:\nwww:x:1235:\nadm:x:99:\n" },
      { name: "tmp/", type: "5", mode: 0o1777 },
    ],
  },
  {
    entries: [
      { name: "srv/", type: "5", mode: 0o755, uid: 1234, gid: 1235 },
      { name: "srv/data", content: "of the second layer\n" },
      { name: "plain", content: "", mode: 0o644 },
    ],
  },
];

/** What the workload is: user, variables, folder, words. */
const LOOK =
  'busybox id -u; busybox id -g; echo "$A|$B|$HOME"; pwd; cat data 2>/dev/null; echo "$@"';

/** A daemon with a cache of its own, and images beside it. */
class Images implements AsyncDisposable {
  readonly volant: TmpVolant;
  readonly #folder: string;

  private constructor(volant: TmpVolant, folder: string) {
    this.volant = volant;
    this.#folder = folder;
  }

  static async start(): Promise<Images> {
    const folder = await Deno.makeTempDir({ prefix: "volant-images-" });
    const env = { VOLANT_CACHE: `${folder}/cache` };
    return new Images(await TmpVolant.start({ env }), folder);
  }

  get cache(): string {
    return `${this.#folder}/cache`;
  }

  path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  /** An image of busybox; the reference to it. */
  async add(name: string, config: RunConfig): Promise<string> {
    const folder = this.path(name);
    return (await writeOciLayout(folder, { layers: BASE, config })).reference;
  }

  async run(...words: readonly string[]): Promise<Result> {
    return await this.volant.volant("run", "--rm", ...words);
  }

  /** What a run prints that must end with 0. */
  async output(...words: readonly string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(...words);
    assert.equal(status, 0, `${words.join(" ")}: ${stderr}`);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.volant[Symbol.asyncDispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

Deno.test("run: an image ends as its workload does", async () => {
  await using images = await Images.start();
  const image = await images.add("shell", { Entrypoint: ["/bin/sh", "-c"] });
  const cases = [
    ["exit 0", 0],
    ["exit 3", 3],
    ["kill -9 $$", 137],
    ["exec /nope", 127],
    ["exec /plain", 126],
  ] as const;
  for (const [script, expected] of cases) {
    const { status, stderr } = await images.run(image, "--", script);
    assert.equal(status, expected, `${script}: ${stderr}`);
  }
  const absent = await images.run("--entrypoint", "/nope", image);
  assert.equal(absent.status, 127);
  assert.match(absent.stderr, /\/nope/);
  const plain = await images.run("--entrypoint", "/plain", image);
  assert.equal(plain.status, 126);
  assert.match(plain.stderr, /\/plain/);
  assert.deepEqual(await images.volant.json("vm", "list"), []);
});

Deno.test("run: ENTRYPOINT, CMD and the words of the command line", async () => {
  await using images = await Images.start();
  const both = await images.add("both", {
    Entrypoint: ["/bin/busybox", "echo"],
    Cmd: ["of", "the image"],
  });
  const cmd = await images.add("cmd", { Cmd: ["/bin/busybox", "echo", "cmd"] });
  const cases: readonly (readonly [readonly string[], string])[] = [
    [[both], "of the image\n"],
    [[both, "--", "mine", "--", "-x"], "mine -- -x\n"],
    [
      ["--entrypoint", "/bin/busybox", both, "--", "expr", "1", "+", "1"],
      "2\n",
    ],
    [[cmd], "cmd\n"],
    [[cmd, "--", "/bin/busybox", "echo", "other"], "other\n"],
    [["--entrypoint", "/bin/busybox", cmd, "--", "echo", "own"], "own\n"],
  ];
  for (const [words, expected] of cases) {
    assert.equal(await images.output(...words), expected, words.join(" "));
  }
  const none = await images.add("none", {});
  const { status, stderr } = await images.run(none);
  assert.equal(status, 125);
  assert.match(stderr, /names no program to run/);
});

Deno.test("run: the workload sees USER, ENV and WORKDIR, and what goes over them", async () => {
  await using images = await Images.start();
  const image = await images.add("look", {
    Entrypoint: ["/bin/sh", "-c", LOOK, "look"],
    Cmd: ["words"],
    Env: ["A=image", "B=image", "PATH=/bin"],
    WorkingDir: "/srv",
    User: "www",
  });
  assert.equal(
    await images.output(image),
    "1234\n1235\nimage|image|/srv\n/srv\nof the second layer\nwords\n",
  );
  const over = await images.output(
    ...["-e", "A=line", "-u", "7:adm", "-w", "/tmp", image, "--", "two words"],
  );
  assert.equal(over, "7\n99\nline|image|/\n/tmp\ntwo words\n");
  const numeric = await images.add("numeric", {
    Entrypoint: ["/bin/sh", "-c", "busybox id -u; busybox id -g"],
    User: "4321:4322",
  });
  assert.equal(await images.output(numeric), "4321\n4322\n");
  const unknown = await images.run("--user", "nobody-here", image);
  assert.equal(unknown.status, 125);
  assert.match(unknown.stderr, /nobody-here/);
});

Deno.test("run: an image is converted once, whatever it is read from", async () => {
  await using images = await Images.start();
  const image = await images.add("once", {
    Cmd: ["/bin/busybox", "true"],
    Healthcheck: { Test: ["CMD", "/bin/true"] },
  });
  const note = "HEALTHCHECK is a command, which a manifest cannot say yet";
  const first = await images.run(image);
  assert.equal(first.status, 0, first.stderr);
  const lines = first.stderr.replaceAll(`${image}: `, "").split("\n");
  assert.deepEqual(lines.toSorted(), [
    "",
    note,
    "layer 1 of 2",
    "layer 2 of 2",
  ]);
  assert.equal(first.stdout, "");
  const kept = [...Deno.readDirSync(`${images.cache}/images`)].length;
  const archive = images.path("once.tar");
  await Deno.writeFile(archive, await layoutArchive(images.path("once")));
  for (const again of [image, images.path("once"), `oci-archive:${archive}`]) {
    const { status, stderr } = await images.run(again);
    assert.equal(status, 0, stderr);
    assert.equal(stderr, `${again}: ${note}\n`, "nothing is converted");
  }
  assert.equal([...Deno.readDirSync(`${images.cache}/images`)].length, kept);
});

Deno.test("run: an image whose cached file is damaged is converted once more", async () => {
  await using images = await Images.start();
  const image = await images.add("torn", { Cmd: ["/bin/busybox", "true"] });
  assert.equal(await images.output(image), "");
  const [kept] = Deno.readDirSync(`${images.cache}/images`)
    .filter(({ isDirectory }) => isDirectory);
  const path = `${images.cache}/images/${kept?.name}/rootfs.erofs`;
  const bytes = await Deno.readFile(path);
  bytes[5000] = (bytes[5000] ?? 0) ^ 1;
  await Deno.writeFile(path, bytes);
  await using other = await TmpVolant.start({
    env: { VOLANT_CACHE: images.cache },
  });
  const { status, stderr } = await other.volant("run", "--rm", image);
  assert.equal(status, 0, stderr);
  assert.match(stderr, /its file in the cache is damaged; converting it again/);
  assert.match(stderr, /layer 2 of 2/);
});

Deno.test("run: detached, with the image's name; stopped with its signal", async () => {
  await using images = await Images.start();
  const { volant } = images;
  const image = await images.add("server", {
    Cmd: [
      "/bin/sh",
      "-c",
      "trap 'echo quit; exit 5' QUIT; echo up; while :; do busybox sleep 0.1; done",
    ],
    StopSignal: "SIGQUIT",
  });
  const name = (await volant.run("run", "-d", image)).trimEnd();
  assert.match(name, /^server-[a-z]{4}$/);
  await until(
    "it is up",
    async () => await volant.run("vm", "logs", name) === "up\n",
    DEADLINE_MS,
  );
  await volant.run("vm", "stop", name);
  assert.match(await volant.run("vm", "logs", name), /^up\n(?:Quit\n)?quit\n$/);
  assert.equal((await volant.json("vm", "get", name)).exit.status, 5);
  await volant.run("vm", "delete", name);

  const child = volant.spawn("run", "--rm", image);
  await child.stdin.close();
  let printed = "";
  for await (
    const text of child.stdout.pipeThrough(new TextDecoderStream())
  ) {
    printed += text;
    if (text.includes("up\n")) child.kill("SIGINT");
  }
  // The shell says how its child ended.
  assert.match(printed, /^up\n(?:Quit\n)?quit\n$/);
  await new Response(child.stderr).text();
  assert.equal((await child.status).code, 5);
});

Deno.test("run: what is no image is said to be none, with 125", async () => {
  await using images = await Images.start();
  const cases = [
    [`oci:${images.path("absent")}`, /absent/],
    [images.path("absent"), /absent/],
    ["docker-daemon:nginx", /not of a known form/],
    ["Nginx", /in small letters/],
    [`oci-archive:${images.path("absent.tar")}`, /absent\.tar/],
  ] as const;
  for (const [image, said] of cases) {
    const { status, stdout, stderr } = await images.run(image);
    assert.deepEqual([status, stdout], [125, ""], image);
    assert.match(stderr, /^error: [^\n]+\nhint: [^\n]+\n$/);
    assert.match(stderr, said);
  }
  const name = "registry.invalid/team/app";
  const { status, stderr } = await images.run("--pull", "never", name);
  assert.equal(status, 125);
  assert.match(stderr, /it is not in the cache, and is not to be pulled/);
});
