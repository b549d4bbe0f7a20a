/** Where a board is safe, and what keeps it from syncing, in words. Nothing is said here that the status does not say. */
import type { BlockReason, BlockType, DatabaseStatus } from "tidemark";
import { amountWords, timeWords } from "./amounts.ts";
import { listWords } from "./element.ts";
import type { Explanation } from "./explain.ts";
import type { Fact } from "./facts.ts";
import type { Words } from "./status-words.ts";

type NameOf = (key: string) => string;

/** The one line that a newcomer sees. */
export function safeWords({ entries, pending, heldBy }: DatabaseStatus, nameOf: NameOf): Words {
  if (pending.entries >= entries && entries > 0)
    return { text: "So far on this device only: share the board to have a second copy", tone: "quiet" };
  if (pending.entries > 0) return { text: `On this device only: ${amountWords(pending)}`, tone: "warning" };
  const complete = heldBy.filter(({ isComplete }) => isComplete);
  if (complete.length === 0) return { text: "Every change is on some other device too", tone: "good" };
  const others = complete.length <= 2 ? complete.map(({ peer }) => ownerWords(nameOf(peer))) : [];
  const where = others.length === 0 ? "" : `: ${listWords(["this one", ...others])}`;
  return { text: `Everything is safe on ${complete.length + 1} devices${where}`, tone: "good" };
}

export function safeFacts({ pending, lastSyncedMs, queue }: DatabaseStatus): readonly Fact[] {
  return [
    ["On no other device", pending.entries === 0 ? "nothing" : amountWords(pending)],
    ["On the way to others", queue.entries === 0 ? "nothing" : amountWords(queue)],
    ["Last synced", lastSyncedMs === undefined ? "not yet" : timeWords(lastSyncedMs)],
  ];
}

const blocks: Readonly<Record<BlockType, Explanation>> = {
  storage: { title: "This device saves nothing any more", hint: "Load the page again." },
  quota: { title: "This device is full", hint: "Free some space, then load the page again." },
  offline: { title: "You are offline", hint: "Switch “Work offline” off." },
  disabled: { title: "Syncing is off with everyone on this board", hint: "Go on with somebody under People." },
  noTransport: { title: "There is no relay to find others by", hint: "Add ?relay=wss://… to the address." },
  noPermission: {
    title: "You are no longer on this board",
    hint: "Somebody took you off it. What had arrived before is still here.",
  },
  version: {
    title: "Another device has another version of this app",
    hint: "Load the page again on both devices.",
  },
  refused: {
    title: "Another device turned this one away",
    hint: "Ask its user to let you in, or to open this board there.",
  },
  pending: {
    title: "Nobody has let this device in yet",
    hint: "Wait, or ask whoever runs the board to look at its requests.",
  },
  clockSkew: {
    title: "Changes of a device whose clock runs ahead are held back",
    hint: "Set the clock of that device, or of this one, right.",
  },
  paused: { title: "Receiving is on hold", hint: "Resume it, or wait until the other device goes on." },
  noPeers: {
    title: "No other device with this board is there",
    hint: "Share the board, or open it on another of its devices.",
  },
  connectionFailed: {
    title: "Another device could not be reached",
    hint: "It is tried again by itself. See whether it is awake, online and has the board open.",
  },
  connecting: { title: "Another device is being connected", hint: "Nothing to do: it takes a moment." },
  notReady: {
    title: "The board has not arrived completely",
    hint: "It comes from whoever shared it: keep both devices online.",
  },
};

export function blockWords({ type }: BlockReason): Explanation {
  return blocks[type];
}

/** What other lines on the first view do not say already, and somebody can do something about. */
const worthALine: ReadonlySet<BlockType> = new Set<BlockType>([
  "storage",
  "quota",
  "disabled",
  "version",
  "refused",
  "clockSkew",
  "paused",
]);

export function blockLine({ blockedBy, heldBy }: DatabaseStatus): Explanation | undefined {
  // A board that was never shared does not sync either, and nothing is wrong with that.
  const isShared = heldBy.length > 0;
  const first = blockedBy.find(({ type }) => worthALine.has(type) && (type !== "disabled" || isShared));
  return first === undefined ? undefined : blockWords(first);
}

function ownerWords(name: string): string {
  return /s$/i.test(name) ? `${name}’` : `${name}’s`;
}
