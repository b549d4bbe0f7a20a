/** What is known of one person's device, in words. */
import type { HeldBy, Member, PeerInfo, PeerStatus, Permission } from "tidemark";
import { amountWords, bytesWords, durationWords, timeWords } from "./amounts.ts";
import { countWords } from "./element.ts";
import { explainCode } from "./explain.ts";
import type { Fact } from "./facts.ts";
import { letInWords } from "./permission-words.ts";
import { pathWords, peerWords, type Words } from "./status-words.ts";

export interface KnownPerson {
  /** Of this board; undefined: not connected for it. */
  readonly status: PeerStatus | undefined;
  /** Undefined: this device never met theirs. */
  readonly info: PeerInfo | undefined;
  readonly held: HeldBy | undefined;
  /** How many changes the board has here. */
  readonly entries: number;
  /** Of this device. */
  readonly isOnline: boolean;
  /** Undefined: they may do no more than everybody. */
  readonly member: Member | undefined;
  readonly permission: Permission;
}

export function personWords({ status, info }: KnownPerson): Words {
  if (info?.state === "blocked") return { text: "blocked", tone: "warning" };
  if (info?.state === "inactive") return { text: "syncing is paused", tone: "warning" };
  if (status !== undefined) {
    const { text, tone } = peerWords(status);
    return { text: `${pathWords(status.path)} · ${text}`, tone };
  }
  if (info?.connection === "connected") return { text: "connected, but not for this board", tone: "quiet" };
  if (info?.connection === "connecting") return { text: "connecting…", tone: "busy" };
  return { text: "not connected", tone: "quiet" };
}

export function personFacts(known: KnownPerson, wordFor: (key: string) => string): readonly Fact[] {
  const { member } = known;
  const letIn: readonly Fact[] = member === undefined ? [] : [["Let in by", letInWords(member, wordFor)]];
  return [...letIn, ...deviceFacts(known)];
}

function deviceFacts({ info, held, entries }: KnownPerson): readonly Fact[] {
  if (info === undefined) return [["Met", "not yet: this device knows of it from the board only"]];
  const sinceMs = info.paths.find(({ carries }) => carries)?.sinceMs;
  const facts: (Fact | undefined)[] = [
    ["Reached by", reachWords(info)],
    sinceMs === undefined ? undefined : ["Connected since", timeWords(sinceMs)],
    info.roundTripMs === undefined ? undefined : ["Round trip", durationWords(info.roundTripMs)],
    ["Has", heldWords(held, entries)],
    info.queuedEntries === 0
      ? undefined
      : ["Waits for it", amountWords({ entries: info.queuedEntries, bytes: info.queuedBytes })],
    // Counted in larger steps: nothing yet is not worth a line.
    info.bytesSent === 0 ? undefined : ["Sent", bytesWords(info.bytesSent)],
    info.bytesReceived === 0 ? undefined : ["Received", bytesWords(info.bytesReceived)],
    info.connection === "connected" || info.lastSeenMs === undefined
      ? undefined
      : ["Last seen", timeWords(info.lastSeenMs)],
    info.lastError === undefined
      ? undefined
      : ["Last problem", `${explainCode(info.lastError.code).title}, ${timeWords(info.lastError.atMs)}`],
  ];
  return facts.filter((fact) => fact !== undefined);
}

/** "everything, confirmed 14:03", "10 of 12 changes, confirmed 14:03", "nothing that it confirmed". */
export function heldWords(held: HeldBy | undefined, entries: number): string {
  if (held === undefined || (held.entries === 0 && !held.isComplete)) return "nothing that it confirmed";
  const when = held.atMs === undefined ? "" : `, confirmed ${timeWords(held.atMs)}`;
  const what = held.isComplete
    ? "everything"
    : `${held.entries.toLocaleString("en")} of ${countWords(entries, "change")}`;
  return `${what}${when}`;
}

function reachWords({ connection, paths, nextAttemptMs }: PeerInfo): string {
  switch (connection) {
    case "connected": {
      const ways = paths.filter(({ carries }) => carries).map(({ path }) => pathWords(path));
      const standing = paths.length - ways.length;
      return [...ways, ...(standing === 0 ? [] : [`${countWords(standing, "more path")} standing by`])].join("; ");
    }
    case "connecting":
      return "being connected now";
    case "waiting":
      return nextAttemptMs === undefined
        ? "tried again soon"
        : `not reached; tried again at ${timeWords(nextAttemptMs)}`;
    case "parked":
      return "not reached; not tried again by itself";
    case "offline":
      return "not there";
  }
}
