/**
 * What keeps a database from syncing at present, the most important first.
 *
 * [STATUS-3] As long as one peer exchanges the database with us, what is wrong with the way to others blocks nothing.
 * [STATUS-4] Reasons come in the order of `blockTypes`: what endangers the data here, what stops everything, what somebody has to change, what passes.
 */
import type { PublicKey } from "../core/ids.ts";
import type { Permission } from "../core/store/power.ts";
import type { JoinRefusal } from "../ports/storage.ts";
import type { ErrorNote, PeerState } from "./records.ts";
import type { PeerInfo } from "./sync-info.ts";

/** In the order of importance. */
export const blockTypes = [
  "storage",
  "quota",
  "offline",
  "disabled",
  "noTransport",
  "noPermission",
  "version",
  "refused",
  "pending",
  "clockSkew",
  "paused",
  "noPeers",
  "connectionFailed",
  "connecting",
  "notReady",
] as const;

export type BlockType = (typeof blockTypes)[number];

/** heard: somebody has heard that this device asks to be let in, and nobody has answered. Else why nobody lets it in. */
export type JoinReply = "heard" | JoinRefusal;

export interface BlockReason {
  readonly type: BlockType;
  /** A sentence for people, in English; `type` is for programs. */
  readonly detail: string;
}

/** A peer that has or could have the database. */
export interface BlockPeer {
  readonly key: PublicKey;
  /** Empty: not named. */
  readonly name: string;
  readonly state: PeerState;
  /** The user took the relation away. */
  readonly isOff: boolean;
  readonly connection: PeerInfo["connection"];
  /** The session speaks about the database: both may read it. */
  readonly isShared: boolean;
  /** One side asked the other to hold back. */
  readonly isPaused: boolean;
  /** A job with it was cancelled and none was started since: it holds back until one is. */
  readonly isCancelled: boolean;
  /** Of the last attempt to reach it, or of the last session; undefined when that went well. */
  readonly lastError: ErrorNote | undefined;
}

export interface BlockInput {
  readonly isOnline: boolean;
  /** Transports and relays by which somebody could be reached. */
  readonly ways: number;
  /** Somebody's preferences enable the sync of the database. */
  readonly isEnabled: boolean;
  /** The database, and what its ticket promised, has arrived. */
  readonly isReady: boolean;
  /** Of this device's key. */
  readonly permission: Permission;
  /** Undefined: it did not ask, or nobody heard it. */
  readonly reply: JoinReply | undefined;
  /** The code of the last failure when nothing that the ticket names leads to anybody. */
  readonly unreachable: string | undefined;
  /** Why storage takes nothing at present. */
  readonly storageError: ErrorNote | undefined;
  /** Entries held back because they are ahead of this device's clock, and by how much the farthest is. */
  readonly heldBack: { readonly entries: number; readonly aheadMs: number };
  readonly peers: readonly BlockPeer[];
}

/** Each type at most once, most important first; empty when nothing is in the way. */
export function blockedBy(input: BlockInput): readonly BlockReason[] {
  const wanted = input.peers.filter(({ state, isOff }) => state === "active" && !isOff);
  const reasons = [...localReasons(input), ...(wanted.some(isExchanging) ? [] : peerReasons(input, wanted))];
  return blockTypes.flatMap((type) => reasons.find((reason) => reason.type === type) ?? []);
}

function localReasons(input: BlockInput): readonly BlockReason[] {
  const { storageError, heldBack, permission } = input;
  const reasons: BlockReason[] = [];
  const add = (isSo: boolean, type: BlockType, detail: string): void => {
    if (isSo) reasons.push({ type, detail });
  };
  const isFull = storageError?.code === "STORAGE_QUOTA";
  add(isFull, "quota", "The browser gives this site no more disk space.");
  add(storageError !== undefined && !isFull, "storage", `Storage does not work: ${storageError?.code}.`);
  add(!input.isOnline, "offline", "This device is offline.");
  add(!input.isEnabled, "disabled", "Sync of this database is switched off.");
  add(input.isReady && permission === "none", "noPermission", "This device may not read the database any more.");
  add(!input.isReady, "notReady", "The database has not arrived yet.");
  add(heldBack.entries > 0, "clockSkew", skewWords(heldBack));
  return reasons;
}

function skewWords({ entries, aheadMs }: BlockInput["heldBack"]): string {
  return `${entries} entries are up to ${Math.ceil(aheadMs / 1_000)} s ahead of this device's clock.`;
}

function isExchanging({ connection, isShared, isPaused, isCancelled }: BlockPeer): boolean {
  return connection === "connected" && isShared && !isPaused && !isCancelled;
}

function peerReasons(input: BlockInput, wanted: readonly BlockPeer[]): readonly BlockReason[] {
  if (!input.isOnline || !input.isEnabled) return [];
  const reasons = [...replyReasons(input.reply), ...wanted.map(peerReason)];
  if (input.ways === 0 && wanted.every(({ connection }) => connection !== "connected"))
    reasons.push({ type: "noTransport", detail: "No transport or relay is running." });
  // Whoever answered is there, though there is no relation with it.
  if (wanted.length > 0 || input.reply !== undefined) return reasons;
  if (input.unreachable !== undefined) {
    const detail = `Nothing that the ticket names leads to anybody: ${input.unreachable}.`;
    return [...reasons, { type: "connectionFailed", detail }];
  }
  if (input.peers.length === 0) return [...reasons, { type: "noPeers", detail: "No other device is known." }];
  return [...reasons, { type: "disabled", detail: "Every peer is inactive, blocked, or not to have this database." }];
}

function replyReasons(reply: JoinReply | undefined): readonly BlockReason[] {
  if (reply === undefined) return [];
  if (reply !== "heard") return [{ type: "refused", detail: `This device was not let in: ${reply}.` }];
  return [{ type: "pending", detail: "This device asked to be let in, and nobody has answered yet." }];
}

function peerReason(peer: BlockPeer): BlockReason {
  const who = peer.name === "" ? peer.key.slice(0, 8) : peer.name;
  const code = peer.lastError?.code;
  if (peer.connection === "connected") {
    const detail = `A job with ${who} was cancelled: it holds back until one is started.`;
    if (peer.isShared && peer.isCancelled) return { type: "paused", detail };
    if (peer.isShared) return { type: "paused", detail: `The exchange with ${who} is paused.` };
    return { type: "refused", detail: `${who} is connected and does not share the database with this device.` };
  }
  if (peer.connection === "connecting") return { type: "connecting", detail: `Connecting to ${who}.` };
  if (code === undefined) return { type: "noPeers", detail: `${who} is not there.` };
  if (code === "HANDSHAKE_VERSION") return { type: "version", detail: `${who} has another version of Tidemark.` };
  if (refusals.has(code)) return { type: "refused", detail: `${who} refused: ${code}.` };
  return { type: "connectionFailed", detail: `${who} could not be reached: ${code}.` };
}

const refusals: ReadonlySet<string> = new Set([
  "CONNECT_REFUSED",
  "HANDSHAKE_PEER",
  "HANDSHAKE_SELF",
  "HANDSHAKE_SIGNATURE",
]);
