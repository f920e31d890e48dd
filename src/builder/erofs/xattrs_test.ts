import assert from "node:assert/strict";
import { Fault } from "../../lib/fault.ts";
import { encodeXattrs, xattrCount } from "./xattrs.ts";

function encode(...names: string[]): Uint8Array {
  const value = new Uint8Array([1, 2, 3]);
  return encodeXattrs(new Map(names.map((name) => [name, value])), "/file");
}

Deno.test("a prefix becomes a number, and an entry ends on a boundary", () => {
  const bytes = encode("security.capability");
  assert.equal(bytes.length, 12 + 20);
  assert.deepEqual([...bytes.subarray(12, 16)], [10, 6, 3, 0]);
  assert.equal(xattrCount(bytes.length), 6);
});

Deno.test("an access control list is known by its whole name", () => {
  assert.deepEqual(
    [...encode("system.posix_acl_access").subarray(12)],
    [0, 2, 3, 0, 1, 2, 3, 0],
  );
});

Deno.test("the order of attributes does not depend on who listed them", () => {
  assert.deepEqual(encode("user.b", "user.a"), encode("user.a", "user.b"));
});

Deno.test("no attributes take no room", () => {
  assert.equal(encode().length, 0);
  assert.equal(encodeXattrs(undefined, "/file").length, 0);
  assert.equal(xattrCount(0), 0);
});

Deno.test("attributes that EROFS cannot hold are refused", () => {
  const refused = (xattrs: ReadonlyMap<string, Uint8Array>, reason: RegExp) =>
    assert.throws(
      () => encodeXattrs(xattrs, "/file"),
      (error) =>
        error instanceof Fault && error.code === "invalid-image" &&
        reason.test(error.message),
    );
  const empty = new Uint8Array(0);
  refused(new Map([["system.nfs4_acl", empty]]), /no place for the name/);
  refused(new Map([["user.", empty]]), /no place for the name/);
  refused(new Map([["plain", empty]]), /no place for the name/);
  refused(new Map([[`user.${"x".repeat(251)}`, empty]]), /longer than 255/);
  refused(new Map([["user.x", new Uint8Array(65_536)]]), /longer than 65535/);
  const many = Array.from(
    { length: 5 },
    (_, index) => [`user.${index}`, new Uint8Array(65_000)] as const,
  );
  refused(new Map(many), /together/);
});
