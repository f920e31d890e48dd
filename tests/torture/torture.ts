/**
 * The loop of rounds, and what is printed of it.
 *
 * A round that finds something is told with all it did and the end of the
 * daemon's log; the next one begins on a new host, so that one run lists all
 * findings.
 */

import assert from "node:assert/strict";
import { until } from "../harness/until.ts";
import { type Case, caseNow } from "./case.ts";
import { keeps, outputLog, readNumbers } from "./guests.ts";
import { Broken, type Driver, Host } from "./host.ts";
import { choosePlan, type Plan } from "./plan.ts";
import { Random } from "./random.ts";
import { type Outcome, runRound } from "./round.ts";
import { prepare } from "./truth.ts";
import { makeWorld, Tally, type World } from "./world.ts";

const PROGRESS_ROUNDS = 25;
/** Then a new host is made, after a last look at the old one. */
const HOST_ROUNDS = 200;
const LOG_LINES = 40;
/** Rounds before it that are told with a finding. */
const HISTORY_ROUNDS = 8;

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
  const tally = new Tally();
  const begun = performance.now();
  say(`SEED=${seed} ROUNDS=${rounds} DRIVER=${driver}`);
  for (let round = 1; round <= rounds;) {
    await using host = await Host.create(driver);
    const world = await makeWorld(host, steps, tally);
    const last = Math.min(rounds, round + HOST_ROUNDS - 1);
    let text: string | undefined;
    for (; text === undefined && round <= last; round++) {
      text = await oneRound(options, round, world);
      if (round % PROGRESS_ROUNDS === 0) {
        const seconds = Math.round((performance.now() - begun) / 1000);
        const found = findings.length + (text === undefined ? 0 : 1);
        say(`round ${round} of ${rounds}, ${seconds} s, findings: ${found}`);
      }
    }
    text ??= await farewell(world);
    if (text === undefined) continue;
    findings.push(text);
    say(text);
  }
  say(`${findings.length} findings in ${rounds} rounds; ${tally}`);
  return findings;
}

/** What it found, if anything. */
async function oneRound(
  options: TortureOptions,
  round: number,
  known: Omit<World, "random">,
): Promise<string | undefined> {
  const { driver, seed, isVerbose } = options;
  const { model, steps, history } = known;
  // Of its own, so that how long things take changes no later plan.
  const random = new Random(seed * 1_000_003 + round);
  const plan = choosePlan({ random, model, steps, driver });
  const now = caseNow(model, plan);
  if (isVerbose) say(`${round}: ${JSON.stringify(plan)}`);
  const { wrong, answers } = await tryRound({ ...known, random }, plan);
  if (isVerbose) say(`${round}: ${answers.join()}`);
  if (wrong.length > 0) return finding(options, round, now, wrong, known);
  history.push(`  ${round}: ${answers.join()} ${JSON.stringify(plan)}`);
  return undefined;
}

/**
 * The last of a host: each guest with a disk is started once more and tells what
 * it kept; then everything is deleted, and the daemon told to stop.
 */
async function farewell(
  known: Omit<World, "random">,
): Promise<string | undefined> {
  const { model, host } = known;
  const world = { ...known, random: new Random(0) };
  try {
    for (const { name, id = 0, spec } of [...model.vms.values()]) {
      if (!model.vms.has(name)) continue;
      if (keeps(spec)) {
        const { starts } = readNumbers(outputLog(host, id));
        await prepare(world, { name: "restart", target: name });
        const told = () => readNumbers(outputLog(host, id)).starts > starts;
        await until(`VM ${name} tells what it kept`, told);
      }
      await prepare(world, { name: "delete", target: name });
    }
    for (const [target, presence] of model.plugins) {
      if (presence === "gone") continue;
      await prepare(world, { name: "remove", target });
    }
    await host.signalDaemon("SIGTERM");
    assert.equal(host.daemonEnd?.code, 0);
    assert.deepEqual(host.processes(), []);
    return undefined;
  } catch (error) {
    return `FOUND at the end of a host: ${error}\n${logOf(host)}`;
  }
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
  { host, history }: Pick<World, "host" | "history">,
): string {
  return [
    `FOUND in round ${round} of SEED=${seed} DRIVER=${driver}:`,
    ...wrong.map((each) => `  - ${each}`),
    ...history.slice(-HISTORY_ROUNDS),
    `  plan: ${JSON.stringify(plan)}`,
    `  again: DRIVER=${driver} REPLAY='${
      JSON.stringify({ before, plan })
    }' make torture`,
    logOf(host),
  ].join("\n");
}

function logOf(host: Host): string {
  return Deno.readTextFileSync(host.logPath).trim().split("\n")
    .slice(-LOG_LINES).map((line) => `  | ${line}`).join("\n");
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
