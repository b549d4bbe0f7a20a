/** Many lives one after the other: what went wrong, told so that it can be seen again, and what happened in them. */
import { cheats } from "./cheat.ts";
import { documentCheats } from "./document-cheat.ts";
import { tricks } from "./mallory.ts";
import { describeFailure, shrink } from "./shrink.ts";
import { type SimulationOptions, simulate } from "./simulation.ts";

export interface Lives {
  readonly failed: number;
  readonly tally: ReadonlyMap<string, number>;
}

export interface LivesOptions extends Omit<SimulationOptions, "seed" | "keep"> {
  readonly from: number;
  readonly runs: number;
}

/** Whoever is told of lives that failed. */
export interface Output {
  line(text: string): void;
  /** Milliseconds of real time since some moment. */
  elapsedMs(): number;
  /** Milliseconds for which processors worked for this process. */
  cpuMs(): number;
}

/** So many are made shorter, each in so many milliseconds of real time: after that there is something else to do than to look for more. */
const shrunkMax = 5;
const shrinkMsMax = 30_000;

/** Lives lives with successive seeds, and tells of each that fails how to see it again. */
export async function liveMany({ from, runs, ...options }: LivesOptions, output: Output): Promise<Lives> {
  const tally = new Map<string, number>();
  let failed = 0;
  for (let seed = from; seed < from + runs; seed++) {
    const result = await simulate({ ...options, seed });
    for (const [what, times] of result.tally) tally.set(what, times + (tally.get(what) ?? 0));
    if (result.problems.length === 0) continue;
    failed += 1;
    const end = output.elapsedMs() + (failed <= shrunkMax ? shrinkMsMax : 0);
    const shrunk = await shrink({ ...options, seed }, result, () => output.elapsedMs() > end);
    output.line(describeFailure(shrunk.result, failed <= shrunkMax ? shrunk.keep : undefined));
  }
  return { failed, tally };
}

/** What must have happened in some of many lives, or they proved nothing. */
export const expectedEvents: readonly string[] = [
  "acknowledged",
  "cut",
  "heal",
  "drop",
  "hold",
  "clog",
  "spoil",
  "message lost",
  "message twice",
  "message overtaken",
  "partition",
  "swizzle",
  "crash",
  "write finished by a crash",
  "write taken back by a crash",
  "restart",
  "wipe",
  "fill",
  "skew",
  "offline",
  "block",
  "unrelate",
  "rot",
  "restore",
  "fork",
  "granted",
  "let in",
  "lowered",
  "removed",
  "stepped down",
  "public 100",
  "public 200",
  "public 999",
  "renamed",
  "invited",
  "withdrawn",
  "leaked",
  "ticket for a member",
  "joined",
  "redeemed",
  "redeemed by a cheat",
  "redemption void",
  "guest served",
  "void",
  "revived",
  "PERMISSION_DENIED",
  "STORAGE_CLOSED",
  "STORAGE_QUOTA",
  "reported ENTRY_SIGNATURE",
  "reported ENTRY_PERMISSION",
  "reported ENTRY_STANDS_ON_VOID",
  "reported ENTRY_INVITE",
  "reported ENTRY_INVITE_PROOF",
  "reported ENTRY_HEIGHT",
  "reported ENTRY_CHAIN",
  "reported ENTRY_TIME",
  "reported ENTRY_TIME_AHEAD",
  "reported MESSAGE_UNEXPECTED",
  "reported STORAGE_CORRUPT",
  "reported STORAGE_QUOTA",
  ...tricks.map((trick) => `mallory ${trick}`),
  ...cheats.map((cheat) => `cheat ${cheat}`),
];

/** The same, of lives with documents. */
const expectedOfDocuments: readonly string[] = [
  "document change",
  "document edit done",
  "document edit refused",
  "transaction kept",
  "undo done",
  "redo done",
  "snapshot kept",
  "seen to be there",
  "fault object",
  "fault repeated",
  "reported DOC_FAULTY",
  ...documentCheats.map((cheat) => `document cheat ${cheat}`),
];

/** Those of the expected events that never happened. */
export function neverHappened(tally: ReadonlyMap<string, number>, withDocuments: boolean): readonly string[] {
  const expected = withDocuments ? [...expectedEvents, ...expectedOfDocuments] : expectedEvents;
  return expected.filter((what) => (tally.get(what) ?? 0) === 0);
}
