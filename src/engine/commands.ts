/**
 * Everything that the engine can be told to do about sync, as data: it crosses a worker's border, a log, or a test alike.
 *
 * Each is answered with a result, or with a `TidemarkError`; whoever posts one without waiting hears of its failure in the event log.
 */
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import type { Diagnosis } from "./diagnosis.ts";
import type { LoggedEvent } from "./event-log.ts";
import type { MetricsSnapshot } from "./metrics.ts";
import type { HistoryRecord, PeerState, PreferencesRecord } from "./records.ts";
import type { SyncSettings } from "./settings.ts";
import type { JobInfo, PeerInfo, RelationInfo, TransportInfo } from "./sync-info.ts";

/** By name: what is given, and what is answered. */
export interface SyncCommands {
  /** Sends these entries to a peer again, ahead of what waits; entries that it has are left out by nobody but itself. */
  sendEntries: { readonly database: DatabaseId; readonly peer: PublicKey; readonly ids: readonly EntryId[] };
  /** Puts one entry into a peer's queue, behind what waits. */
  queueEntry: { readonly database: DatabaseId; readonly peer: PublicKey; readonly id: EntryId };
  addPeer: { readonly peer: PublicKey; readonly name?: string; readonly addresses?: readonly string[] };
  updatePeer: {
    readonly peer: PublicKey;
    readonly name?: string;
    readonly state?: PeerState;
    /** Added to those that it has. */
    readonly addresses?: readonly string[];
  };
  /** With its relations and everything remembered about it. */
  removePeer: { readonly peer: PublicKey };
  peers: Record<never, never>;
  addRelation: { readonly database: DatabaseId; readonly peer: PublicKey };
  removeRelation: { readonly database: DatabaseId; readonly peer: PublicKey };
  /** Of a database, of a peer, of both, or all. */
  relations: { readonly database?: DatabaseId; readonly peer?: PublicKey };
  /** Dials a peer, or an address, now. Resolves when the handshake is done. */
  connect: { readonly peer: PublicKey } | { readonly address: string };
  disconnect: { readonly peer: PublicKey };
  /** Compares with a connected peer now, or with all. Resolves when both hold the same. */
  syncWithPeer: { readonly peer?: PublicKey; readonly database?: DatabaseId };
  startListening: { readonly transport?: string };
  stopListening: { readonly transport?: string };
  addTransport: { readonly name: string; readonly type: string; readonly config?: unknown };
  removeTransport: { readonly name: string };
  startTransport: { readonly name: string };
  stopTransport: { readonly name: string };
  transports: Record<never, never>;
  /** Where others can dial us by this transport at present; one that does not run is TRANSPORT_STOPPED. */
  transportAddresses: { readonly name: string };
  /** Resolves when all that waits for connected peers is confirmed by them, and everything remembered is written. */
  flush: Record<never, never>;
  setPreferences: PreferencesRecord;
  removePreferences: { readonly database: DatabaseId; readonly user: string };
  preferences: { readonly database: DatabaseId };
  jobs: { readonly database?: DatabaseId };
  /** Asks a peer, or any, for everything that is missing; the job is there at once. */
  startJob: { readonly database: DatabaseId; readonly peer?: PublicKey };
  pauseJob: { readonly job: string };
  resumeJob: { readonly job: string };
  cancelJob: { readonly job: string };
  whenSafe: { readonly database: DatabaseId; readonly copies: number };
  /** Resolves when this device and the peer hold the same of the database for the first time since it was called. */
  whenSynced: { readonly database: DatabaseId; readonly peer: PublicKey };
  history: { readonly database?: DatabaseId; readonly peer?: PublicKey };
  diagnose: { readonly peer?: PublicKey };
  metrics: Record<never, never>;
  log: Record<never, never>;
  settings: Record<never, never>;
  changeSettings: Partial<SyncSettings>;
  /** The page became visible, the network came back, the device woke: whatever waits is tried now. */
  wake: Record<never, never>;
}

export interface SyncResults {
  sendEntries: undefined;
  queueEntry: undefined;
  addPeer: PeerInfo;
  updatePeer: PeerInfo;
  removePeer: undefined;
  peers: readonly PeerInfo[];
  addRelation: undefined;
  removeRelation: undefined;
  relations: readonly RelationInfo[];
  connect: PeerInfo;
  disconnect: undefined;
  syncWithPeer: undefined;
  startListening: readonly string[];
  stopListening: undefined;
  addTransport: TransportInfo;
  removeTransport: undefined;
  startTransport: TransportInfo;
  stopTransport: TransportInfo;
  transports: readonly TransportInfo[];
  transportAddresses: readonly string[];
  flush: undefined;
  setPreferences: undefined;
  removePreferences: undefined;
  preferences: Omit<PreferencesRecord, "user" | "database">;
  jobs: readonly JobInfo[];
  startJob: JobInfo;
  pauseJob: JobInfo;
  resumeJob: JobInfo;
  cancelJob: JobInfo;
  whenSafe: undefined;
  whenSynced: undefined;
  history: readonly HistoryRecord[];
  diagnose: Diagnosis;
  metrics: MetricsSnapshot;
  log: readonly LoggedEvent[];
  settings: SyncSettings;
  changeSettings: SyncSettings;
  wake: undefined;
}

export type CommandName = keyof SyncCommands;

/** Stays in step with `SyncCommands` by its type: what comes over the border is looked up here. */
export type CommandHandlers = {
  readonly [Name in CommandName]: (
    command: SyncCommands[Name],
    signal: AbortSignal,
  ) => SyncResults[Name] | Promise<SyncResults[Name]>;
};
