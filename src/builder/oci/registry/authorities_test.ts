import assert from "node:assert/strict";
import { run } from "../../../lib/exec.ts";
import { tmpFolder } from "../../testing.ts";
import { trustedCertificates } from "./authorities.ts";

const DAMAGED =
  "-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n";

async function certificate(folder: string): Promise<string> {
  const words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test";
  await run("/usr/bin/openssl", [
    ...words.split(" "),
    ...["-keyout", `${folder}/key.pem`, "-out", `${folder}/ca.pem`],
  ]);
  return await Deno.readTextFile(`${folder}/ca.pem`);
}

Deno.test("a named file is added, SSL_CERT_FILE stands for the system's", async () => {
  await using tmp = await tmpFolder();
  const text = await certificate(tmp.path);
  const path = `${tmp.path}/ca.pem`;
  const trusted = await trustedCertificates({
    sslCertFile: path,
    caFile: undefined,
  });
  assert.deepEqual(trusted, [text]);
  const both = await trustedCertificates({
    sslCertFile: undefined,
    caFile: path,
  });
  assert.equal(both.at(-1), text);
});

Deno.test("a file without certificates, or with a damaged one, is refused", async () => {
  await using tmp = await tmpFolder();
  const text = await certificate(tmp.path);
  const cases: readonly (readonly [string, RegExp])[] = [
    ["", /it has none, or a damaged one/],
    ["words", /it has none, or a damaged one/],
    [text + DAMAGED, /it has none, or a damaged one/],
    [DAMAGED.replace("Z2Fy", "***"), /it has none, or a damaged one/],
  ];
  for (const [content, message] of cases) {
    const caFile = await tmp.file("bad.pem", content);
    await assert.rejects(
      trustedCertificates({ sslCertFile: undefined, caFile }),
      { code: "invalid-input", message },
    );
  }
  const caFile = `${tmp.path}/absent.pem`;
  await assert.rejects(
    trustedCertificates({ sslCertFile: undefined, caFile }),
    { code: "file-not-found" },
  );
});
