import assert from "node:assert/strict";
import { hasIds, readConfig } from "./config.ts";

const none = () => undefined;
const home = (name: string) => name === "HOME" ? "/home/u" : undefined;

Deno.test("readConfig() prefers the command line to the environment", () => {
  const env = (name: string) =>
    ({ VOLANT_STATE_DIR: "/e", VOLANT_LOG_LEVEL: "debug" })[name];
  const config = readConfig(["--state-dir", "/c", "--runtime-dir=/r"], env);
  assert.ok(typeof config === "object");
  assert.equal(config.folders.stateDir, "/c");
  assert.equal(config.folders.socketPath, "/r/volant.sock");
  assert.equal(config.logLevel, "debug");
});

Deno.test("readConfig() makes relative folders absolute", () => {
  const config = readConfig(["--state-dir=s", "--runtime-dir=r"], home);
  assert.ok(typeof config === "object");
  assert.equal(config.folders.stateDir, `${Deno.cwd()}/s`);
});

Deno.test("readConfig() limits what is fetched, unless it is told otherwise", () => {
  const downloads = (args: string[], env = home) => {
    const config = readConfig(args, env);
    assert.ok(typeof config === "object");
    return config.downloads;
  };
  assert.deepEqual(downloads([]), { allowLoopback: false, limitMib: 65_536 });
  assert.deepEqual(
    downloads(["--download-limit=16", "--allow-loopback-downloads"]),
    { allowLoopback: true, limitMib: 16 },
  );
  const env = (name: string) =>
    ({ HOME: "/home/u", VOLANT_DOWNLOAD_LIMIT: "0" })[name];
  assert.throws(() => readConfig([], env), {
    message: 'Cannot use --download-limit "0"',
    code: "invalid-input",
  });
});

Deno.test("readConfig() names what it cannot use", () => {
  assert.throws(() => readConfig(["--hypervisor=xen"], home), {
    message: `Cannot use --hypervisor "xen"`,
    code: "invalid-input",
  });
  assert.throws(() => readConfig(["--qemu-machine=pc"], home), {
    message: `Cannot use --qemu-machine "pc"`,
    hint: "Choose one of microvm, q35",
  });
  assert.throws(() => readConfig(["--nope"], home), { code: "invalid-input" });
  assert.equal(readConfig(["--help"], none), "help");
});

Deno.test("hasIds() tells the host's root from that of a small namespace", () => {
  assert.equal(hasIds("         0          0 4294967295\n"), true);
  assert.equal(hasIds("         0       1000          1\n"), false);
  assert.equal(hasIds("0 1000 1\n1 100000 65536\n"), false);
});

Deno.test("readConfig() takes the simulated hypervisor only when it is named", () => {
  const hypervisor = (args: string[]) => {
    const config = readConfig(args, home);
    assert.ok(typeof config === "object");
    return config.hypervisor;
  };
  assert.equal(hypervisor([]), "qemu");
  assert.equal(hypervisor(["--hypervisor=simulated"]), "simulated");
});
