/**
 * The loop of rounds, and what is printed of it.
 *
 * A round that finds something is told with all it did and the end of the
 * daemon's log; the next one begins on a new host, so that one run lists all
 * findings.
 */

import { type Case, caseNow } from "./case.ts";
import { Broken, type Driver, Host } from "./host.ts";
import { choosePlan, type Plan } from "./plan.ts";
import { Random } from "./random.ts";
import { makeWorld, type Outcome, runRound, type World } from "./round.ts";

const PROGRESS_ROUNDS = 25;
const LOG_LINES = 40;

export interface TortureOptions {
  readonly driver: Driver;
  readonly seed: number;
  readonly rounds: number;
  /** A line for each round, too. */
  readonly isVerbose: boolean;
}

/** What was wrong, a text for each round that found something. */
export async function torture(options: TortureOptions): Promise<string[]> {
  const { driver, seed, rounds } = options;
  const findings: string[] = [];
  const steps = new Map<string, Set<string>>();
  const begun = performance.now();
  say(`SEED=${seed} ROUNDS=${rounds} DRIVER=${driver}`);
  for (let round = 1; round <= rounds;) {
    await using host = await Host.create(driver);
    const world = await makeWorld(host, steps);
    for (let isWhole = true; isWhole && round <= rounds; round++) {
      // Of its own, so that how long things take changes no later plan.
      const random = new Random(seed * 1_000_003 + round);
      const plan = choosePlan({ random, model: world.model, steps, driver });
      const now = caseNow(world.model, plan);
      if (options.isVerbose) say(`${round}: ${JSON.stringify(plan)}`);
      const { wrong, answers } = await tryRound({ ...world, random }, plan);
      if (options.isVerbose) say(`${round}: ${answers.join()}`);
      isWhole = wrong.length === 0;
      if (!isWhole) {
        findings.push(finding(options, round, now, wrong, host));
        say(findings.at(-1) ?? "");
      }
      if (round % PROGRESS_ROUNDS === 0) {
        const seconds = Math.round((performance.now() - begun) / 1000);
        say(
          `round ${round} of ${rounds}, ${seconds} s, findings: ${findings.length}`,
        );
      }
    }
  }
  return findings;
}

async function tryRound(world: World, plan: Plan): Promise<Outcome> {
  try {
    return await runRound(world, plan);
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    return { wrong: [error.message], isStruck: true, answers: [] };
  }
}

function finding(
  { driver, seed }: TortureOptions,
  round: number,
  { before, plan }: Case,
  wrong: readonly string[],
  host: Host,
): string {
  const log = Deno.readTextFileSync(host.logPath).trim().split("\n");
  return [
    `FOUND in round ${round} of SEED=${seed} DRIVER=${driver}:`,
    ...wrong.map((each) => `  - ${each}`),
    `  plan: ${JSON.stringify(plan)}`,
    `  again: DRIVER=${driver} REPLAY='${
      JSON.stringify({ before, plan })
    }' make torture`,
    ...log.slice(-LOG_LINES).map((line) => `  | ${line}`),
  ].join("\n");
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
