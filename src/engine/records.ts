/** What the engine remembers on this device and never replicates: one shape per kind of record. About 1 kB per relation. */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { Cursor } from "../core/protocol/cursor.ts";
import type { Power } from "../core/store/power.ts";

export type { Cursor };

/** active: synced with. inactive: nothing is sent to it and nothing accepted from it. blocked: the same, because it misbehaved or is unwanted. */
export type PeerState = "active" | "inactive" | "blocked";

export interface ErrorNote {
  readonly code: string;
  readonly atMs: number;
}

export interface AddressRecord {
  /** `type:rest`, such as "memory:…"; the type says which transport can use it. */
  readonly address: string;
  readonly successes: number;
  readonly failures: number;
  /** Since it worked last. Times do not tell the order: a clock may jump. */
  readonly failuresInRow: number;
  readonly lastOkMs: number | undefined;
  readonly lastError: ErrorNote | undefined;
}

export interface PeerRecord {
  readonly key: PublicKey;
  /** The user of this device has said something about it; others were only met, and are forgotten when there are too many. */
  readonly isRegistered: boolean;
  /** Given by the user of this device; empty: none. */
  readonly name: string;
  readonly state: PeerState;
  readonly addresses: readonly AddressRecord[];
  readonly firstSeenMs: number;
  /** Undefined: never connected. */
  readonly lastSeenMs: number | undefined;
  readonly attempts: number;
  readonly successes: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Median of the last round trips; undefined: never measured. */
  readonly roundTripMs: number | undefined;
  /** Protocol version of the last session. */
  readonly version: number | undefined;
  readonly lastError: ErrorNote | undefined;
}

export interface RelationRecord {
  readonly peer: PublicKey;
  readonly database: DatabaseId;
  /** off: taken away by the user; nothing is said about the database until it is added again. */
  readonly state: "on" | "off";
  /** Of the peer's storage when it confirmed; empty: it never did. */
  readonly epoch: string;
  /** The peer confirmed every entry at positions below this as durable. */
  readonly heldThrough: number;
  readonly cursor: Cursor | undefined;
  readonly attempts: number;
  readonly successes: number;
  readonly entriesSent: number;
  readonly entriesReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly lastOkMs: number | undefined;
  readonly lastError: ErrorNote | undefined;
}

/** What one user of a database on this device wants; those of all users are combined. */
export interface PreferencesRecord {
  readonly database: DatabaseId;
  /** Names whoever wants it, such as a part of the app. */
  readonly user: string;
  readonly enabled: boolean;
  /** New entries are pushed at once; otherwise they wait for the interval. */
  readonly onCommit: boolean;
  /** Digests are compared this often, in milliseconds; 0: as the instance does. */
  readonly intervalMs: number;
  /** For the app; not interpreted. */
  readonly properties: Readonly<Record<string, string>>;
}

export interface TransportRecord {
  readonly name: string;
  readonly type: string;
  readonly config: unknown;
  /** What the transport wants to find again. */
  readonly state: unknown;
  readonly isRunning: boolean;
  readonly accepts: boolean;
}

export type JobState = "waiting" | "running" | "paused" | "done" | "cancelled" | "failed";

export interface JobRecord {
  readonly id: string;
  /** bootstrap: we held nothing of the database. backfill: a lot was missing. */
  readonly type: "bootstrap" | "backfill";
  readonly database: DatabaseId;
  readonly peer: PublicKey;
  readonly state: JobState;
  readonly startedMs: number;
  readonly endedMs: number | undefined;
  readonly receivedEntries: number;
  readonly receivedBytes: number;
  /** Of the part that is known to be missing, including what came. */
  readonly totalEntries: number;
  readonly totalBytes: number;
  /** Durable batches so far: each is a checkpoint that a restart goes on from. */
  readonly batches: number;
  readonly error: ErrorNote | undefined;
}

export interface HookRecord {
  readonly name: string;
  readonly database: DatabaseId;
  /** Entries at positions below this were handed to the hook, which was done with them. */
  readonly position: number;
}

/** One finished exchange with a peer about a database. */
export interface HistoryRecord {
  readonly id: string;
  readonly peer: PublicKey;
  readonly database: DatabaseId;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly entriesSent: number;
  readonly entriesReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Undefined: it ended in agreement. */
  readonly error: string | undefined;
}

/** Somebody who asks to be let in to a database. */
export interface RequestRecord {
  readonly database: DatabaseId;
  readonly key: PublicKey;
  /** What they call themselves; empty: nothing. */
  readonly name: string;
  readonly note: string;
  /** What they ask for. */
  readonly power: Power;
  readonly sealKey: Uint8Array | undefined;
  readonly askedMs: number;
  /** What the key could do before. */
  readonly held: Power;
  readonly state: RequestState;
  readonly decidedBy: PublicKey | undefined;
  readonly decidedMs: number | undefined;
  /** The tab's write that rejected it: asked for again, it is done already. */
  readonly decidedWrite?: string;
}

export type RequestState = "pending" | "approved" | "rejected";

export interface RecordByKind {
  readonly peer: PeerRecord;
  readonly relation: RelationRecord;
  readonly preferences: PreferencesRecord;
  readonly transport: TransportRecord;
  readonly job: JobRecord;
  readonly hook: HookRecord;
  readonly history: HistoryRecord;
  readonly request: RequestRecord;
}
