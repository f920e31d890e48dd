/**
 * Prints docs/reference/fledge.md from the schema of fledge.toml.
 *
 * @module
 */

import { jsonSchemaOf } from "../manifest/json_schema.ts";
import { keyTable } from "../manifest/reference_page.ts";
import { fledgeSchema } from "./fledge_schema.ts";
import { USUAL_APPLETS } from "./busybox.ts";

const HEAD = `# fledge.toml

What \`volant build\` builds, and how. This page is printed from the schema by \`src/builder/reference_page.ts\`: change
the schema, not the page. A key that is not listed is refused, with its line and the nearest key that is.

`;

const FOOT = `
## Mappings

\`"source" = "/place"\`, or \`"source" = { dst = "/place", mode = "0755", uid = 0, gid = 0 }\`. Sources are seen from the
folder of the fledge.toml. A place that ends in \`/\` is a folder the file goes into. Mappings are applied in the order
they are written; a later one replaces files of an earlier one, but a file never a folder. A source that is itself a
symbolic link is followed; links inside a mapped folder stay links. Nothing is ever put below a link.

Without \`mode\`, a file that anyone may execute is 0755, and so is one in a folder of programs (\`/bin\`, \`/sbin\`, the
same in \`/usr\`, \`/usr/local\` and \`/opt\`) and a library in a folder of libraries; all else is 0644. Folders are 0755.
What a umask decides and setuid are not taken over: give \`mode\` to what not everyone in the guest may read.

## What is in every initramfs

The shim as \`/init\` (not with \`[init]\`), \`/etc/volant/boot.conf\` with the manifest's workload, \`/dev/console\`, the
usual folders (\`/tmp\` is 1777, \`/root\` 0700), and an \`/etc/passwd\` and \`/etc/group\` with root and nobody. A mapping
that brings one of these wins. Where a mapped \`/etc\` is a symbolic link, the boot config goes where it leads. Every file
has the time of \`SOURCE_DATE_EPOCH\`, by default 0.

## Compression

\`none\` by default: unpacking costs the guest instructions, and the file is read once per boot from the host's page
cache. Without the key, an output named \`.gz\`, \`.zst\` or \`.lz4\` is compressed so.

## Applets

With a busybox and no \`busybox_applets\`: ${
  USUAL_APPLETS.map((name) => `\`${name}\``).join(" ")
}.
`;

/** The whole page, in Markdown. */
export function fledgeReferencePage(): string {
  return HEAD + keyTable(jsonSchemaOf(fledgeSchema)) + FOOT;
}
