/**
 * The events of virtual machines: their names, payload and stream.
 *
 * @module
 */

import { endpoint } from "./endpoint.ts";

export const VM_EVENTS = [
  "VM_CREATED",
  "VM_STARTING",
  "VM_RUNNING",
  "VM_HEALTHY",
  "VM_STOPPING",
  "VM_STOPPED",
  "VM_CRASHED",
  "VM_RESTARTING",
  "VM_DELETED",
] as const;

export type VmEventType = typeof VM_EVENTS[number];

export interface VmEvent {
  /** Grows with each event, over restarts of the daemon too. */
  readonly id: number;
  readonly type: VmEventType;
  readonly name: string;
  readonly status: string;
  readonly ip_address?: string;
  readonly mac_address?: string;
  readonly pid?: number;
  readonly timestamp: string;
  readonly message: string;
}

export const vmEvents = endpoint<{ readonly vm?: string }, VmEvent>({
  id: "vmEvents",
  method: "GET",
  path: "/api/v1/events/vms",
  tag: "Events",
  summary:
    "Stream the events of virtual machines; Last-Event-ID replays what is still held",
  status: 200,
  replyType: "text/event-stream",
  faults: [],
});
