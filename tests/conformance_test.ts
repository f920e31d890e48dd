/**
 * Every driver that runs on this host, and one suite for all of them: see
 * `conformance/behaviours.ts` for what is asked, `conformance/subject.ts` for
 * whom. With KVM it is asked again in the emulated host.
 */

import { testConformance } from "./conformance/conformance.ts";
import { SUBJECTS } from "./conformance/subject.ts";

for (const subject of SUBJECTS) testConformance(subject);
