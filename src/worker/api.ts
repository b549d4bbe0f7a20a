/**
 * Everything that is said between the page and its worker: calls through Comlink, and events on one MessagePort.
 *
 * Ids and keys are hex here; the client turns them into the forms people see. Data only: it all survives a structured clone.
 */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { JsonValue, Row } from "../core/store/values.ts";
import type { CommandName, SyncCommands, SyncResults } from "../engine/commands.ts";
import type { LoggedEvent } from "../engine/event-log.ts";
import type { WriteEvent } from "../engine/hook-reader.ts";
import type { SyncSettings } from "../engine/settings.ts";
import type { DatabaseStatus } from "../engine/status.ts";
import type { ReceiveProgress } from "../engine/sync-control.ts";
import type { JobInfo } from "../engine/sync-info.ts";
import type { RelayStatus } from "../ports/transport.ts";

export interface BootOptions {
  /** Names the instance within the origin: its own key, its own databases. */
  readonly name: string;
  readonly relays: readonly string[];
  readonly iceServers: readonly RTCIceServer[];
  /** What differs from the defaults. */
  readonly sync: Partial<SyncSettings>;
  /** The worker holds the Web Lock of this name while it lives: the page learns of its death by getting it. */
  readonly lifeLock: string;
}

export interface BootInfo {
  readonly publicKey: PublicKey;
}

export interface DatabaseInfo {
  readonly id: DatabaseId;
  readonly name: string;
}

/** What one transaction does to one store: encoded on the page, where a mistake is told at the call that makes it. */
export interface StoreWrites {
  readonly type: WatchedType;
  readonly store: string;
  readonly payload: Uint8Array;
  /** Rows that must exist, because single columns of them are changed. */
  readonly updatedRows: readonly string[];
}

/** The types of store that the page knows. */
export type WatchedType = "table" | "kv";

export interface CommandOptions {
  /** For `cancel`; of one page each once. */
  readonly id: number;
  /** Rejects with TIMEOUT after so many milliseconds. */
  readonly timeoutMs?: number;
}

export interface HookOptions {
  readonly name?: string;
  readonly after?: string;
}

/** Each rejects with a `TidemarkError`, which crosses intact. */
export interface WorkerApi {
  boot(options: BootOptions, events: MessagePort): Promise<BootInfo>;
  createDatabase(name: string): Promise<DatabaseInfo>;
  databases(): Promise<readonly DatabaseInfo[]>;
  commit(database: DatabaseId, stores: readonly StoreWrites[]): Promise<void>;
  getRow(database: DatabaseId, store: string, id: string): Promise<Row | undefined>;
  /** In the order of the row ids. */
  allRows(database: DatabaseId, store: string): Promise<readonly (readonly [string, Row])[]>;
  getValue(database: DatabaseId, store: string, key: string): Promise<JsonValue | undefined>;
  /** In the order of the keys. */
  allValues(database: DatabaseId, store: string, prefix: string): Promise<readonly (readonly [string, JsonValue])[]>;
  /** From now on, `items` events with this number: first everything, then what changes. */
  watch(watch: number, database: DatabaseId, type: WatchedType, store: string): Promise<void>;
  unwatch(watch: number): Promise<void>;
  share(database: DatabaseId, permission: string): Promise<string>;
  join(ticket: string): Promise<DatabaseInfo>;
  ready(database: DatabaseId): Promise<void>;
  status(database: DatabaseId): Promise<DatabaseStatus>;
  /** Bytes that are equal on all replicas that hold the same entries; for tests and support. */
  stateDigest(database: DatabaseId): Promise<StateDigest>;
  setOnline(online: boolean): Promise<void>;
  command<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    options: CommandOptions,
  ): Promise<SyncResults[Name]>;
  /** Ends the waiting of a command, and what the engine does for it. */
  cancel(id: number): Promise<void>;
  /** A command whose failure is a `problem` event: the answer comes at once. */
  post<Name extends CommandName>(name: Name, command: SyncCommands[Name]): Promise<void>;
  /** From now on, `written` events with this number, each after `taken` was called for the one before. */
  addHook(hook: number, database: DatabaseId, options: HookOptions): Promise<void>;
  /** `failure`: why it could not take it; one with a name is told again. */
  taken(hook: number, failure?: string): Promise<void>;
  removeHook(hook: number): Promise<void>;
  /** Whether `log` events are sent. */
  setLogging(on: boolean): Promise<void>;
  close(): Promise<void>;
}

export interface StateDigest {
  readonly entries: number;
  readonly tips: readonly string[];
  /** SHA-256 of the canonical encoding of all stores, as hex. */
  readonly state: string;
}

/** From the worker to the page. */
export type WorkerEvent =
  | {
      readonly type: "items";
      readonly watch: number;
      /** True when these are all items and not only those that changed. */
      readonly all: boolean;
      /** Undefined: the row or value is no more. */
      readonly items: readonly (readonly [string, Row | JsonValue | undefined])[];
    }
  | { readonly type: "status"; readonly database: DatabaseId; readonly status: DatabaseStatus }
  | ({ readonly type: "progress"; readonly database: DatabaseId } & ReceiveProgress)
  /** What the command `peers` answers is different now. At most 20 times a second. */
  | { readonly type: "peers" }
  | { readonly type: "job"; readonly job: JobInfo }
  | { readonly type: "log"; readonly event: LoggedEvent }
  | { readonly type: "written"; readonly hook: number; readonly event: WriteEvent }
  | { readonly type: "relay"; readonly status: RelayStatus }
  | { readonly type: "problem"; readonly database: DatabaseId | undefined; readonly error: ErrorData }
  /** The page is to make connections for whoever holds the other end: see transport/webrtc-messages.ts. */
  | { readonly type: "connections"; readonly port: MessagePort };

/** A `TidemarkError` as data. */
export interface ErrorData {
  readonly code: string;
  readonly details: object;
  readonly stack: string | undefined;
}
