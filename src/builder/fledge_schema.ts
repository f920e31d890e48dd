/**
 * Schema of fledge.toml: every key of the original's, and ours. Which of them
 * go together is checked in `fledge_toml.ts`.
 *
 * @module
 */

import { z } from "zod";
import {
  checksum,
  environment,
  guestPath,
  oneOf,
  onString,
  verbatim,
  word,
} from "../manifest/field_schema.ts";
import { COMPRESSIONS } from "./compress.ts";

/** What the original's builder knew, whether or not this version builds it. */
export const STRATEGY_NAMES = ["initramfs", "oci_rootfs"] as const;

const HTTP_REGEXP = /^https?:\/\/[^\s/]+/;

const url = () => word(2048).regex(HTTP_REGEXP, "is not an http(s):// URL");

const id = () => z.int().min(0).max(0xffff_fffe);

const mappingSchema = z.preprocess(
  onString((dst) => ({ dst })),
  z.strictObject({
    dst: guestPath().meta({
      description:
        "Absolute path in the guest; one that ends in '/' is a folder",
      examples: ["/usr/bin/app"],
    }),
    mode: z.string().regex(
      /^0?[0-7]{3,4}$/,
      'is not a mode in octal digits, such as "0755"',
    ).transform((digits) => parseInt(digits, 8)).optional().meta({
      description: "Permissions, in octal; of a folder: its own",
      examples: ["0755"],
    }),
    uid: id().default(0).meta({
      description: "Owner; of a folder: of all in it",
      examples: [1000],
    }),
    gid: id().default(0).meta({
      description: "Group; of a folder: of all in it",
      examples: [1000],
    }),
  }),
);

const agentSchema = z.strictObject({
  source_strategy: oneOf(["release", "local", "http"]).default("release").meta({
    description: "Where the original took its agent from",
    examples: ["release"],
  }),
  version: word().default("latest").meta({
    description: "Version of the original's agent",
    examples: ["latest"],
  }),
  path: word(4095).optional().meta({
    description: "A local agent",
    examples: ["./kestrel"],
  }),
  url: url().optional().meta({
    description: "Where an agent can be fetched",
    examples: ["https://example.org/kestrel"],
  }),
  checksum: checksum().optional().meta({
    description: "SHA-256 of what is fetched",
    examples: [`sha256:${"0123456789abcdef".repeat(4)}`],
  }),
});

const initSchema = z.strictObject({
  path: word(4095).optional().meta({
    description: "A program of your own that becomes /init",
    examples: ["./my-init"],
  }),
  none: z.boolean().default(false).meta({
    description: "Nothing is put at /init: a mapping does",
    examples: [true],
  }),
});

const sourceSchema = z.strictObject({
  image: word(1024).optional().meta({
    description: "Image to build from",
    examples: ["nginx:alpine"],
  }),
  dockerfile: word(4095).optional().meta({
    description: "Dockerfile to build from",
    examples: ["./Dockerfile"],
  }),
  context: word(4095).optional().meta({
    description: "Folder of the Dockerfile's files",
    examples: ["."],
  }),
  target: word().optional().meta({
    description: "Stage of the Dockerfile",
    examples: ["release"],
  }),
  build_args: environment().default({}).meta({
    description: "Arguments of the Dockerfile",
    examples: [{ "VERSION": "1" }],
  }),
  busybox: z.boolean().default(false).meta({
    description: "Whether the busybox is fetched that the original fetched",
    examples: [true],
  }),
  busybox_path: word(4095).optional().meta({
    description: "A static busybox of this host",
    examples: ["/bin/busybox"],
  }),
  busybox_url: url().optional().meta({
    description: "Where a static busybox can be fetched; with busybox_sha256",
    examples: ["https://example.org/busybox"],
  }),
  busybox_sha256: checksum().optional().meta({
    description: "SHA-256 of the busybox",
    examples: ["0123456789abcdef".repeat(4)],
  }),
  busybox_applets: z.array(
    word(64).regex(/^[^/]+$/, "is not the name of an applet"),
  ).optional().meta({
    description:
      "Names in /bin that lead to busybox; the usual ones by default",
    examples: [["sh", "httpd"]],
  }),
});

const filesystemSchema = z.strictObject({
  type: oneOf(["squashfs", "ext4", "xfs", "btrfs", "erofs"]).optional().meta({
    description: "File system of a rootfs",
    examples: ["squashfs"],
  }),
  size_buffer_mb: z.int().min(0).default(0).meta({
    description: "Room to spare in a rootfs, in MiB; 0 chooses",
    examples: [100],
  }),
  preallocate: z.boolean().default(false).meta({
    description: "Whether a rootfs takes its room on disk at once",
    examples: [true],
  }),
  compression: oneOf(COMPRESSIONS).optional().meta({
    description: "How an initramfs is compressed: none, gzip, zstd or lz4",
    examples: ["none"],
  }),
  compression_level: z.int().min(0).max(22).optional().meta({
    description: "How hard to compress",
    examples: [15],
  }),
  overlay_size: word(32).default("1G").meta({
    description: "Read for the original's sake; the VM decides",
    examples: ["1G"],
  }),
});

export const fledgeSchema = z.strictObject({
  version: z.literal("1").meta({
    description: "Version of this schema",
    examples: ["1"],
  }),
  strategy: oneOf(STRATEGY_NAMES).meta({
    description: "What is built: an initramfs, or a rootfs from an image",
    examples: ["initramfs"],
  }),
  resolve_libs: z.boolean().default(false).meta({
    description: "Whether the libraries of dynamic programs are added",
    examples: [true],
  }),
  agent: agentSchema.optional().meta({
    description:
      "Where the original took its agent from; Volant brings its own",
  }),
  init: initSchema.prefault({}).meta({
    description: "Who is PID 1 in place of the shim",
  }),
  source: sourceSchema.prefault({}).meta({
    description: "What to build from besides the mappings",
  }),
  filesystem: filesystemSchema.prefault({}).meta({
    description: "Form of the artifact",
  }),
  mappings: z.record(verbatim().min(1).trim(), mappingSchema).default({}).meta({
    description: "Files and folders: source here to place in the guest",
    examples: [{ "./app": "/usr/bin/app" }],
  }),
}).meta({ title: "fledge.toml", description: "What to build, and how" });

export type FledgeDocument = z.output<typeof fledgeSchema>;
