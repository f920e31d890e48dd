/**
 * `volant build` from outside: the executable is called as a user calls it, and
 * what it writes is looked at by cpio, and by a kernel that boots it.
 *
 * Needed: busybox-static, cpio, qemu-system-x86, util-linux (setpriv, unshare).
 *
 * @module
 */

import assert from "node:assert/strict";
import { manifestFormat, parseManifest } from "../src/manifest/parse.ts";
import { built } from "./harness/built.ts";
import { until } from "./harness/until.ts";

const FLEDGE = `version = "1"
strategy = "initramfs"

[source]
busybox_path = "/bin/busybox"

[mappings]
"site" = "/srv/site"
"run.sh" = "/usr/bin/run"
`;

const MANIFEST = `schema_version = "v1"
name = "greeter"
version = "1.0.0"

[resources]
memory_mb = 64

[workload]
entrypoint = ["run"]
args = ["two words", ""]

[workload.env]
GREETING = " hello "
`;

const SCRIPT = `#!/bin/sh
echo "got [$GREETING] and $# words, the first [$1]"
echo "files $(ls /srv/site | tr '\\n' ' ')"
echo "modes $(stat -c %a /srv/site/page.html /usr/bin/run /tmp | tr '\\n' ' ')"
`;

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder with a recipe, and the executable called in it. */
class Project implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(fledge = FLEDGE, manifest = MANIFEST): Promise<Project> {
    const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "vb-" });
    const project = new Project(folder);
    await Deno.mkdir(`${folder}/out`);
    await project.write("fledge.toml", fledge);
    await project.write("manifest.toml", manifest);
    await project.write("site/page.html", "<p>hello</p>\n");
    await project.write("site/a/deep.txt", "deep\n");
    await project.write("run.sh", SCRIPT);
    return project;
  }

  async write(name: string, text: string): Promise<void> {
    const path = `${this.folder}/${name}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(path, text);
  }

  get artifact(): string {
    return `${this.folder}/out/greeter.cpio`;
  }

  build(
    { output = this.artifact, flags = [] as readonly string[] } = {},
  ): Promise<
    Ended
  > {
    const recipe = `${this.folder}/fledge.toml`;
    const words = ["build", recipe, "-o", output, ...flags];
    return this.run(built("volant"), words);
  }

  async run(program: string, args: readonly string[]): Promise<Ended> {
    return await outcome(this.spawn(program, args));
  }

  spawn(program: string, args: readonly string[]): Deno.ChildProcess {
    return new Deno.Command(program, {
      args: [...args],
      cwd: this.folder,
      env: {
        VOLANT_STATE_DIR: `${this.folder}/state`,
        VOLANT_CACHE: `${this.folder}/cache`,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  async outFiles(): Promise<string[]> {
    const entries = await Array.fromAsync(Deno.readDir(`${this.folder}/out`));
    return entries.map(({ name }) => name).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function outcome(child: Deno.ChildProcess): Promise<Ended> {
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return {
    status: code,
    stdout: text.decode(stdout),
    stderr: text.decode(stderr),
  };
}

function succeeded(ended: Ended): Ended {
  assert.equal(ended.status, 0, ended.stderr);
  return ended;
}

Deno.test("a build writes an artifact and a manifest that names it", async () => {
  await using project = await Project.make();
  const { stdout } = succeeded(await project.build({ flags: ["--json"] }));
  const told = JSON.parse(stdout);
  assert.equal(told.artifact, project.artifact);
  assert.equal(told.size_bytes, (await Deno.stat(project.artifact)).size);
  assert.deepEqual(await project.outFiles(), [
    "greeter.cpio",
    "greeter.cpio.manifest.json",
  ]);
  const manifest = parseManifest(await Deno.readTextFile(told.manifest), {
    name: told.manifest,
    format: manifestFormat(told.manifest),
  });
  assert.deepEqual(manifest.initramfs, {
    url: "greeter.cpio",
    checksum: told.digest,
  });
  const sum = succeeded(await project.run("sha256sum", [project.artifact]));
  assert.equal(`sha256:${sum.stdout.split(" ")[0]}`, told.digest);
});

Deno.test("cpio reads in the artifact what was mapped", async () => {
  await using project = await Project.make();
  succeeded(await project.build());
  const { stdout } = succeeded(
    await project.run("/bin/sh", [
      "-c",
      `TZ=UTC cpio -itvn --quiet <"${project.artifact}"`,
    ]),
  );
  const listed = new Map(
    stdout.trimEnd().split("\n").map((line) => {
      const words = line.split(/\s+/);
      // A device has two numbers in place of a size.
      const name = words.slice(line.startsWith("c") ? 9 : 8).join(" ");
      return [name, [words[0], words[2], words[3]].join(" ")] as const;
    }),
  );
  const expected: [name: string, entry: string][] = [
    ["bin/busybox", "-rwxr-xr-x 0 0"],
    ["bin/sh -> busybox", "lrwxrwxrwx 0 0"],
    ["dev/console", "crw------- 0 0"],
    ["etc/volant/boot.conf", "-rw------- 0 0"],
    ["init", "-rwxr-xr-x 0 0"],
    ["srv/site/a/deep.txt", "-rw-r--r-- 0 0"],
    ["tmp", "drwxrwxrwt 0 0"],
    ["usr/bin/run", "-rwxr-xr-x 0 0"],
  ];
  for (const [name, entry] of expected) {
    assert.equal(listed.get(name), entry, name);
  }
  const names = [...listed.keys()].map((name) => name.split(" -> ")[0] ?? "");
  assert.deepEqual(names, names.toSorted(), "the names are sorted");
});

Deno.test("two builds give the same bytes, by whomever and wherever", async () => {
  await using one = await Project.make();
  await using two = await Project.make();
  succeeded(await one.build());
  const inner = `umask 077; exec "$@"`;
  const command = [
    built("volant"),
    "build",
    "fledge.toml",
    "-o",
    "out/greeter.cpio",
  ];
  await Deno.utime(`${two.folder}/run.sh`, 1_000_000, 1_000_000);
  const words = ["/bin/sh", "-c", inner, "sh", ...command];
  if (Deno.uid() === 0) {
    // Somebody to whom nothing but this folder belongs.
    succeeded(await two.run("chown", ["-R", "65534:65534", two.folder]));
    words.unshift(
      "setpriv",
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
    );
  }
  succeeded(await two.run("env", [`HOME=${two.folder}`, ...words]));
  for (const name of await one.outFiles()) {
    assert.deepEqual(
      await Deno.readFile(`${two.folder}/out/${name}`),
      await Deno.readFile(`${one.folder}/out/${name}`),
      name,
    );
  }
});

Deno.test("an artifact boots in a VMM that knows nothing of Volant", async () => {
  for (const suffix of ["", ".gz", ".zst", ".lz4"]) {
    await using project = await Project.make();
    const artifact = `${project.artifact}${suffix}`;
    succeeded(await project.build({ output: artifact }));
    using qemu = killedAtEnd(
      project.spawn("qemu-system-x86_64", [
        ...["-M", "microvm,acpi=off", "-accel", "tcg", "-cpu", "max"],
        ...["-m", "64", "-nodefaults", "-no-user-config", "-no-reboot"],
        ...["-display", "none", "-serial", "stdio"],
        ...["-kernel", built("kernels/vmlinux-generic"), "-initrd", artifact],
        "-append",
        "console=ttyS0 quiet reboot=t panic=-1 no_timer_check",
      ]),
    );
    let ended: Ended | undefined;
    const end = outcome(qemu.child).then((result) => ended = result);
    await until("the guest ends", () => ended !== undefined, 60_000);
    const { stdout } = await end;
    assert.match(
      stdout,
      /got \[ hello \] and 2 words, the first \[two words\]/,
    );
    assert.match(stdout, /files a page\.html /);
    assert.match(stdout, /modes 644 755 1777 /);
  }
});

Deno.test("each mistake is one clear error, and leaves nothing", async () => {
  const cases: [
    fledge: string,
    manifest: string,
    status: number,
    sentence: RegExp,
    hint: RegExp,
  ][] = [
    [
      FLEDGE.replace("busybox_path", "busybox_pth"),
      MANIFEST,
      65,
      /line 5, column 1: source\.busybox_pth is not a known key/,
      /Did you mean source\.busybox_path\?/,
    ],
    [
      FLEDGE,
      MANIFEST.replace("entrypoint", "entrypiont"),
      65,
      /manifest\.toml": line 9, column 1: workload\.entrypiont is not a known/,
      /Did you mean workload\.entrypoint\?/,
    ],
    [
      `${FLEDGE}"broken = `,
      MANIFEST,
      65,
      /fledge\.toml": line 10, column \d+: /,
      /Mend the TOML/,
    ],
    [
      `${FLEDGE}"absent" = "/absent"\n`,
      MANIFEST,
      66,
      /\/absent", which a mapping names: it does not exist/,
      /the folder of the file/,
    ],
    [
      `${FLEDGE}"manifest.toml" = "/bin/../../etc/x"\n`,
      MANIFEST,
      65,
      /contains '\.\.'/,
      /Absolute path in the guest/,
    ],
    [
      FLEDGE.replace(
        '"/bin/busybox"',
        `"/bin/busybox"\nbusybox_sha256 = "${"0".repeat(64)}"`,
      ),
      MANIFEST,
      65,
      /its SHA-256 is sha256:[0-9a-f]{64}, not sha256:0000/,
      /Mend source\.busybox_sha256/,
    ],
    [
      'version = "1"\nstrategy = "oci_rootfs"\n[source]\nimage = "nginx"\n',
      MANIFEST,
      64,
      /strategy "oci_rootfs": this version builds initramfs/,
      /strategy = "initramfs"/,
    ],
  ];
  for (const [fledge, manifest, status, sentence, hint] of cases) {
    await using project = await Project.make(fledge, manifest);
    const ended = await project.build();
    assert.equal(ended.status, status, ended.stderr);
    assert.match(ended.stderr, sentence);
    assert.match(ended.stderr, hint);
    assert.doesNotMatch(ended.stderr, /\n\s+at /, "no stack is shown");
    assert.deepEqual(await project.outFiles(), []);
  }
});

Deno.test("a recipe that is not there is told by its name", async () => {
  await using project = await Project.make();
  const ended = await project.run(built("volant"), ["build", "nope.toml"]);
  assert.equal(ended.status, 66, ended.stderr);
  assert.match(ended.stderr, /"nope\.toml", the recipe of the build: it does/);
});

Deno.test("a full disk ends a build with one error and leaves nothing", async () => {
  await using project = await Project.make();
  // Unpacked before: it is the artifact that must not fit.
  succeeded(await project.build());
  const ended = await project.run("unshare", [
    "--user",
    "--map-root-user",
    "--mount",
    "/bin/sh",
    "-c",
    'mount -t tmpfs -o size=1m small out && "$0" build -o out/x.cpio; ' +
    'status=$?; echo "left: $(ls -A out)"; exit $status',
    built("volant"),
  ]);
  assert.equal(ended.status, 74, ended.stderr);
  assert.match(ended.stderr, /no space is left on its file system/);
  assert.match(ended.stdout, /^left: $/m);
});

Deno.test("a build that is interrupted leaves nothing", async () => {
  await using project = await Project.make(`${FLEDGE}"big" = "/big"\n`);
  using big = await Deno.create(`${project.folder}/big`);
  await big.truncate(3 * 1024 * 1024 * 1024);
  // Slow to pack, so that there is time to interrupt it.
  using volant = killedAtEnd(
    project.spawn(built("volant"), [
      "build",
      "-o",
      "out/x.cpio.gz",
    ]),
  );
  const end = outcome(volant.child);
  await until(
    "the artifact is being written",
    async () => (await project.outFiles()).includes("x.cpio.gz.partial"),
    60_000,
  );
  volant.child.kill("SIGINT");
  assert.equal((await end).status, 130);
  assert.deepEqual(await project.outFiles(), []);
});

/** A child that does not outlive the test, however that ends. */
function killedAtEnd(
  child: Deno.ChildProcess,
): { readonly child: Deno.ChildProcess } & Disposable {
  return {
    child,
    [Symbol.dispose]() {
      try {
        child.kill("SIGKILL");
      } catch (error) {
        // It has ended by itself.
        if (!(error instanceof TypeError)) throw error;
      }
    },
  };
}
