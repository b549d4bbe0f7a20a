/** What is told about peers, relations and transports: what is remembered, and how things are at present. */
import type { TransferRate } from "./rate.ts";
import type { JobRecord, PeerRecord, RelationRecord, TransportRecord } from "./records.ts";

export interface PathInfo {
  /** How: "webrtc", "memory". */
  readonly path: string;
  /** True for the one that carries the session; the others stand by. */
  readonly carries: boolean;
  readonly sinceMs: number;
}

export interface PeerInfo extends PeerRecord {
  /** offline: not connected, and nothing is being tried. waiting: tried again at `nextAttemptMs`. parked: given up, or trying again does not help until something changes. */
  readonly connection: "connected" | "connecting" | "waiting" | "parked" | "offline";
  readonly nextAttemptMs: number | undefined;
  readonly paths: readonly PathInfo[];
  /** Entries queued for it or under way, over all databases. */
  readonly queuedEntries: number;
  readonly queuedBytes: number;
}

export interface RelationInfo extends RelationRecord {
  /** The peer holds everything that is durable here. */
  readonly isSynced: boolean;
}

export interface TransportInfo extends Omit<TransportRecord, "state"> {
  readonly addresses: readonly string[];
}

/** With how fast it goes: over the last five seconds; 0 while it does not run. */
export interface JobInfo extends JobRecord, TransferRate {}
