/**
 * A real registry (the distribution's own, `docker-registry`) on a loopback port:
 * plain, behind a password, or behind TLS with a private authority. Images are
 * pushed to it with skopeo. Disposing of it ends it and removes what it kept.
 */

import assert from "node:assert/strict";
import { until } from "./until.ts";

export const USER = "robot";
export const PASSWORD = "s3cret";

/** bcrypt of the password. */
const HASH = "$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK";

export interface RegistryOptions {
  readonly hasPassword?: boolean;
  readonly hasTls?: boolean;
}

export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Certificate of its authority, where it has TLS. */
  readonly caFile: string;
  /** Copies an image of a layout there, if asked in Docker's own format; the reference to it. */
  push(
    layout: string,
    name: string,
    format?: "oci" | "v2s2",
  ): Promise<string>;
  /** What it has been asked, a line each: `GET /v2/...`. */
  requests(): Promise<string[]>;
}

const START_MS = 30_000;

export async function dockerRegistry(
  { hasPassword = false, hasTls = false }: RegistryOptions = {},
): Promise<DockerRegistry> {
  const folder = await Deno.makeTempDir({ prefix: "volant-registry-" });
  if (hasTls) await makeCertificate(folder);
  await Deno.writeTextFile(`${folder}/htpasswd`, `${USER}:${HASH}\n`);
  await Deno.writeTextFile(
    `${folder}/config.json`,
    JSON.stringify({
      version: 0.1,
      log: { accesslog: { disabled: false }, level: "info" },
      storage: { filesystem: { rootdirectory: `${folder}/data` } },
      http: {
        addr: "127.0.0.1:0",
        secret: "of the test",
        ...(hasTls
          ? {
            tls: {
              certificate: `${folder}/cert.pem`,
              key: `${folder}/key.pem`,
            },
          }
          : {}),
      },
      ...(hasPassword
        ? { auth: { htpasswd: { realm: "test", path: `${folder}/htpasswd` } } }
        : {}),
    }),
  );
  const log = `${folder}/log`;
  const child = new Deno.Command("/bin/sh", {
    args: [
      "-c",
      'exec docker-registry serve "$1" >"$2" 2>&1',
      "sh",
      `${folder}/config.json`,
      log,
    ],
  }).spawn();
  let host = "";
  await until("the registry listens", async () => {
    const text = await Deno.readTextFile(log).catch(() => "");
    host = /listening on (127\.0\.0\.1:\d+)/.exec(text)?.[1] ?? "";
    return host !== "";
  }, START_MS);
  return {
    host,
    caFile: `${folder}/ca.pem`,
    async push(layout, name, format = "oci") {
      const { code, stderr } = await new Deno.Command("skopeo", {
        args: [
          "--insecure-policy",
          "copy",
          "--quiet",
          "--all",
          "--format",
          format,
          "--dest-tls-verify=false",
          ...(hasPassword ? ["--dest-creds", `${USER}:${PASSWORD}`] : []),
          layout,
          `docker://${host}/${name}`,
        ],
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
      return `${host}/${name}`;
    },
    async requests() {
      const text = await Deno.readTextFile(log);
      return [...text.matchAll(/"(GET \S+) HTTP/g)].map(([, line]) =>
        line ?? ""
      );
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** An authority, and a certificate of it for 127.0.0.1 and localhost. */
async function makeCertificate(folder: string): Promise<void> {
  await Deno.writeTextFile(
    `${folder}/extensions`,
    "subjectAltName=IP:127.0.0.1,DNS:localhost\n",
  );
  const script = `
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority \
      -addext basicConstraints=critical,CA:TRUE -keyout ca.key -out ca.pem
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out csr.pem
    openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
      -extfile extensions -out cert.pem`;
  const { code, stderr } = await new Deno.Command("/bin/sh", {
    args: ["-ec", script],
    cwd: folder,
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}
