/**
 * The files `volant build --init` writes: an appliance that serves a page,
 * small enough to be understood at a glance and to be changed into one's own.
 *
 * @module
 */

import { Fault } from "../lib/fault.ts";
import { storageFault } from "../lib/files.ts";

export const EXAMPLE_FILES: Readonly<Record<string, string>> = {
  "fledge.toml":
    `# What is built, and from what: \`volant build\` reads this file.
version = "1"
strategy = "initramfs"
# Adds the libraries of dynamic programs that are mapped below.
resolve_libs = true

[source]
# A static busybox gives the guest a shell and its tools, among them httpd.
# Debian: apt-get install busybox-static
busybox_path = "/bin/busybox"

# Files and folders, relative to this file, and where they go in the guest.
[mappings]
"./index.html" = "/srv/index.html"
`,
  "manifest.toml":
    `# What is run: \`volant build\` puts the artifact in and writes it as JSON.
schema_version = "v1"
name = "hello"
version = "0.1.0"

[resources]
cpu_cores = 1
memory_mb = 64

[workload]
type = "http"
base_url = "http://127.0.0.1:80"
entrypoint = ["/bin/httpd", "-f", "-p", "80", "-h", "/srv"]

[health_check]
endpoint = "/"

[network]
[[network.expose]]
name = "web"
port = 80
host_port = 0 # a free one; \`volant vm get\` shows it
`,
  "index.html": "<!doctype html>\n<title>Hello</title>\n" +
    "<p>Hello from a microVM.\n",
};

/** Writes them into `folder`; refuses before it writes when one is there. */
export async function writeExample(folder: string): Promise<string[]> {
  const files = Object.entries(EXAMPLE_FILES).map(([name, text]) =>
    [`${folder}/${name}`, text] as const
  );
  for (const [path] of files) {
    if (await Deno.lstat(path).then(() => true, () => false)) {
      throw new Fault(
        "invalid-input",
        `Cannot write "${path}": a file is there already`,
        { hint: "Move it away, or name an empty folder" },
      );
    }
  }
  try {
    await Deno.mkdir(folder, { recursive: true });
    for (const [path, text] of files) {
      await Deno.writeTextFile(path, text, { createNew: true });
    }
  } catch (error) {
    throw storageFault(error, "write an example into", folder);
  }
  return files.map(([path]) => path);
}
