/**
 * Everything that is said between the page and its worker: calls through Comlink, and events on one MessagePort.
 *
 * Ids and keys are hex here; the client turns them into the forms people see. Data only: it all survives a structured clone.
 */
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import type { Permission, Power } from "../core/store/power.ts";
import type { JsonValue, Row } from "../core/store/values.ts";
import type { CommandName, SyncCommands, SyncResults } from "../engine/commands.ts";
import type { LoggedEvent } from "../engine/event-log.ts";
import type { ExportPiece, FileProgress } from "../engine/exporting.ts";
import type { WriteEvent } from "../engine/hook-reader.ts";
import type { ImportReport } from "../engine/importing.ts";
import type {
  Access,
  EntryExplained,
  InviteInfo,
  KeyExplained,
  Member,
  PermissionsChanged,
  RequestInfo,
} from "../engine/permissions-info.ts";
import type { RecoveryGrant, RestoredDatabase } from "../engine/recovery.ts";
import type { SyncSettings } from "../engine/settings.ts";
import type { DatabaseStatus } from "../engine/status.ts";
import type { StorageHealth } from "../engine/storage-health.ts";
import type { ReceiveProgress } from "../engine/sync-control.ts";
import type { JobInfo } from "../engine/sync-info.ts";
import type { VerifyReport } from "../engine/verify.ts";
import type { WriteId } from "../engine/writes.ts";
import type { KeyInfo } from "../ports/keys.ts";
import type { RelayStatus } from "../ports/transport.ts";
import type { Carry } from "../tabs/messages.ts";
import type { TabState } from "../tabs/tab-state.ts";

export type { WriteId };

export interface BootOptions {
  /** Names the instance within the origin: its own key, its own databases. */
  readonly name: string;
  readonly relays: readonly string[];
  readonly iceServers: readonly RTCIceServer[];
  /** What differs from the defaults. */
  readonly sync: Partial<SyncSettings>;
  /** The worker holds the Web Lock of this name while it lives: the page learns of its death by getting it. */
  readonly lifeLock: string;
  /** Of a tab whose worker is started again: what it was called before, 32 hex digits. Default: a new name. */
  readonly tab?: string;
  /** Whether the page is seen. Default: it is. */
  readonly visible?: boolean;
  /** Of a tab whose worker is started again: what its `carry` event told last. Default: online, with the settings `sync`. */
  readonly carry?: Carry;
}

export interface BootInfo {
  readonly publicKey: PublicKey;
  /** Undefined where nothing can be sealed. */
  readonly sealKey: Uint8Array | undefined;
  /** "memory": it ends with the tab that leads. */
  readonly storage: "idb" | "memory";
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

export interface CreateOptions {
  readonly name: string;
  /** The name of the key that is to own it; default: this device's. */
  readonly key?: string;
  readonly encrypted?: boolean;
  readonly sync?: boolean;
}

export interface JoinOptions {
  /** What others are to call this device. */
  readonly name?: string;
  /** For whoever decides about the request. */
  readonly note?: string;
  /** What to ask for. */
  readonly power?: Power;
  /** The name of the key to use in the database; default: this device's. */
  readonly key?: string;
}

export interface InviteOptions {
  readonly power: Power;
  /** In milliseconds since 1970. */
  readonly expiresMs?: number;
  readonly uses?: number;
  readonly label?: string;
}

export interface PermissionChange {
  readonly key: PublicKey;
  readonly power: Power;
  readonly name?: string;
  /** For encrypted databases: 65 bytes. */
  readonly sealKey?: Uint8Array;
}

export interface Approval {
  readonly key: PublicKey;
  /** Default: what they asked for. */
  readonly power?: Power;
  readonly name?: string;
}

/** Who may do what. Each rejects with a `TidemarkError`. */
export interface PermissionsApi {
  members(database: DatabaseId): Promise<readonly Member[]>;
  setPermission(database: DatabaseId, change: PermissionChange, write?: WriteId): Promise<void>;
  setPublic(database: DatabaseId, power: Power, write?: WriteId): Promise<void>;
  publicPermission(database: DatabaseId): Promise<Permission>;
  explainKey(database: DatabaseId, key: PublicKey): Promise<KeyExplained>;
  explainEntry(database: DatabaseId, entry: EntryId): Promise<EntryExplained>;
  share(database: DatabaseId, invite: InviteOptions, write?: WriteId): Promise<string>;
  /** Without a secret. */
  ticket(database: DatabaseId): Promise<string>;
  invites(database: DatabaseId): Promise<readonly InviteInfo[]>;
  revokeInvite(database: DatabaseId, key: PublicKey, write?: WriteId): Promise<void>;
  requests(database: DatabaseId): Promise<readonly RequestInfo[]>;
  approveRequest(database: DatabaseId, approval: Approval, write?: WriteId): Promise<void>;
  rejectRequest(database: DatabaseId, key: PublicKey, write?: WriteId): Promise<void>;
  acceptRequests(database: DatabaseId, on: boolean): Promise<void>;
  access(database: DatabaseId): Promise<Access>;
  setSync(database: DatabaseId, on: boolean): Promise<void>;
}

export interface CreatedKey {
  readonly key: KeyInfo;
  /** The text, when it was made with a passphrase. */
  readonly backup: string | undefined;
}

export interface KeyBackup {
  readonly text: string;
  readonly publicKey: PublicKey;
  readonly databases: readonly RecoveryGrant[];
}

export interface RestoredKey {
  readonly key: KeyInfo;
  readonly databases: readonly RestoredDatabase[];
}

/** The keys of this device. Each rejects with a `TidemarkError`. */
export interface KeysApi {
  keys(): Promise<readonly KeyInfo[]>;
  createKey(name: string, passphrase?: string): Promise<CreatedKey>;
  deleteKey(name: string): Promise<void>;
  backupKeys(passphrase: string): Promise<KeyBackup>;
  restoreKeys(text: string, passphrase: string, name?: string): Promise<RestoredKey>;
}

export interface ExportOptions {
  /** Default: all that have arrived. */
  readonly database?: DatabaseId;
  readonly passphrase?: string;
  /** Whether a recovery key is made for the file, which has a passphrase and holds all databases. */
  readonly recovery?: boolean;
}

/**
 * Files of databases, in calls alone, because the engine may be another tab's. The page numbers its streams, and never uses a number twice;
 * CALL_INTERRUPTED where one is not known: what led when it began does not any more. One call at a time for each stream.
 */
export interface FilesApi {
  exportOpen(stream: number, options: ExportOptions): Promise<void>;
  /** Undefined: that was all, and the stream is closed. */
  exportNext(stream: number): Promise<ExportPiece | undefined>;
  /** Does nothing when it is closed. */
  exportClose(stream: number): Promise<void>;
  importOpen(stream: number, passphrase?: string): Promise<void>;
  /** Resolves when what was whole of it is durable: then more is taken. */
  importPush(stream: number, bytes: Uint8Array): Promise<FileProgress>;
  importEnd(stream: number): Promise<ImportReport>;
  /** Does nothing when it is closed. What was taken stays. */
  importClose(stream: number): Promise<void>;
  /** Resolves also when it is not here. */
  forgetDatabase(database: DatabaseId): Promise<void>;
  /** Resolves also when it is removed already. */
  removeDatabase(database: DatabaseId): Promise<void>;
  /** Everything of the instance. Every page of it hears `wiped`, and the worker serves nobody any more. */
  wipe(): Promise<void>;
}

/**
 * What a leader does for each of its pages, its own and others. Each call rejects with a `TidemarkError`, which crosses intact; with CALL_INTERRUPTED
 * when the leader stops, or the page was detached from it, before there was an answer: whoever leads next is to be asked again. A call with `write`
 * that is made again, here or there, is done once, and answered as the first time.
 */
export interface WorkerApi extends PermissionsApi, KeysApi, FilesApi {
  createDatabase(options: CreateOptions, write?: WriteId): Promise<DatabaseInfo>;
  databases(): Promise<readonly DatabaseInfo[]>;
  commit(database: DatabaseId, stores: readonly StoreWrites[], write?: WriteId): Promise<void>;
  getRow(database: DatabaseId, store: string, id: string): Promise<Row | undefined>;
  /** In the order of the row ids. */
  allRows(database: DatabaseId, store: string): Promise<readonly (readonly [string, Row])[]>;
  getValue(database: DatabaseId, store: string, key: string): Promise<JsonValue | undefined>;
  /** In the order of the keys. */
  allValues(database: DatabaseId, store: string, prefix: string): Promise<readonly (readonly [string, JsonValue])[]>;
  /** From now on, `items` events with this number: first everything, then what changes. */
  watch(watch: number, database: DatabaseId, type: WatchedType, store: string): Promise<void>;
  unwatch(watch: number): Promise<void>;
  join(ticket: string, options: JoinOptions, write?: WriteId): Promise<DatabaseInfo>;
  ready(database: DatabaseId): Promise<void>;
  status(database: DatabaseId): Promise<DatabaseStatus>;
  /** Bytes that are equal on all replicas that hold the same entries; for tests and support. */
  stateDigest(database: DatabaseId): Promise<StateDigest>;
  setOnline(online: boolean): Promise<void>;
  /** What `storage` events tell. */
  storageHealth(): Promise<StorageHealth>;
  /** `verify` events with this number tell how far it is. Rejects with ABORTED after `cancelVerify`. */
  verify(id: number): Promise<VerifyReport>;
  cancelVerify(id: number): Promise<void>;
  command<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    options: CommandOptions,
  ): Promise<SyncResults[Name]>;
  /** Ends the waiting of a command, and what the engine does for it. */
  cancel(id: number): Promise<void>;
  /** A command whose failure is a `problem` event: the answer comes at once. */
  post<Name extends CommandName>(name: Name, command: SyncCommands[Name]): Promise<void>;
  /**
   * From now on, `written` events with this number, each after `taken` was called for the one before. Answers with the cursor that it goes
   * on after; while another tab's hook has the name it waits for that, and answers when it has its turn.
   */
  addHook(hook: number, database: DatabaseId, options: HookOptions): Promise<string>;
  /** `failure`: why it could not take it; one with a name is told again. */
  taken(hook: number, failure?: string): Promise<void>;
  removeHook(hook: number): Promise<void>;
  /** Whether `log` events are sent. */
  setLogging(on: boolean): Promise<void>;
}

/**
 * What a worker does for its own page: `tab` events tell how its tab stands. Its other calls are those of the leader: made while this tab does not
 * lead, or not attached, they reject with CALL_INTERRUPTED.
 */
export interface TabApi extends WorkerApi {
  /** Begins to seek a leader, or to become one: see the `tab` events. Rejects with INSTANCE_IN_USE. */
  boot(options: BootOptions, events: MessagePort): Promise<TabInfo>;
  /**
   * The page is a client of the leader from now on, anew if it was one. Answers when this tab leads. When another does, the answer is undefined, and
   * the leader's is `attached` on the pair channel, which the page has opened before. Rejects with CALL_INTERRUPTED when nobody leads.
   */
  attach(): Promise<BootInfo | undefined>;
  setVisible(on: boolean): Promise<void>;
  /** Answers as soon as the worker does anything. */
  ping(): Promise<void>;
  /** The page is about to be frozen: resolves when another tab may lead. */
  suspend(): Promise<void>;
  resume(): Promise<void>;
  /** Resolves when everything is durable and, where this tab leads, connected peers had two seconds to confirm it; every call with the first. */
  close(): Promise<void>;
}

export interface TabInfo {
  /** 32 hex digits. */
  readonly tab: string;
}

/** `TabState` as data. */
export type TabStanding =
  | Exclude<TabState, { readonly type: "failed" }>
  | { readonly type: "failed"; readonly error: ErrorData };

export interface StateDigest {
  readonly entries: number;
  readonly tips: readonly string[];
  /** SHA-256 of the canonical encoding of all stores, as hex. */
  readonly state: string;
}

/** From a worker to a page: from its own, or from the leader. */
export type WorkerEvent =
  /** From its own. */
  | { readonly type: "tab"; readonly state: TabStanding }
  /** From its own: what the next leader is to go on with, as far as this tab knows. */
  | { readonly type: "carry"; readonly carry: Carry }
  | {
      readonly type: "items";
      readonly watch: number;
      /** True when these are all items and not only those that changed. */
      readonly all: boolean;
      /** Undefined: the row or value is no more. */
      readonly items: readonly (readonly [string, Row | JsonValue | undefined])[];
    }
  | ({ readonly type: "permissions"; readonly database: DatabaseId } & PermissionsChanged)
  | { readonly type: "requests"; readonly database: DatabaseId; readonly requests: readonly RequestInfo[] }
  | { readonly type: "status"; readonly database: DatabaseId; readonly status: DatabaseStatus }
  | ({ readonly type: "progress"; readonly database: DatabaseId } & ReceiveProgress)
  /** What the command `peers` answers is different now. At most 20 times a second. */
  | { readonly type: "peers" }
  | { readonly type: "job"; readonly job: JobInfo }
  | { readonly type: "log"; readonly event: LoggedEvent }
  | { readonly type: "written"; readonly hook: number; readonly event: WriteEvent }
  | { readonly type: "relay"; readonly status: RelayStatus }
  | { readonly type: "storage"; readonly health: StorageHealth }
  | { readonly type: "verify"; readonly id: number; readonly checked: number; readonly total: number }
  | { readonly type: "problem"; readonly database: DatabaseId | undefined; readonly error: ErrorData }
  /** Everything of the instance was deleted, and it is over. */
  | { readonly type: "wiped" }
  /** From its own: the page is to make connections for whoever holds the other end: see transport/webrtc-messages.ts. */
  | { readonly type: "connections"; readonly port: MessagePort };

/** A `TidemarkError` as data. */
export interface ErrorData {
  readonly code: string;
  readonly details: object;
  readonly stack: string | undefined;
}
