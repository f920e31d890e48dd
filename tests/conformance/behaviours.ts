/**
 * What every driver does, as functions of a stage: the contract of
 * `src/daemon/hypervisors/hypervisor.ts`, from outside.
 */

import { adopts, adoptsRestarts, learnsOfEnds } from "./adoption.ts";
import { keepsDisk, keepsDiskThroughCrash, livesOnFullDisk } from "./disks.ts";
import {
  tellsKernelOutOfMemory,
  tellsMonitorLost,
  tellsPanic,
  tellsVmmCrash,
  tellsVmmCrashWhileStopping,
  tellsWorkloadOutOfMemory,
} from "./failures.ts";
import {
  boots,
  forcesWhatHangs,
  kills,
  killsWhatStops,
  restartsWorkload,
  says,
  stops,
  stopsAfterGrace,
  tellsSignal,
  tellsStatus,
} from "./life.ts";
import type { Stage } from "./stage.ts";
import {
  consoleGoesBothWays,
  logsEndWithHalfLine,
  logsHaveEachLine,
  logsRotate,
} from "./streams.ts";

/** By the sentence that each makes true. */
export const BEHAVIOURS: Readonly<
  Record<string, (stage: Stage) => Promise<void>>
> = {
  "the daemon says what it runs guests with": says,
  "a guest of either boot path boots, and tells its phases": boots,
  "a stop asks the workload, and the VM starts again": stops,
  "a workload that does not end is killed after its grace": stopsAfterGrace,
  "a guest that hangs is ended by force": forcesWhatHangs,
  "a kill asks nobody": kills,
  "a kill cuts a stop short": killsWhatStops,
  "the workload's exit status is told": tellsStatus,
  "the signal that ended a workload is told": tellsSignal,
  "a workload that failed is started again in its guest": restartsWorkload,
  "the console goes both ways": consoleGoesBothWays,
  "the log has each line, in order and whole": logsHaveEachLine,
  "the log has the half line that a machine ended in": logsEndWithHalfLine,
  "the log is rotated, and no line is lost": logsRotate,
  "a machine outlives its daemon, and is taken up again": adopts,
  "a restart of the workload is not forgotten": adoptsRestarts,
  "an end that no daemon saw has its true cause": learnsOfEnds,
  "a panic is told": tellsPanic,
  "a workload that ran out of memory is told": tellsWorkloadOutOfMemory,
  "a kernel that ran out of memory is told": tellsKernelOutOfMemory,
  "a crash of the VMM is never a stop": tellsVmmCrash,
  "a crash of the VMM in a stop is none either": tellsVmmCrashWhileStopping,
  "a machine goes with its monitor, and is missed": tellsMonitorLost,
  "what a guest wrote is there again": keepsDisk,
  "what a guest wrote survives a crash of its VMM": keepsDiskThroughCrash,
  "a guest lives on a full disk, and goes on with room": livesOnFullDisk,
};
