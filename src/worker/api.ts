/**
 * Everything that is said between the page and its worker: calls through Comlink, and events on one MessagePort.
 *
 * Ids and keys are hex here; the client turns them into the forms people see. Data only: it all survives a structured clone.
 */
import type { ChangeHash } from "../core/document/change-bytes.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import type { Permission, Power } from "../core/store/power.ts";
import type { StoreListing } from "../core/store/state.ts";
import type { DifferentPlace, StateDifference } from "../core/store/state-difference.ts";
import type { JsonValue, Row } from "../core/store/values.ts";
import type { CommandName, SyncCommands, SyncResults } from "../engine/commands.ts";
import type { HistoryQuery, PastEntry } from "../engine/entry-history.ts";
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
import type { PresentPage } from "../engine/presence-room.ts";
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
  readonly type: WatchedType | "doc";
  readonly store: string;
  readonly payload: Uint8Array;
  /** Rows that must exist, because single columns of them are changed. */
  readonly updatedRows: readonly string[];
  /** Of a document, where it must be there: the hash that the last of these changes has on the page, as Automerge writes it. */
  readonly last?: string;
}

/** The types of store of which the page watches rows or values. */
export type WatchedType = "table" | "kv";

export interface DocOptions {
  /**
   * What the page has of the document, as far as the engine can know: the `heads` of the last `changes` event, and the last change of the last commit of
   * its own that has resolved, whichever came first. Empty: it has nothing. After a commit that another leader answered than the one it was made to, it
   * opens once more: what that one wrote may not count any more.
   */
  readonly heads: readonly string[];
  /** 16 bytes under which the page writes. Never those of another replica: one that is made anew has new ones. */
  readonly nonce: Uint8Array;
  /** False: the last one could not be loaded. Default: one is given to whoever has nothing. */
  readonly snapshot?: boolean;
}

/** The answer to `openDoc`. */
export interface DocOpened {
  /** The key that what is written to the database is signed with. */
  readonly author: PublicKey;
  /** What the page has is this then, and `changes` events go on after it. */
  readonly snapshot?: DocSnapshot;
}

/** One change of a document, as its history shows it. */
export interface DocRecordInfo {
  /** For `docHistory`: of this leader alone, and of no use once something does not count any more. */
  readonly position: number;
  readonly hash: string;
  readonly entry: EntryId;
  readonly author: PublicKey;
  /** When the entry was written, by its author's clock, as a hybrid time. */
  readonly time: number;
  readonly ops: number;
  readonly message: string;
}

/** What a page has saved of a document: a cache, which may be gone at any time. */
export interface DocSnapshot {
  readonly heads: readonly string[];
  /** What Automerge's `save()` gave. */
  readonly bytes: Uint8Array;
}

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

/** One page of the history of a database. */
export interface HistoryPage {
  readonly entries: readonly PastEntry[];
  /** The last of them, when there are more. */
  readonly next: EntryId | undefined;
  /** A hook goes on after it with what was not there yet for this page. */
  readonly cursor: string;
}

/** A view of an earlier state. */
export interface ViewInfo {
  /** Those that no other of them stands on, by id. */
  readonly tips: readonly EntryId[];
  readonly stores: readonly StoreListing[];
  /** How many entries count there. */
  readonly entries: number;
  /** How many of them want a key that is not here. */
  readonly sealed: number;
  /** How many of them the disk has lost. */
  readonly damaged: number;
}

/**
 * Who wrote what and when, and what was there at any time. The page numbers its views, and never uses a number twice; VIEW_CLOSED where one is not
 * known. Each rejects with a `TidemarkError`.
 */
export interface HistoryApi {
  history(database: DatabaseId, query: HistoryQuery): Promise<HistoryPage>;
  /** Of what is durable and counts. */
  tips(database: DatabaseId): Promise<readonly EntryId[]>;
  /** `folding` events with this number tell how far it is. Rejects with ABORTED after `closeView`. */
  openView(view: number, database: DatabaseId, tips: readonly EntryId[]): Promise<ViewInfo>;
  /** Does nothing when it is closed. */
  closeView(view: number): Promise<void>;
  viewRow(view: number, store: string, id: string): Promise<Row | undefined>;
  /** In the order of the row ids. */
  viewRows(view: number, store: string): Promise<readonly (readonly [string, Row])[]>;
  viewValue(view: number, store: string, key: string): Promise<JsonValue | undefined>;
  /** In the order of the keys. */
  viewValues(view: number, store: string, prefix: string): Promise<readonly (readonly [string, JsonValue])[]>;
  /** Of a document, sorted; none when nothing was written to it. */
  viewHeads(view: number, store: string): Promise<readonly ChangeHash[]>;
  /** What differs in two views, behind `last`: at most 200 at a time, none when that was all. */
  compareViews(before: number, after: number, last: DifferentPlace | undefined): Promise<readonly StateDifference[]>;
}

/** What is said to peers and never stored. Each rejects with a `TidemarkError`. */
export interface SayingApi {
  /** From now on the page is there; `state` undefined: it goes. `page`: 32 hex digits. `turn`: from 1, another for each leader that serves the page. */
  setPresence(database: DatabaseId, page: string, turn: number, state: Uint8Array | undefined): Promise<void>;
  /** In no order. */
  presence(database: DatabaseId): Promise<readonly PresentPage[]>;
  /** Whether `presence` events are sent of it: first all who are there, then what changes. */
  watchPresence(database: DatabaseId, on: boolean): Promise<void>;
  /** From now on, `messagesPeer` and `message` events with this number. The page numbers its channels, and never uses a number twice. */
  openMessages(messages: number, channel: string): Promise<void>;
  closeMessages(messages: number): Promise<void>;
  /** Resolves when it was handed to the connection. Rejects with PEER_AWAY and MESSAGE_QUEUE_FULL. */
  sendMessage(messages: number, peer: PublicKey, bytes: Uint8Array): Promise<void>;
  /** A `message` event of so many bytes was taken. */
  tookMessage(messages: number, bytes: number): Promise<void>;
}

/**
 * What a leader does for each of its pages, its own and others. Each call rejects with a `TidemarkError`, which crosses intact; with CALL_INTERRUPTED
 * when the leader stops, or the page was detached from it, before there was an answer: whoever leads next is to be asked again. A call with `write`
 * that is made again, here or there, is done once, and answered as the first time.
 */
export interface WorkerApi extends PermissionsApi, KeysApi, FilesApi, HistoryApi, SayingApi {
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
  /**
   * From now on, `changes` events with this number, which may come before the answer and are to be kept until then: first everything after the page's
   * heads or the snapshot's, in one event at least, then what comes. Numbers are not shared with `watch`. Opening one that is open begins it anew.
   */
  openDoc(watch: number, database: DatabaseId, store: string, options: DocOptions): Promise<DocOpened>;
  closeDoc(watch: number): Promise<void>;
  /** The changes of a document, the last applied first: those before a position, at most `limit`. */
  docHistory(
    database: DatabaseId,
    store: string,
    before: number | undefined,
    limit: number,
  ): Promise<readonly DocRecordInfo[]>;
  /** Keeps a snapshot in the place of the last one. One that cannot be kept, or whose heads are not known, is left out; that is no failure. */
  putSnapshot(database: DatabaseId, store: string, snapshot: DocSnapshot): Promise<void>;
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

/**
 * What the page has not of a document: at most one event in a turn, or several where that is much. Changes under the nonce of the page are left out,
 * as it has them, until an event is `isAnew`: after that all are in it.
 */
export interface DocChanges {
  readonly type: "changes";
  /** The number given to `openDoc`. */
  readonly watch: number;
  /** True: what the page has does not count any more, and is to be thrown away: from this event on everything follows. */
  readonly isAnew: boolean;
  /** Changes as `applyChanges` takes them, one after the other, each after those that it depends on. At most 1 MiB, or one. */
  readonly bytes: Uint8Array;
  /** Where each of them ends. At most 2,000. */
  readonly ends: Uint32Array;
  /** How many follow in the next events, which come at once; more can be added meanwhile. */
  readonly left: number;
  /** What the page has from this event on, beside what it wrote and was not told to be done. When `left` is 0 they are those of the document. */
  readonly heads: readonly string[];
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
  | DocChanges
  | {
      readonly type: "presence";
      readonly database: DatabaseId;
      /** True when these are all who are there and not only those that changed. */
      readonly all: boolean;
      /** By key and page. Undefined: it is not there any more. */
      readonly pages: readonly (readonly [string, PresentPage | undefined])[];
    }
  | { readonly type: "message"; readonly messages: number; readonly peer: PublicKey; readonly bytes: Uint8Array }
  | { readonly type: "messagesPeer"; readonly messages: number; readonly peer: PublicKey; readonly isUp: boolean }
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
  /** How far the view with this number is. */
  | { readonly type: "folding"; readonly view: number; readonly entries: number; readonly total: number }
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
