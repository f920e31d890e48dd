/**
 * The schema of a manifest: every key with its type, default and meaning. It
 * checks what `spellings.ts` has unified, prints the JSON Schema and the
 * reference page, and is the only place where a key's meaning is written.
 * What concerns several keys at once is checked in `cross_checks.ts`.
 *
 * @module
 */

import { z } from "zod";
import { cloudInitSchema } from "./cloud_init_schema.ts";
import {
  checksum,
  guestPath,
  location,
  oneOf,
  verbatim,
  word,
} from "./field_schema.ts";
import { AGENT_MODES, DISK_FORMATS, ROOTFS_FORMATS } from "./manifest.ts";
import { devicesSchema, networkSchema } from "./network_schema.ts";
import { PLUGIN_NAME_REGEXP } from "./values.ts";
import {
  actionSchema,
  healthCheckSchema,
  workloadSchema,
} from "./workload_schema.ts";

const WHERE_A_FILE_IS =
  "An http(s):// URL, an absolute path, a path relative to this manifest, or the sha256: of a file the daemon holds";

const urlField = location().meta({
  description: WHERE_A_FILE_IS,
  examples: ["web.cpio"],
});

const checksumField = checksum().optional().meta({
  description: "SHA-256 of the file; checked before each use",
  examples: [`sha256:${"0123456789abcdef".repeat(4)}`],
});

const rootfsSchema = z.strictObject({
  url: urlField,
  checksum: checksumField,
  format: oneOf(ROOTFS_FORMATS).default("raw").meta({
    description:
      "What is in the file: a file system, or a disk image (`raw`, `qcow2`)",
    examples: ["erofs"],
  }),
});

const initramfsSchema = z.strictObject({
  url: urlField,
  checksum: checksumField,
});

const diskSchema = z.strictObject({
  name: word().meta({ description: "Name of the disk", examples: ["data"] }),
  source: urlField,
  checksum: checksumField,
  format: oneOf(DISK_FORMATS).default("raw").meta({
    description: "Format of the image",
    examples: ["raw"],
  }),
  readonly: z.boolean().default(false).meta({
    description: "Whether the guest may not write to it",
    examples: [true],
  }),
  target: word(4095).optional().meta({
    description: "Where the guest mounts it, or a word of one's own",
    examples: ["/data"],
  }),
});

const resourcesSchema = z.strictObject({
  cpu_cores: z.int().min(1).max(1024).default(1).meta({
    description: "Virtual CPUs",
    examples: [2],
  }),
  memory_mb: z.int().min(1).max(16_777_216).default(256).meta({
    description: "Memory in MiB",
    examples: [512],
  }),
  disk_mb: z.int().min(16).max(16_777_216).default(10_240).meta({
    description:
      "State disk in MiB, for a `rootfs` of erofs or squashfs that is not ephemeral: the room for what the guest writes; it takes only what was written. A root of ext4, xfs or btrfs has the size of its image",
    examples: [1024],
  }),
});

const initSchema = z.strictObject({
  path: guestPath().optional().meta({
    description: "Program of the guest that is PID 1 in place of the shim",
    examples: ["/sbin/init"],
  }),
  none: z.literal(true).optional().meta({
    description: "The artifact brings its own `/init`",
    examples: [true],
  }),
});

const kernelSchema = z.strictObject({
  cmdline: word(1024).regex(/^[\x20-\x7e]*$/, "is not plain ASCII").meta({
    description: "Words added to the kernel command line",
    examples: ["loglevel=7"],
  }),
});

export const manifestSchema = z.strictObject({
  schema_version: oneOf(["v1"]).default("v1").meta({
    description: "Version of this schema",
    examples: ["v1"],
  }),
  name: word(63).regex(
    PLUGIN_NAME_REGEXP,
    "is not a name: letters, digits, '.', '_' and '-', a letter or digit first",
  ).meta({ description: "Name of the plugin", examples: ["web"] }),
  version: word(128).meta({
    description: "Version of the plugin, in any form",
    examples: ["1.0.0"],
  }),
  runtime: word(63).meta({
    description: "Kind of workload; the name when absent",
    examples: ["web"],
  }),
  enabled: z.boolean().default(true).meta({
    description: "Whether VMs may be created from it",
    examples: [true],
  }),
  image: word(1024).optional().meta({
    description: "The image it was built from, for people",
    examples: ["docker.io/library/caddy:2"],
  }),
  image_digest: word(255).optional().meta({
    description: "Digest of that image",
    examples: [`sha256:${"0123456789abcdef".repeat(4)}`],
  }),
  rootfs: rootfsSchema.optional().meta({
    description: "Root file system; it or `initramfs` must be given",
    examples: [{ "url": "web.erofs", "format": "erofs" }],
  }),
  initramfs: initramfsSchema.optional().meta({
    description: "Archive the kernel unpacks and runs; it or `rootfs`",
    examples: [{ "url": "web.cpio" }],
  }),
  disks: z.array(diskSchema).max(16).default([]).meta({
    description: "More disks, in the order the guest sees them",
    examples: [[{ "name": "data", "source": "/srv/data.img" }]],
  }),
  resources: resourcesSchema.prefault({}).meta({
    description: "What a VM gets when its creator asks for nothing else",
    examples: [{ "cpu_cores": 1, "memory_mb": 256 }],
  }),
  workload: workloadSchema.optional().meta({
    description: "The process the VM is for; required unless `init` is given",
    examples: [{ "entrypoint": ["/bin/server"] }],
  }),
  health_check: healthCheckSchema.optional().meta({
    description: "How the daemon asks whether the workload is well",
    examples: [{ "endpoint": "/healthz" }],
  }),
  network: networkSchema.prefault({}).meta({
    description: "How the guest is connected and reached",
    examples: [{ "mode": "user" }],
  }),
  actions: z.record(word(63), actionSchema).default({}).meta({
    description: "Calls the workload offers, by name",
    examples: [{ "ping": { "method": "GET", "path": "/ping" } }],
  }),
  cloud_init: cloudInitSchema.optional().meta({
    description: "Documents for cloud-init, on a seed disk",
    examples: [{ "user_data": "#cloud-config\n" }],
  }),
  devices: devicesSchema.optional().meta({
    description: "Devices of the host that the guest gets",
    examples: [{ "pci_passthrough": ["0000:01:00.0"] }],
  }),
  agent: oneOf(AGENT_MODES).default("lazy").meta({
    description:
      "The agent in the guest: started at first use, at boot, or never",
    examples: ["off"],
  }),
  init: initSchema.optional().meta({
    description: "Who is PID 1 in place of the shim: `path` or `none`",
    examples: [{ "none": true }],
  }),
  kernel: kernelSchema.optional().meta({
    description: "The guest's kernel",
    examples: [{ "cmdline": "loglevel=7" }],
  }),
  ephemeral: z.boolean().default(false).meta({
    description: "Whether what the guest writes to its root is lost at stop",
    examples: [true],
  }),
  openapi: word(4096).optional().meta({
    description: "Where the OpenAPI document of the workload is",
    examples: ["/openapi.json"],
  }),
  labels: z.record(word(255), verbatim().trim()).default({}).meta({
    description: "Words for sorting and finding, by name",
    examples: [{ "team": "web" }],
  }),
}).meta({
  title: "Volant manifest",
  description: "What Volant needs to know to run a workload in a microVM",
});
