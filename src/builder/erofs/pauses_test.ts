import assert from "node:assert/strict";
import { Pauses } from "./pauses.ts";

Deno.test("long work lets others run, and ends when it is not wanted any more", async () => {
  const abort = new AbortController();
  const pauses = new Pauses(abort.signal);
  setTimeout(() => abort.abort(new Error("stopped")), 0);
  const work = async () => {
    for (let step = 0; step < 100_000; step++) {
      if (pauses.isDue()) await pauses.pause();
    }
  };
  await assert.rejects(work(), { message: "stopped" });
});
