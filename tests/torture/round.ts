/**
 * One round: an operation, a fault in the middle of it, the fault taken away, a
 * daemon that runs, and then the truth.
 */

import { until } from "../harness/until.ts";
import type { Answer } from "./api.ts";
import { type FaultName, faultOf, type Scene } from "./faults.ts";
import { keeps, outputLog, readNumbers, typeLine } from "./guests.ts";
import { Broken, type Host } from "./host.ts";
import type { Excuses } from "./model.ts";
import {
  abandon,
  begin,
  excuseAny,
  excuseInterrupted,
  excuseOperation,
  finish,
  type Operation,
  perform,
} from "./operations.ts";
import type { Plan, Point } from "./plan.ts";
import { pause, truth } from "./truth.ts";
import { learnSteps, type World } from "./world.ts";

/** An operation that has not answered is given what it may wait for. */
const PATIENCE_MS = 4000;
/** No operation takes longer, whatever befell it. */
const ANSWER_MS = 40_000;
const PUT_MS = 1000;
interface Asked {
  readonly operation: Operation;
  readonly done: Promise<Answer>;
  answer: Answer | undefined;
}

export interface Outcome {
  /** Empty if all is as it must be. */
  readonly wrong: readonly string[];
  /** Whether the fault found something to strike. */
  readonly isStruck: boolean;
  /** What was answered, in short. */
  readonly answers: readonly string[];
}

export async function runRound(world: World, plan: Plan): Promise<Outcome> {
  const { host, model, random } = world;
  const excuses: Excuses = { causes: new Map() };
  const gone = new AbortController();
  const scene: Scene = {
    ...{ host, model, random, excuses, victim: plan.victim },
    abandon: () => gone.abort(),
  };
  const fault = faultOf(plan.fault);
  learnSteps(world, "reconcile");
  const operations = [plan.operation, ...(plan.second ? [plan.second] : [])];
  for (const operation of operations) {
    begin(model, operation);
    excuseOperation(excuses, operation);
    if (fault.endsDaemon) excuseInterrupted(excuses, operation);
    if (fault.failsDisk) excuseAny(excuses, operation);
  }
  await putNumbers(world);
  if ("step" in plan.point) {
    host.order(plan.fault === "kill-daemon" ? "kill" : "hold", plan.point.step);
  }
  const asked = operations.map((operation) =>
    ask(world, operation, gone.signal)
  );
  const isStruck = await strike(scene, plan, asked);
  await pause(plan.lastsMs ?? 0);
  await settled(asked, PATIENCE_MS);
  await fault.lift?.(scene);
  const wrong = await answers(world, plan, asked);
  if (plan.second === undefined) learnSteps(world, plan.operation.name);
  if (!host.isUp) wrong.push(...await nextDaemon(scene, plan));
  host.release();
  wrong.push(...await truth(world, excuses));
  count(world, plan, isStruck, asked);
  return {
    ...{ wrong, isStruck },
    answers: asked.map(({ answer }) =>
      answer === undefined
        ? "none"
        : answer.kind === "fault"
        ? `${answer.code} (${answer.message})`
        : answer.kind
    ),
  };
}

function count(
  { tally }: World,
  { fault }: Plan,
  isStruck: boolean,
  asked: readonly Asked[],
): void {
  tally.add("rounds");
  if (fault !== "nothing" && isStruck) tally.add(`fault ${fault}`);
  for (const { operation, answer } of asked) {
    tally.add(`${operation.name} ${answer?.kind ?? "unanswered"}`);
  }
}

/** Real guests do so by themselves. */
async function putNumbers({ host, model, random }: World): Promise<void> {
  if (host.driver !== "simulated") return;
  for (const { id, spec, isDown, put } of model.vms.values()) {
    if (id === undefined || isDown || !keeps(spec)) continue;
    if (random.chance(0.5)) continue;
    if (!await typeLine(host, id, `put ${put + 1}`)) continue;
    // Not for ever: the disk may be full, or the guest hang.
    const seen = () => readNumbers(outputLog(host, id)).put > put;
    await until("it is put down", seen, PUT_MS).catch(() => {});
  }
}

function ask(
  { host, manifests }: World,
  operation: Operation,
  signal: AbortSignal,
): Asked {
  const done = perform(host, manifests, operation, signal);
  const asked: Asked = { operation, done, answer: undefined };
  done.then((answer) => asked.answer = answer);
  return asked;
}

async function strike(
  scene: Scene,
  { point, fault, also }: Plan,
  asked: readonly Asked[],
): Promise<boolean> {
  const { host } = scene;
  const strike = async (scene: Scene) => {
    if (also !== undefined) {
      await faultOf(also.fault).strike(scene);
      await pause(also.beforeMs);
    }
    return await faultOf(fault).strike(scene);
  };
  const isOver = () => asked[0]?.answer !== undefined;
  if ("afterMs" in point) {
    await settled(asked.slice(0, 1), point.afterMs);
    return await strike(scene) !== false;
  }
  await host.held(isOver);
  host.clearOrder();
  const isStruck = await strike(scene) !== false;
  host.release();
  return isStruck;
}

/** Waits for the answers, but not longer. */
async function settled(asked: readonly Asked[], ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((wake) => timer = setTimeout(wake, ms));
  await Promise.race([Promise.all(asked.map(({ done }) => done)), late]);
  clearTimeout(timer);
}

async function answers(
  { model, host }: World,
  { fault }: Plan,
  asked: readonly Asked[],
): Promise<string[]> {
  // It may have come to its step just when that was not waited for any longer.
  host.release();
  await settled(asked, ANSWER_MS);
  const { endsDaemon } = faultOf(fault);
  const wrong: string[] = [];
  for (const { operation, answer } of asked) {
    const what = `${operation.name} ${operation.target}`;
    if (answer === undefined) {
      wrong.push(`${what} has no answer after ${ANSWER_MS} ms`);
      continue;
    }
    finish(model, operation, answer);
    if (fault === "client-gone" && answer.kind === "cut") {
      abandon(model, operation);
    }
    if (answer.kind === "fault" && answer.code === "bug") {
      wrong.push(`${what} met a bug: ${answer.message}`);
    }
    if (fault === "nothing" && answer.kind === "fault" && !isNoWonder(answer)) {
      wrong.push(`${what} was refused: ${answer.message}`);
    }
    if (answer.kind === "cut" && !mayBeCut(operation, fault)) {
      wrong.push(`${what} was cut off: ${answer.message}`);
    }
    if (operation.name === "backup" && answer.kind === "ok") {
      wrong.push(...await backupFaults(host, answer.body));
    }
  }
  if (!endsDaemon && !host.isUp) {
    wrong.push(`the daemon ended: ${JSON.stringify(host.daemonEnd)}`);
  }
  return wrong;
}

function mayBeCut({ name }: Operation, fault: FaultName): boolean {
  const { endsDaemon } = faultOf(fault);
  // A backup that cannot be finished is.
  const isBackup = name === "backup" && fault !== "nothing";
  return endsDaemon === true || fault === "client-gone" || isBackup;
}

/** One that came whole must be whole. */
async function backupFaults(host: Host, bytes: Uint8Array): Promise<string[]> {
  const path = `${host.folder}/backup.tar`;
  await Deno.writeFile(path, bytes);
  try {
    await host.run("backup", "verify", path);
    return [];
  } catch (error) {
    return [`the backup is not whole: ${error}`];
  } finally {
    await Deno.remove(path);
  }
}

/** Refusals of what makes no sense, or comes at the wrong moment. */
function isNoWonder({ code }: { readonly code: string }): boolean {
  return ["wrong-state", "vm-not-found", "plugin-not-found"].includes(code);
}

async function nextDaemon(scene: Scene, { next }: Plan): Promise<string[]> {
  const { host } = scene;
  await host.signalDaemon("SIGKILL");
  const meanwhile = { ...scene, victim: next.meanwhileVictim };
  await faultOf(next.meanwhile).strike(meanwhile);
  await pause(next.delayMs);
  if (next.again !== undefined) await startAndKill(host, next.again);
  host.clearOrder();
  host.spawnDaemon();
  if (await host.daemonAnswers()) return [];
  throw new Broken(`The next daemon ended: ${JSON.stringify(host.daemonEnd)}`);
}

async function startAndKill(host: Host, point: Point): Promise<void> {
  if ("step" in point) host.order("kill", point.step);
  host.spawnDaemon();
  if ("step" in point) await host.daemonAnswers();
  else await pause(point.afterMs);
  await host.signalDaemon("SIGKILL");
}
