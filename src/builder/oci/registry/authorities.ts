/**
 * Whose certificates are trusted: those this host trusts, as its distribution
 * keeps them, or those of SSL_CERT_FILE in their place; and those of a file that
 * was named besides.
 *
 * @module
 */

import { Fault } from "../../../lib/fault.ts";
import { openRegularFile } from "../../../lib/files.ts";

/** Debian and Arch, Fedora, SUSE, Alpine. */
const SYSTEM_FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

const FILE_BYTES_MAX = 16 * 1024 * 1024;

const HINT = "Name a file of PEM certificates";

const CERTIFICATE_REGEXP =
  /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export async function trustedCertificates(
  { sslCertFile, caFile }: {
    readonly sslCertFile: string | undefined;
    readonly caFile: string | undefined;
  },
): Promise<string[]> {
  const system = sslCertFile
    ? [await named(sslCertFile)]
    : await firstOf(SYSTEM_FILES);
  return caFile === undefined ? system : [...system, await named(caFile)];
}

/** Those of the first file there is; one among them that is damaged takes none with it. */
async function firstOf(paths: readonly string[]): Promise<string[]> {
  for (const path of paths) {
    const isFile = await Deno.stat(path).then((info) => info.isFile)
      .catch(() => false);
    if (!isFile) continue;
    const text = await read(path);
    if (isUsable(text)) return [text];
    return (text.match(CERTIFICATE_REGEXP) ?? []).filter(isUsable);
  }
  // Those that come with the executable remain.
  return [];
}

/** Those of a file that the user has named: all of them, or a fault. */
async function named(path: string): Promise<string> {
  const text = await read(path);
  if (isUsable(text) && text.search(CERTIFICATE_REGEXP) >= 0) return text;
  throw new Fault(
    "invalid-input",
    `Cannot use file of certificates "${path}": it has none, or a damaged one`,
    { hint: HINT },
  );
}

async function read(path: string): Promise<string> {
  const what = "file of certificates";
  using file = await openRegularFile(path, { what, hint: HINT });
  const { size } = await file.stat();
  if (size <= FILE_BYTES_MAX) return await new Response(file.readable).text();
  throw new Fault(
    "invalid-input",
    `Cannot use file of certificates "${path}": it has more than ${FILE_BYTES_MAX} bytes`,
    { hint: HINT },
  );
}

/** Whether the runtime takes them, which wants all of them to be whole. */
function isUsable(text: string): boolean {
  try {
    Deno.createHttpClient({ caCerts: [text] }).close();
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}
