/** A database's status in words. Nothing is said here that the status does not say. */
import type { DatabaseStatus, PeerStatus, RelayStatus } from "tidemark";
import { countWords, listWords } from "./element.ts";

/** good: done. busy: under way. quiet: nothing to say. warning: somebody should know. */
export type Tone = "good" | "busy" | "quiet" | "warning";

export interface Words {
  readonly text: string;
  readonly tone: Tone;
}

type NameOf = (key: string) => string;

export function savedWords({ entries, saved }: DatabaseStatus): Words {
  if (saved < entries) return { text: `Saving ${countWords(entries - saved, "change")} on this device…`, tone: "busy" };
  const text =
    entries === 1
      ? "The only change is saved on this device"
      : `All ${countWords(entries, "change")} saved on this device`;
  return { text, tone: "good" };
}

export function reachedWords(status: DatabaseStatus, nameOf: NameOf): Words {
  if (!status.online) return { text: "Offline: nothing goes out until you are back", tone: "warning" };
  const { peers } = status;
  if (peers.length === 0) return { text: "Nobody else is connected now", tone: "quiet" };
  const sending = peers.filter(({ state }) => state === "sending");
  if (sending.length > 0) {
    const most = Math.max(...sending.map(({ unconfirmed }) => unconfirmed ?? 0));
    return {
      text: `${countWords(most, "change")} on ${most === 1 ? "its" : "their"} way to ${whom(sending, nameOf)}`,
      tone: "busy",
    };
  }
  const comparing = peers.filter(({ state }) => state === "comparing");
  if (comparing.length > 0) return { text: `Comparing with ${whom(comparing, nameOf)}…`, tone: "busy" };
  const have = peers.length === 1 ? "has" : "have";
  return { text: `${whom(peers, nameOf)} ${have} everything`, tone: "good" };
}

/** One line for both, for where there is little room. */
export function summaryWords(status: DatabaseStatus, nameOf: NameOf): Words {
  const saved = savedWords(status);
  if (saved.tone !== "good") return saved;
  const reached = reachedWords(status, nameOf);
  if (!status.online) return { text: "Saved here · offline", tone: "warning" };
  if (status.peers.length === 0) return aloneWords(status);
  return { text: `Saved here · ${reached.text}`, tone: reached.tone };
}

/** Nobody is connected: what counts is who has what from before. */
function aloneWords({ pending, heldBy }: DatabaseStatus): Words {
  const copies = heldBy.filter(({ isComplete }) => isComplete).length;
  if (pending.entries === 0 && copies > 0)
    return { text: `Saved here and on ${countWords(copies, "other device")}`, tone: "good" };
  if (pending.entries > 0 && heldBy.length > 0)
    return { text: `Saved here · ${countWords(pending.entries, "change")} on no other device`, tone: "warning" };
  return { text: "Saved here · nobody else connected", tone: "quiet" };
}

export function relayWords(relays: readonly RelayStatus[], isOnline: boolean): readonly Words[] {
  if (!isOnline) return [{ text: "Relay not used while offline", tone: "quiet" }];
  if (relays.length === 0) return [{ text: "No relay: nobody can be found", tone: "warning" }];
  return relays.map(relayLine);
}

function relayLine({ url, state, reason }: RelayStatus): Words {
  const name = hostOf(url);
  switch (state) {
    case "connected":
      return { text: `Relay ${name} connected`, tone: "good" };
    case "connecting":
      return { text: `Connecting to relay ${name}…`, tone: "busy" };
    case "waiting":
      return { text: `Relay ${name} not reached; trying again`, tone: "warning" };
    case "refused":
      return {
        text: `Relay ${name} turned this device away${reason === undefined ? "" : `: ${reason}`}`,
        tone: "warning",
      };
  }
}

export function peerWords({ state, unconfirmed }: PeerStatus): Words {
  switch (state) {
    case "comparing":
      return { text: "comparing…", tone: "busy" };
    case "sending":
      return { text: `${countWords(unconfirmed ?? 0, "change")} on the way`, tone: "busy" };
    case "upToDate":
      return { text: "has everything", tone: "good" };
  }
}

export function pathWords(path: string): string {
  return path === "webrtc" ? "WebRTC, direct" : path;
}

/** Up to two by name; more are counted. */
function whom(peers: readonly PeerStatus[], nameOf: NameOf): string {
  return peers.length <= 2
    ? listWords(peers.map(({ key }) => nameOf(key)))
    : countWords(peers.length, "person", "people");
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}
