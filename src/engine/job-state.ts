/**
 * The states of a job, and every way from one to another.
 *
 * [JOB-5] A job goes from state to state as `transitions` says and in no other way.
 */
import { TidemarkError } from "../core/errors.ts";
import type { JobState } from "./records.ts";

/** begin: its peer is there. interrupt: its peer is gone. finish: nothing is missing any more. The others come from the user, or from what went wrong. */
export type JobAction = "begin" | "interrupt" | "finish" | "pause" | "resume" | "cancel" | "fail";

export const transitions: Readonly<Record<JobState, Readonly<Partial<Record<JobAction, JobState>>>>> = {
  waiting: { begin: "running", finish: "done", pause: "paused", cancel: "cancelled", fail: "failed" },
  running: { interrupt: "waiting", finish: "done", pause: "paused", cancel: "cancelled", fail: "failed" },
  // What was under way when it was paused may have been all.
  paused: { finish: "done", resume: "waiting", cancel: "cancelled", fail: "failed" },
  done: {},
  cancelled: {},
  failed: {},
};

/** Undefined when there is no such way. */
export function nextState(state: JobState, action: JobAction): JobState | undefined {
  return transitions[state][action];
}

/** Whether a job in this state can still come to anything. */
export function isLive(state: JobState): boolean {
  return Object.keys(transitions[state]).length > 0;
}

/** Throws JOB_STATE when there is no such way. */
export function requireNextState(job: string, state: JobState, action: JobAction): JobState {
  const next = nextState(state, action);
  if (next !== undefined) return next;
  const froms = (Object.keys(transitions) as JobState[]).filter((from) => nextState(from, action) !== undefined);
  throw new TidemarkError("JOB_STATE", { job, got: state, expected: froms.join(" or ") });
}
