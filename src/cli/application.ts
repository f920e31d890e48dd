/**
 * How the command-line parser is set up.
 *
 * @module
 */

import type { PartialApplicationConfiguration } from "@stricli/core";
import { throwingText } from "./usage.ts";

/**
 * How far off a name may be to be handed to `usage.ts`, which looks again: the
 * parser counts the marks and capitals of `--env-file` for `envFile` as slips.
 */
const SLIPS_MAX = 3;

export function applicationConfig(
  program: string,
): PartialApplicationConfiguration {
  return {
    name: program,
    scanner: {
      caseStyle: "allow-kebab-for-camel",
      allowArgumentEscapeSequence: true,
      distanceOptions: {
        threshold: SLIPS_MAX,
        weights: {
          insertion: 1,
          deletion: 1,
          substitution: 1,
          transposition: 1,
        },
      },
    },
    documentation: { onlyRequiredInUsageLine: true, disableAnsiColor: true },
    localization: { text: throwingText(program) },
  };
}
