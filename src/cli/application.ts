/**
 * How the command-line parser is set up.
 *
 * @module
 */

import type { PartialApplicationConfiguration } from "@stricli/core";
import { throwingText } from "./usage.ts";

export function applicationConfig(
  program: string,
): PartialApplicationConfiguration {
  return {
    name: program,
    scanner: {
      caseStyle: "allow-kebab-for-camel",
      allowArgumentEscapeSequence: true,
    },
    documentation: { onlyRequiredInUsageLine: true, disableAnsiColor: true },
    localization: { text: throwingText(program) },
  };
}
