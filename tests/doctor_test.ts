/**
 * Things are taken from the host one at a time, and `volant doctor` must say so:
 * that one and what hangs on it, what it costs, and what mends it.
 *
 * Each run is in mount and network namespaces of its own, where programs and
 * devices can be covered and interfaces made; an ordinary user has the right to
 * do so in a user namespace.
 */

import assert from "node:assert/strict";
import { built } from "./harness/built.ts";

interface Check {
  readonly name: string;
  readonly status: "ok" | "warn" | "missing" | "unused";
  readonly found: string;
  readonly needed_for: string;
  readonly remedy?: string;
}

interface Case {
  /** Programs that are not installed. */
  readonly without?: readonly string[];
  /** Shell commands that make the host what it is. */
  readonly setup?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Words in front of the command, such as `setpriv ...`. */
  readonly under?: string;
}

const IS_ROOT = Deno.uid() === 0;
const PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin";
const DEADLINE_MS = 120_000;
const QEMU = `qemu-system-${Deno.build.arch}`;

/** The executable, and a state directory, where everybody gets at them. */
class Place implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Place> {
    const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "vt-" });
    await Deno.chmod(folder, 0o777);
    await Deno.copyFile(built("volant"), `${folder}/volant`);
    await Deno.chmod(`${folder}/volant`, 0o755);
    return new Place(folder);
  }

  /** What `volant doctor WORDS` printed on such a host. */
  async run(
    { without = [], setup = "", env = {}, under = "" }: Case,
    ...words: readonly string[]
  ): Promise<{ readonly status: number; readonly stdout: string }> {
    const script = [
      "set -e",
      // What a case puts into this folder stands in for the host's program.
      "PATH=$2/bin:$PATH; export PATH",
      'volant=$1; folder=$2; shift 2; mkdir -p "$folder/dev" "$folder/bin"',
      setup,
      ...(await pathsOf(without)).map((path) =>
        `mount --bind /dev/null '${path}'`
      ),
      `exec ${under} "$volant" doctor "$@"`,
    ].join("\n");
    const { code, stdout, stderr } = await new Deno.Command("unshare", {
      args: [
        ...(IS_ROOT ? [] : ["--user", "--map-root-user"]),
        ...["--mount", "--net", "--propagation", "private", "--"],
        ...["sh", "-c", script, "sh", `${this.folder}/volant`],
        ...[this.folder, ...words],
      ],
      clearEnv: true,
      env: { PATH, VOLANT_STATE_DIR: `${this.folder}/state`, ...env },
      stdin: "null",
      signal: AbortSignal.timeout(DEADLINE_MS),
    }).output();
    const text = new TextDecoder();
    assert.equal(text.decode(stderr), "");
    return { status: code, stdout: text.decode(stdout) };
  }

  async checks(host: Case): Promise<readonly Check[]> {
    const { status, stdout } = await this.run(host, "--json");
    const { can_run_guests, checks } = JSON.parse(stdout) as {
      readonly can_run_guests: boolean;
      readonly checks: readonly Check[];
    };
    const isAnyMissing = checks.some((check) => check.status === "missing");
    assert.equal(can_run_guests, !isAnyMissing);
    assert.equal(status, isAnyMissing ? 69 : 0);
    return checks;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Where programs lie, each place once. */
async function pathsOf(names: readonly string[]): Promise<string[]> {
  const paths = new Set<string>();
  for (const name of names) {
    for (const folder of PATH.split(":")) {
      const path = await Deno.realPath(`${folder}/${name}`)
        .catch(() => undefined);
      if (path !== undefined) paths.add(path);
    }
  }
  assert.ok(paths.size >= names.length, `${names} should be installed`);
  return [...paths];
}

/** What is not ok; not what this version makes no use of. */
function amiss(checks: readonly Check[]): readonly Check[] {
  return checks.filter(({ status }) =>
    status === "warn" || status === "missing"
  );
}

function find(checks: readonly Check[], name: string): Check {
  const check = checks.find((each) => each.name === name);
  assert.ok(check, `there is a check of ${name}`);
  return check;
}

/** A /dev with few devices in it; `devices` come from the real one. */
function devWith(...devices: readonly string[]): string {
  return [
    'mount -t tmpfs none "$folder/dev"; mkdir "$folder/dev/net"',
    ...["null", "zero", "random", "urandom", ...devices].map((name) =>
      `touch "$folder/dev/${name}"; mount --bind /dev/${name} "$folder/dev/${name}"`
    ),
    'mount --rbind "$folder/dev" /dev',
  ].join("\n");
}

const BUSY = "ip link add out0 type veth peer name out1 && " +
  "ip address add 192.168.127.77/24 dev out0 && ip link set out0 up";
const FIREWALL = "nft add table inet guard && nft " +
  "'add chain inet guard onward { type filter hook forward priority 5; policy drop; }'";
const NO_RIGHT = "setpriv --bounding-set=-net_admin --inh-caps=-net_admin";

/** Has a program fail, as on a kernel without what `pattern` asks it for. */
function refusing(program: string, pattern: string, words: string): string {
  return `
real=$(readlink -f "$(command -v ${program})")
mount -t tmpfs none "$folder/bin"
cat >"$folder/bin/${program}" <<END
#!/bin/sh
all=\\$(cat)
case "\\$all" in *"${pattern}"*) echo "${words}" >&2; exit 1 ;; esac
printf %s "\\$all" | $real "\\$@"
END
chmod 755 "$folder/bin/${program}"
`;
}

interface Taken extends Case {
  readonly what: string;
  /** Checks that are not ok for it, the one about it first. */
  readonly amiss: readonly string[];
  readonly status?: "warn" | "missing";
  readonly found: RegExp;
  readonly remedy: RegExp;
}

const TAKEN: readonly Taken[] = [
  {
    what: "QEMU",
    without: [QEMU],
    amiss: ["qemu"],
    status: "missing",
    found: /^Cannot find "qemu-system-/,
    remedy: /^apt-get install qemu-system-/,
  },
  {
    what: "passt",
    without: ["passt"],
    amiss: ["passt"],
    found: /^Cannot find "passt"/,
    remedy: /^apt-get install passt$/,
  },
  {
    what: "mke2fs",
    without: ["mke2fs"],
    amiss: ["mke2fs"],
    found: /^the program "mke2fs" is not installed$/,
    remedy: /^apt-get install e2fsprogs$/,
  },
  {
    what: "cp",
    without: ["cp"],
    amiss: ["cp"],
    found: /^the program "cp" is not installed$/,
    remedy: /^apt-get install coreutils$/,
  },
  {
    what: "ip",
    without: ["ip"],
    amiss: ["ip", "bridges", "bridge name", "bridge subnet"],
    found: /^the program "ip" is not installed$/,
    remedy: /^apt-get install iproute2$/,
  },
  {
    what: "nft",
    without: ["nft"],
    amiss: ["nft", "nftables nat", "nftables bridge", "forward firewall"],
    found: /^the program "nft" is not installed$/,
    remedy: /^apt-get install nftables$/,
  },
  {
    what: "unshare",
    without: ["unshare"],
    amiss: ["bridges", "nftables nat", "nftables bridge"],
    found: /^not tried, .*: the program "unshare" is not installed$/,
    remedy: /^apt-get install util-linux$/,
  },
  {
    what: "KVM",
    setup: devWith("net/tun"),
    amiss: ["kvm"],
    found: /^\/dev\/kvm does not exist$/,
    remedy: /^modprobe kvm_intel \|\| modprobe kvm_amd/,
  },
  {
    what: "the device for TAPs",
    setup: devWith(),
    amiss: ["/dev/net/tun", "kvm"],
    found: /^not there$/,
    remedy: /^modprobe tun/,
  },
  {
    what: "bridges, from the kernel",
    setup: refusing(
      "ip",
      "type bridge",
      "Error: Unknown device type.\nCommand failed -:1",
    ),
    amiss: ["bridges"],
    found:
      /^`ip link add name volant0 type bridge .*` failed: Error: Unknown device type\.$/,
    remedy: /^modprobe -a bridge tun; else boot a kernel with CONFIG_BRIDGE/,
  },
  {
    what: "masquerading, from the kernel",
    setup: refusing("nft", "masquerade", "Error: Could not process rule"),
    amiss: ["nftables nat"],
    found: /^nft refused its rules: Error: Could not process rule$/,
    remedy: /^modprobe -a nf_tables .*; else boot a kernel with CONFIG_/,
  },
  {
    what: "filters for bridges, from the kernel",
    setup: refusing("nft", "table bridge", "Error: Operation not supported"),
    amiss: ["nftables bridge"],
    found: /^nft refused its rules: Error: Operation not supported$/,
    remedy: /CONFIG_NF_TABLES_BRIDGE$/,
  },
  {
    what: "what the firewall's chains are",
    setup: refusing("nft", "", "Error: JSON support not compiled-in"),
    amiss: ["forward firewall", "nftables nat", "nftables bridge"],
    found: /^not known: `nft -j list chains` fails$/,
    remedy: /^see what `nft -j list chains` says$/,
  },
  {
    what: "the right to make bridges",
    under: NO_RIGHT,
    amiss: ["bridge right"],
    found: /^root has no right to change the host's network \(CAP_NET_ADMIN\)$/,
    remedy: /--cap-add NET_ADMIN/,
  },
  {
    what: "the subnet",
    setup: BUSY,
    amiss: ["bridge subnet"],
    found:
      /^192\.168\.127\.0\/24 is in use: address 192\.168\.127\.77\/24 of out0$/,
    remedy: /^volant daemon --subnet 10\.87\.0\.0\/24$/,
  },
  {
    what: "a part of another subnet that was asked for",
    setup: `${BUSY} && ip route add 10.9.8.0/28 dev out0`,
    env: { VOLANT_SUBNET: "10.9.0.0/16" },
    amiss: ["bridge subnet"],
    found: /^10\.9\.0\.0\/16 is in use: route 10\.9\.8\.0\/28 of out0$/,
    remedy: /^volant daemon --subnet 10\.87\.0\.0\/24$/,
  },
  {
    what: "the sense of the subnet",
    env: { VOLANT_SUBNET: "ten" },
    amiss: ["bridge subnet"],
    found: /^VOLANT_SUBNET is "ten", which is no IPv4 subnet$/,
    remedy: /^export VOLANT_SUBNET=10\.87\.0\.0\/24$/,
  },
  {
    what: "the bridge's name, by another bridge",
    setup: "ip link add vbr0 type bridge",
    amiss: ["bridge name"],
    found: /^vbr0 is there already: a bridge that no daemon of Volant made$/,
    remedy: /^volant daemon --bridge vbr1$/,
  },
  {
    what: "another name that was asked for, by a daemon",
    setup:
      "ip link add vbr1 type bridge && ip link set vbr1 alias 'volant /srv/v'",
    env: { VOLANT_BRIDGE: "vbr1" },
    amiss: ["bridge name"],
    found: /^vbr1 is there already: the bridge of \/srv\/v$/,
    remedy: /^volant daemon --bridge vbr2$/,
  },
  {
    what: "forwarding, and the switch for it",
    setup: "mount --bind /proc/sys /proc/sys && " +
      "mount -o remount,bind,ro /proc/sys",
    amiss: ["ip_forward"],
    found: /^off, and \/proc\/sys\/net\/ipv4\/ip_forward cannot be written$/,
    remedy: /^sysctl -w net\.ipv4\.ip_forward=1$/,
  },
  {
    what: "the way through the host's firewall",
    setup: FIREWALL,
    amiss: ["forward firewall"],
    found: /^chain onward of table inet guard drops .* accepts all of vbr0$/,
    remedy: /^nft insert rule inet guard onward iifname vbr0 accept && /,
  },
];

Deno.test("doctor explains each thing that is taken away", async (t) => {
  await using place = await Place.make();
  // As it is here: KVM may be wanting on the host itself.
  const whole = amiss(await place.checks({})).map(({ name }) => name);
  assert.deepEqual(whole.filter((name) => name !== "kvm"), []);

  for (const { what, found, remedy, status = "warn", ...taken } of TAKEN) {
    await t.step(what, async () => {
      const checks = await place.checks(taken);
      const wrong = amiss(checks);
      // Without QEMU nobody knows of KVM, and a host may have no KVM at all.
      const names = (all: readonly string[]) =>
        all.filter((name) => name !== "kvm").sort();
      assert.deepEqual(
        names(wrong.map(({ name }) => name)),
        names(taken.amiss),
      );
      const check = find(checks, taken.amiss[0] ?? "");
      assert.equal(check.status, status);
      assert.match(check.found, found);
      assert.match(check.remedy ?? "", remedy);
      for (const each of wrong) {
        assert.notEqual(each.needed_for, "");
        assert.notEqual(each.remedy ?? each.found, "");
      }
    });
  }
});

Deno.test("what doctor offers mends it", async (t) => {
  await using place = await Place.make();
  const remedyOf = async (host: Case, name: string) => {
    const check = find(await place.checks(host), name);
    assert.equal(check.status, "warn");
    return check.remedy ?? "";
  };

  await t.step("the rules for the firewall", async () => {
    const remedy = await remedyOf({ setup: FIREWALL }, "forward firewall");
    const setup = `${FIREWALL} && ${remedy}`;
    const { status } = find(await place.checks({ setup }), "forward firewall");
    assert.equal(status, "ok");
  });

  await t.step("the other subnet", async () => {
    const remedy = await remedyOf({ setup: BUSY }, "bridge subnet");
    const subnet = remedy.split(" ").at(-1) ?? "";
    const env = { VOLANT_SUBNET: subnet };
    const checks = await place.checks({ setup: BUSY, env });
    const { status, found } = find(checks, "bridge subnet");
    assert.deepEqual([status, found], ["ok", `${subnet} is free`]);
  });

  await t.step("the other bridge", async () => {
    const setup = "ip link add vbr0 type bridge";
    const remedy = await remedyOf({ setup }, "bridge name");
    const bridge = remedy.split(" ").at(-1) ?? "";
    const env = { VOLANT_BRIDGE: bridge };
    const checks = await place.checks({ setup, env });
    const { status, found } = find(checks, "bridge name");
    assert.deepEqual([status, found], ["ok", `${bridge} is free`]);
  });

  await t.step("the switch for forwarding", async () => {
    const on = "echo 1 >/proc/sys/net/ipv4/ip_forward";
    const { status, found } = find(
      await place.checks({ setup: on }),
      "ip_forward",
    );
    assert.deepEqual([status, found], ["ok", "on"]);
  });
});

Deno.test("the bridge of this very daemon is in nobody's way", async () => {
  await using place = await Place.make();
  const setup = [
    "ip link add vbr0 type bridge",
    'ip link set vbr0 alias "volant $folder/state" up',
    "ip address add 192.168.127.1/24 dev vbr0",
  ].join(" && ");
  const checks = await place.checks({ setup });
  assert.deepEqual(
    amiss(checks).filter(({ name }) => name !== "kvm"),
    [],
  );
  assert.match(find(checks, "bridge name").found, /^vbr0 is the bridge of /);
});

Deno.test("doctor leaves the network as it was", async () => {
  await using place = await Place.make();
  const look = "{ ip -d address; nft list ruleset; " +
    "cat /proc/sys/net/ipv4/ip_forward; }";
  const { stdout } = await place.run({
    setup: `${look} >"$folder/before"; "$volant" doctor >"$folder/said"; ` +
      `${look} >"$folder/after"; cmp "$folder/before" "$folder/after"`,
  }, "--json");
  assert.ok(JSON.parse(stdout).can_run_guests);
  const before = await Deno.readTextFile(`${place.folder}/before`);
  assert.match(before, /^1: lo: /);
});

Deno.test("an ordinary user misses no part of bridged networking", async () => {
  await using place = await Place.make();
  const state = `${place.folder}/of-user`;
  // Nobody is an ordinary user, too; who runs this as one, is one already.
  const command = IS_ROOT
    ? [
      ...["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
      `${place.folder}/volant`,
    ]
    : [`${place.folder}/volant`];
  const [program = "", ...args] = [...command, "doctor", "--json"];
  const { code, stdout } = await new Deno.Command(program, {
    args,
    clearEnv: true,
    env: { PATH, VOLANT_STATE_DIR: state },
    stdin: "null",
  }).output();
  assert.equal(code, 0);
  const { checks } = JSON.parse(new TextDecoder().decode(stdout)) as {
    readonly checks: readonly Check[];
  };
  const right = find(checks, "bridge right");
  assert.deepEqual([right.status, right.remedy], [
    "warn",
    "sudo volant daemon",
  ]);
  assert.equal(find(checks, "forward firewall").status, "unused");
  assert.deepEqual(
    amiss(checks).map(({ name }) => name).filter((name) => name !== "kvm"),
    ["bridge right"],
  );
});

Deno.test("in words, doctor gives each piece a line and how to mend it", async () => {
  await using place = await Place.make();
  const { status, stdout } = await place.run({ without: [QEMU, "nft"] });
  assert.equal(status, 69);
  assert.match(stdout, /^qemu +missing +Cannot find "qemu-system-/m);
  assert.match(stdout, /^nft +warn +the program "nft" is not installed$/m);
  assert.match(
    stdout,
    /^nft: for bridged networks: .*\n {2}mend: apt-get install nftables$/m,
  );
  assert.match(stdout, /This host cannot run guests/);
});
