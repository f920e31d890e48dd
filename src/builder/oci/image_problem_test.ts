import assert from "node:assert/strict";
import { Fault } from "../../lib/fault.ts";
import { writing } from "./image_problem.ts";

Deno.test("what cannot be written is told with the image it is in, and a remedy", async () => {
  const fault = new Fault("invalid-image", 'Cannot write "/a": it is too odd');
  await assert.rejects(writing("oci:web", () => Promise.reject(fault)), {
    code: "invalid-image",
    message: 'Cannot convert image "oci:web": cannot write "/a": it is too odd',
    hint: /Build the image again/,
  });
});

Deno.test("a full disk is no fault of the image", async () => {
  const fault = new Fault("file-not-found", "Cannot write: no space left");
  await assert.rejects(
    writing("oci:web", () => Promise.reject(fault)),
    (error) => error === fault,
  );
});
