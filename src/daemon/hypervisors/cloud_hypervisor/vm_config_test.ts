import assert from "node:assert/strict";
import { Ajv } from "ajv";
import { parse } from "yaml";
import type { BootSpec } from "../hypervisor.ts";
import { vmConfig } from "./vm_config.ts";

const spec: BootSpec = {
  name: "web",
  runDir: "/run/volant/vms/1",
  logDir: "/var/lib/volant/vms/1/logs",
  kernelPath: "/k/vmlinux",
  kernelArgs: ["volant.config=/dev/vda"],
  initramfsPath: "/a/initramfs",
  vcpus: 2,
  memoryMib: 64,
  disks: [{
    path: "/run/volant/vms/1/boot.conf",
    format: "raw",
    readOnly: true,
  }],
  nic: { kind: "tap", tapName: "vt1", mac: "02:00:00:00:00:01" },
  hasShim: true,
  graceMs: 10_000,
};

/**
 * Checks a value as `VmConfig` of Cloud Hypervisor's document, which must hold
 * every key: the program itself would pass over one it does not know.
 */
async function problems(value: unknown): Promise<string[]> {
  const url = new URL(
    "../../../../tests/fixtures/cloud-hypervisor/openapi.yaml",
    import.meta.url,
  );
  const { components } = parse(await Deno.readTextFile(url));
  for (
    const schema of Object.values<Record<string, unknown>>(components.schemas)
  ) {
    if (schema["type"] === "object" && schema["properties"] !== undefined) {
      schema["additionalProperties"] = false;
    }
  }
  const ajv = new Ajv({
    strict: false,
    validateFormats: false,
    allErrors: true,
  });
  const check = ajv.compile({
    components,
    $ref: "#/components/schemas/VmConfig",
  });
  check(value);
  return (check.errors ?? []).map(({ instancePath, message }) =>
    `${instancePath} ${message}`
  );
}

Deno.test("vmConfig() is a body that Cloud Hypervisor's document allows", async () => {
  assert.deepEqual(await problems(vmConfig(spec)), []);
  const { nic: _, initramfsPath: _i, ...least } = spec;
  assert.deepEqual(await problems(vmConfig({ ...least, disks: [] })), []);
});

Deno.test("the check against the document finds a wrong key, type and word", async () => {
  const wrong = {
    ...vmConfig(spec),
    cpu: 1,
    rng: {},
    serial: { mode: "socket" },
  };
  const found = (await problems(wrong)).join("\n");
  assert.match(found, /must NOT have additional properties/);
  assert.match(found, /\/rng must have required property 'src'/);
  assert.match(found, /\/serial\/mode must be equal to one of/);
});

Deno.test("vmConfig() carries every part of the spec", () => {
  const config = vmConfig(spec);
  assert.equal(config.memory.size, 67_108_864);
  assert.match(config.payload.cmdline, /volant\.config=\/dev\/vda$/);
  assert.deepEqual(config.net, [{ tap: "vt1", mac: "02:00:00:00:00:01" }]);
  assert.equal(config.disks[0]?.readonly, true);
});

Deno.test("vmConfig() refuses a NIC that only QEMU can have", () => {
  const nic = {
    kind: "stream" as const,
    mac: "02:00:00:00:00:01",
    companion: () => [],
  };
  assert.throws(() => vmConfig({ ...spec, nic }), { code: "not-supported" });
});
