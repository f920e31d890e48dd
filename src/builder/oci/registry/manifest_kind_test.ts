import assert from "node:assert/strict";
import { manifestType } from "./manifest_kind.ts";

const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";

function typeOf(value: unknown, contentType?: string): string {
  return manifestType(
    new TextEncoder().encode(JSON.stringify(value)),
    contentType,
  );
}

Deno.test("the document's own type counts, then what the server says, then its shape", () => {
  assert.equal(typeOf({ mediaType: DOCKER_LIST }, OCI_MANIFEST), DOCKER_LIST);
  assert.equal(
    typeOf({ manifests: [] }, `${DOCKER_LIST}; charset=utf-8`),
    DOCKER_LIST,
  );
  assert.equal(typeOf({ manifests: [] }, "application/json"), OCI_INDEX);
  assert.equal(typeOf({ layers: [], config: {} }), OCI_MANIFEST);
  assert.throws(
    () => typeOf({ layers: [] }),
    /neither a manifest nor an index/,
  );
});

Deno.test("Docker's first format is told by its type, its version or its keys", () => {
  const first = /first format/;
  const type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
  assert.throws(() => typeOf({}, type), first);
  assert.throws(() => typeOf({ schemaVersion: 1 }), first);
  assert.throws(() => typeOf({ schemaVersion: 2, fsLayers: [] }), first);
});
