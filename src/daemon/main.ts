/**
 * `volant daemon`: reads its configuration, runs until it is told to stop.
 *
 * @module
 */

import { Fault, FAULTS } from "../lib/fault.ts";
import { logger, startLog } from "../lib/log.ts";
import { version } from "../lib/self.ts";
import { DAEMON_USAGE, readConfig } from "./config.ts";
import { startDaemon } from "./daemon.ts";
import { openApiDocument } from "./routes/openapi.ts";

/** Runs the daemon; resolves with the exit code of the process. */
export async function runDaemon(args: readonly string[]): Promise<number> {
  try {
    const config = readConfig(args, (name) => Deno.env.get(name));
    if (config === "help") return await print(Deno.stdout, DAEMON_USAGE);
    if (config === "openapi") {
      const document = openApiDocument(version());
      const text = `${JSON.stringify(document, undefined, 2)}\n`;
      return await print(Deno.stdout, text);
    }
    await startLog(config.logLevel);
    const stopped = stopSignal();
    await using _daemon = await startDaemon(config);
    const name = await stopped;
    logger("daemon").info("Stopping on {name}; machines run on", { name });
    return 0;
  } catch (error) {
    const fault = Fault.from(error);
    const hint = fault.hint === undefined ? "" : `hint: ${fault.hint}\n`;
    const stack = fault.code === "bug" && error instanceof Error
      ? `${error.stack}\n`
      : "";
    await print(Deno.stderr, `error: ${fault.message}\n${hint}${stack}`);
    return FAULTS[fault.code].exit;
  }
}

function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ["SIGTERM", "SIGINT"] as const) {
      Deno.addSignalListener(name, () => resolve(name));
    }
  });
}

async function print(
  to: { write(bytes: Uint8Array): Promise<number> },
  text: string,
): Promise<0> {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) {
    done += await to.write(bytes.subarray(done));
  }
  return 0;
}
