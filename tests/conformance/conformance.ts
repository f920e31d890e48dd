/**
 * Asks every behaviour of one subject, as steps of one test. After each, what
 * the daemon says is true of the host, and nothing is left over.
 */

import { assertTrue } from "../harness/invariants.ts";
import { BEHAVIOURS } from "./behaviours.ts";
import { Stage } from "./stage.ts";
import type { Subject } from "./subject.ts";

export function testConformance(subject: Subject): void {
  Deno.test(`${subject.name}: does all that is asked of a driver`, async (t) => {
    await using stage = await Stage.start(subject);
    for (const [sentence, behaviour] of Object.entries(BEHAVIOURS)) {
      await t.step(sentence, async () => {
        await behaviour(stage);
        await assertTrue(stage.volant, sentence);
      });
    }
  });
}
