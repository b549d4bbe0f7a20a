/**
 * What is saved where, as far as this device can know.
 *
 * [STATUS-1] Saved is what is durable here, pending what no other device confirmed as durable, and held what somebody did.
 * [STATUS-2] A peer is up to date only when it has confirmed all that is durable here; while comparing nothing is said about it.
 */
import type { PublicKey } from "../core/ids.ts";
import type { LanePhase } from "../core/protocol/lane.ts";
import type { Permission } from "../core/store/power.ts";
import type { RelayStatus } from "../ports/transport.ts";
import { type BlockInput, type BlockReason, blockedBy } from "./blocked-by.ts";
import type { HeldBy, PendingAmount } from "./holdings.ts";
import type { Access } from "./permissions-info.ts";
import type { RelationRecord } from "./records.ts";
import type { JobInfo } from "./sync-info.ts";

export interface PeerStatus {
  readonly key: PublicKey;
  /** How the peer is reached, such as "webrtc". */
  readonly path: string;
  /** comparing: not known yet what is missing. sending: entries are on their way. upToDate: it confirmed all our entries as stored. */
  readonly state: "comparing" | "sending" | "upToDate";
  /** Entries here that this peer has not confirmed as stored; undefined while comparing. */
  readonly unconfirmed: number | undefined;
}

export interface DatabaseStatus {
  readonly name: string;
  readonly ready: boolean;
  /** What this device's key may do; none while the database has not arrived. */
  readonly permission: Permission;
  /** How this device stands to the database: whether it has it, waits for it, or was turned down. */
  readonly access: Access;
  /** Entries that are part of the database here. */
  readonly entries: number;
  /** Of these, how many are durable on this device. */
  readonly saved: number;
  /** What is written is sealed for those who may read. */
  readonly encrypted: boolean;
  /** Entries that cannot be read here, because their keys have not come. */
  readonly sealedEntries: number;
  /** What no other device has confirmed as durable, be it saved here or not yet. */
  readonly pending: PendingAmount;
  /** Who confirmed how much as durable, also in earlier sessions, in the order of their keys. */
  readonly heldBy: readonly HeldBy[];
  /** When a peer and this device last found that they hold the same, in milliseconds since 1970; undefined: never. */
  readonly lastSyncedMs: number | undefined;
  /** What keeps the database from syncing at present, the most important first; empty: nothing. */
  readonly blockedBy: readonly BlockReason[];
  /** Initial syncs and backfills that are not over. */
  readonly jobs: readonly JobInfo[];
  /** What waits for connected peers or is on its way to them; an entry counts once for each of them. */
  readonly queue: PendingAmount;
  readonly online: boolean;
  readonly relays: readonly RelayStatus[];
  /** Connected peers that share this database, in the order of their keys. */
  readonly peers: readonly PeerStatus[];
}

/** A session's view of the database. */
export interface PeerLane {
  readonly key: PublicKey;
  readonly path: string;
  readonly phase: LanePhase;
  readonly unconfirmed: number;
  readonly unconfirmedBytes: number;
}

type Copied =
  | "name"
  | "access"
  | "entries"
  | "saved"
  | "encrypted"
  | "sealedEntries"
  | "pending"
  | "heldBy"
  | "jobs"
  | "relays";

export interface StatusInput extends Pick<DatabaseStatus, Copied> {
  /** Also tells whether it is ready, what this key may do, and whether this device is online. */
  readonly block: BlockInput;
  /** Of connected peers that share the database. */
  readonly lanes: readonly PeerLane[];
  /** Of the database, with every peer. */
  readonly relations: readonly Pick<RelationRecord, "lastOkMs">[];
  /** When a digest agreed in this run, should that be later than what the relations remember. */
  readonly agreedMs: number | undefined;
}

export function databaseStatus(input: StatusInput): DatabaseStatus {
  const { name, access, entries, saved, encrypted, sealedEntries, pending, heldBy, jobs, relays } = input;
  const { block, lanes } = input;
  const syncedMs = [input.agreedMs, ...input.relations.map(({ lastOkMs }) => lastOkMs)].filter(
    (ms) => ms !== undefined,
  );
  return {
    ...{ name, access, entries, saved, encrypted, sealedEntries, pending, heldBy, jobs, relays },
    ready: block.isReady,
    permission: block.permission,
    online: block.isOnline,
    lastSyncedMs: syncedMs.length === 0 ? undefined : Math.max(...syncedMs),
    blockedBy: blockedBy(block),
    queue: {
      entries: lanes.reduce((sum, { unconfirmed }) => sum + unconfirmed, 0),
      bytes: lanes.reduce((sum, { unconfirmedBytes }) => sum + unconfirmedBytes, 0),
    },
    peers: lanes.map(peerStatus).sort((a, b) => (a.key < b.key ? -1 : 1)),
  };
}

function peerStatus({ key, path, phase, unconfirmed }: PeerLane): PeerStatus {
  if (phase === "idle" || phase === "comparing") return { key, path, state: "comparing", unconfirmed: undefined };
  return { key, path, state: unconfirmed === 0 ? "upToDate" : "sending", unconfirmed };
}
