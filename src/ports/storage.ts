/**
 * Where entries, checkpoints and what the engine remembers for itself are kept.
 *
 * [STORAGE-1] `commit` is atomic and durable: when its promise resolves all of it survives a crash, when it rejects none of it is there.
 * [STORAGE-2] Entries are numbered from 0 in the order of acceptance, per database, without gaps; the number is the entry's
 *   *position*. A commit at another position than the next one is STORAGE_CONFLICT: somebody else wrote here, load again.
 * [STORAGE-3] Commits of one database happen in the order of the calls; `read` sees every commit that has resolved.
 * [STORAGE-4] Bytes handed in are copied or fully written before the promise resolves; the caller may not alter them until then.
 *   Bytes handed out are the caller's own.
 * [STORAGE-5] Failures are `TidemarkError`s with STORAGE_UNAVAILABLE, STORAGE_NEWER, STORAGE_QUOTA, STORAGE_CORRUPT, STORAGE_CLOSED,
 *   STORAGE_CONFLICT, STORAGE_FENCED or DATABASE_UNKNOWN.
 * [STORAGE-7] Nothing is kept for a database without a record: what would be is DATABASE_UNKNOWN.
 * [STORAGE-41] Whoever claims storage is its only writer: every call that writes looks whether the claim still stands in the same
 *   transaction as it writes. So no lock and no clock is needed for nobody's writes to mix with those of a leader that had been given up.
 *
 * Deliberately not here: whether entries are true. What is stored was checked before; what is loaded is checked again where it is used.
 */
import type { EntryIndex } from "../core/graph.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import type { LogIndex } from "../core/log-index.ts";
import type { EpochKeyId } from "../core/store/sealed.ts";

/** What is remembered about a database beside its entries. Plain data that survives a structured clone. */
export interface DatabaseRecord {
  readonly id: DatabaseId;
  readonly name: string;
  /** Set until what the ticket promised has arrived: the ticket's text. */
  readonly ticket?: string;
  /** Relays that its ticket named, beside the instance's own. */
  readonly relays: readonly string[];
  /** The name of the key that this device uses here; absent: the device's own. */
  readonly key?: string;
  /** False: not synced with anybody, and not looked for. Absent: it is. */
  readonly sync?: boolean;
  /** False: requests to be let in are not kept here. Absent: they are. */
  readonly requests?: boolean;
  /** The ticket by which this key came in: who does not know of that yet is shown it. */
  readonly redeemed?: string;
  /** What is said to whoever lets this device in. */
  readonly asks?: AskRecord;
  /** Why nobody lets this device in, as was heard last. */
  readonly refused?: JoinRefusal;
  /** What opens the epochs that the invites of its tickets were given, the latest first. */
  readonly inviteKeys?: readonly InviteKey[];
}

/** From an invite's secret: it opens what was wrapped for the invite, and admits nobody. */
export interface InviteKey {
  readonly invite: PublicKey;
  readonly opens: Uint8Array;
}

export interface AskRecord {
  /** Empty: nothing. */
  readonly name: string;
  readonly note: string;
  /** What is asked for, 0 to 998; 999: nothing in particular. */
  readonly power: number;
}

/**
 * Of the invite: expired, usedUp, withdrawn. Of this key: removed, when somebody lowered or removed it by name after, or unknown to, the
 * invite. Of the request: rejected. void: what let this key in does not count.
 * unavailable: a peer that should know the database says nothing of it.
 */
export type JoinRefusal = "expired" | "usedUp" | "withdrawn" | "removed" | "rejected" | "void" | "unavailable";

export type { EntryIndex };

export interface StoredEntry extends EntryIndex {
  readonly bytes: Uint8Array;
}

/** What is needed of an entry that is stored already to put its bytes back. */
export type ReplacedEntry = Pick<StoredEntry, "id" | "bytes">;

/** A part of the folded state. Parts are merged in any order; `through` counts the entries folded into this one and earlier ones. */
export interface CheckpointPart {
  /** Grows from part to part of a database. */
  readonly number: number;
  /** Entries at positions below this are folded into this part or an earlier one. */
  readonly through: number;
  /** Of those from the part before it on, the positions that were left out because they were void, ascending. */
  readonly void: readonly number[];
  /** Of an encrypted database: which entries below `through` could not be opened, and are in no part. */
  readonly sealed?: readonly SealedRange[];
  readonly stores: readonly { readonly name: string; readonly type: string; readonly bytes: Uint8Array }[];
}

/** Entries that want one key: at positions `from` ≤ position < `to`, not all of which are among them. */
export interface SealedRange {
  readonly key: EpochKeyId;
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export interface Commit {
  readonly database: DatabaseId;
  /** The position of the first of `entries`; must equal the number of entries already stored. */
  readonly position: number;
  readonly entries: readonly StoredEntry[];
  /** Written together with the entries when given. */
  readonly record?: DatabaseRecord;
  /** The same. */
  readonly writes?: readonly WriteRow[];
}

/** What was done for a tab, so that nothing is done twice; one row per tab, the one put last. */
export interface WriteRow {
  readonly tab: string;
  /** Plain data that survives a structured clone, and is not undefined. */
  readonly value: unknown;
}

export interface LoadedDatabase {
  readonly record: DatabaseRecord;
  /** In order of position. */
  readonly index: LogIndex;
  /** In order of number. */
  readonly checkpoints: readonly CheckpointPart[];
  /** What was not as it was written, and was made right or left out, in words for people. */
  readonly damage?: readonly string[];
  /** Its end was lost, and what was put aside is still there: see `nextAside`. */
  readonly hasAside?: boolean;
}

/** What became of a log that could not be loaded. */
export interface RepairedLog {
  /** Where it ends now; undefined: where it did. */
  readonly end: number | undefined;
  /** How many entries beyond that were put aside. */
  readonly aside: number;
  /** Positions beyond that of which nothing is left. */
  readonly lost: number;
}

/** Entries that `repair` put aside, in their order. Some may not be as they were. */
export interface AsideEntries {
  /** Grows from lot to lot. */
  readonly number: number;
  readonly entries: readonly Uint8Array[];
}

/** A record of a database, the index of a segment, a part of a checkpoint, a record of the engine, a value, what was done for a tab. */
export type RecordDamage = "database" | "index" | "checkpoint" | "local" | "value" | "write";

/** What was found of records beside the log. */
export interface InspectedRecords {
  readonly checked: number;
  /** What was not as it was written. */
  readonly damaged: readonly RecordDamage[];
  /** How many of these were made right from a second copy. What was done for a tab has none, and is removed. */
  readonly mended: number;
}

/** What a small record is about. */
export type RecordKind = "peer" | "relation" | "preferences" | "transport" | "job" | "hook" | "history" | "request";

/** A small record that never leaves this device. */
export interface LocalRecord {
  readonly kind: RecordKind;
  /** Unique within its kind. */
  readonly key: string;
  /** Plain data that survives a structured clone; undefined in a change: the record is removed. */
  readonly value: unknown;
}

export interface Storage {
  /** "memory": nothing outlives this worker. */
  readonly kind: "idb" | "memory";
  /**
   * Makes this storage the only writer, durably, and says the number of the claim, which grows. From then on every writing call of
   * whoever claimed earlier rejects with STORAGE_FENCED and writes nothing; reading goes on. May be called again. A storage that
   * never claimed is not checked. Rejects with STORAGE_NEWER when a later version has begun to change what is stored.
   */
  claim(): Promise<number>;
  /** All records, in the order of their ids. Of one that cannot be read there is the id, and nothing else. */
  databases(): Promise<readonly DatabaseRecord[]>;
  putDatabase(record: DatabaseRecord, writes?: readonly WriteRow[]): Promise<void>;
  /** Removes the database with everything kept for it. Absent: no error. */
  deleteDatabase(database: DatabaseId, writes?: readonly WriteRow[]): Promise<void>;
  /**
   * Undefined when there is no record. Does not read the entries' bytes, but notices when they are missing: STORAGE_CORRUPT.
   * Takes in what others wrote meanwhile.
   */
  load(database: DatabaseId): Promise<LoadedDatabase | undefined>;
  /** Rejects with STORAGE_CONFLICT, DATABASE_UNKNOWN (without a record, now or before), STORAGE_QUOTA; then nothing was written. */
  commit(commit: Commit): Promise<void>;
  /** The bytes of entries `from` ≤ position < `to`, in order. Fails with STORAGE_CORRUPT when one is missing or cannot be trusted. */
  read(database: DatabaseId, from: number, to: number): Promise<readonly Uint8Array[]>;
  /** The bytes of one entry by id, or undefined. */
  readById(database: DatabaseId, id: EntryId): Promise<Uint8Array | undefined>;
  /** The parts of a database in the order of their numbers; none for one without a record. Fails with STORAGE_CORRUPT. */
  checkpoints(database: DatabaseId): Promise<readonly CheckpointPart[]>;
  /**
   * Atomically writes a part and removes those numbered `replaces` and above (below `part.number`). A crash of the whole machine
   * may take back the last such calls, never the entries they came after. Rejects with DATABASE_UNKNOWN.
   */
  putCheckpoint(database: DatabaseId, part: CheckpointPart, replaces: number): Promise<void>;
  /** Removes all parts: the state will be folded anew. */
  deleteCheckpoints(database: DatabaseId): Promise<void>;
  /**
   * Keeps bytes that can be made again, under a key of the database, in the place of what stood there. A crash of the whole machine may take it back.
   * Rejects with DATABASE_UNKNOWN, STORAGE_QUOTA; then what stood there stays.
   */
  putSnapshot(database: DatabaseId, key: string, bytes: Uint8Array): Promise<void>;
  /** Undefined: none was put, or it is damaged. */
  getSnapshot(database: DatabaseId, key: string): Promise<Uint8Array | undefined>;
  /**
   * Whatever is still there of the bytes of entries `from` ≤ position < `to`, in order; undefined where nothing is. Of what `read`
   * refuses most may be sound, as one damaged byte spoils its neighbours; which is, only the entry's hash can say. Rejects with
   * STORAGE_CORRUPT when the positions were never used or their index cannot be read.
   */
  salvage(database: DatabaseId, from: number, to: number): Promise<readonly (Uint8Array | undefined)[]>;
  /**
   * Puts back the bytes of entries from `position` on, all or none, durably: `read` gives them from then on. Any part of what cannot be
   * read may be given; the rest stays as it was, unreadable and for `salvage`. Rejects with DATABASE_UNKNOWN, and with STORAGE_CORRUPT
   * when other entries, or entries of other sizes, are stored there; then nothing was written.
   */
  replace(database: DatabaseId, position: number, entries: readonly ReplacedEntry[]): Promise<void>;
  /** Writes so many bytes and takes them back. Rejects as a commit of that size would, such as with STORAGE_QUOTA. */
  probe(bytes: number): Promise<void>;
  /**
   * Makes a log that `load` refuses one that it takes, durably. Indexes are made anew by `indexOf`, which answers what an entry's bytes say,
   * or undefined for what is none. Where that cannot be, and from `from` on, the log ends: what looks like an entry beyond is put
   * aside, or nothing is, which is a lot as well, and checkpoints that go further are removed. Rejects with DATABASE_UNKNOWN.
   */
  repair(
    database: DatabaseId,
    indexOf: (bytes: Uint8Array) => EntryIndex | undefined,
    from?: number,
  ): Promise<RepairedLog>;
  /** The first lot numbered above `after` of what was put aside; undefined: there is none. A damaged one is empty. */
  nextAside(database: DatabaseId, after: number): Promise<AsideEntries | undefined>;
  /** Absent: no error. */
  deleteAside(database: DatabaseId, number: number): Promise<void>;
  /** Looks at the records of a database, or at those of none, which hold no entries, and mends what it can. */
  inspect(database: DatabaseId | undefined): Promise<InspectedRecords>;
  /** What is kept in memory of the entries' bytes is read anew. */
  uncache(database: DatabaseId): Promise<void>;
  /** All records of a kind, in the order of their keys. They belong to no database: `deleteDatabase` leaves them. */
  records(kind: RecordKind): Promise<readonly LocalRecord[]>;
  /**
   * Writes and removes records, all or none, in the order of the calls. A crash of the whole machine may take back the last such
   * calls. Rejects with INPUT_INVALID for a value that no structured clone carries.
   */
  putRecords(changes: readonly LocalRecord[]): Promise<void>;
  /** All of them, in the order of their tabs. The value of one that cannot be read is undefined. */
  writeRows(): Promise<readonly WriteRow[]>;
  /** A crash of the whole machine may take it back. Absent: no error. */
  deleteWriteRow(tab: string): Promise<void>;
  /** Small values by name, such as the key pair; any value that survives a structured clone, CryptoKeys included. */
  getValue(name: string): Promise<unknown>;
  /** Stores a value only if the name is free and returns what is stored afterwards: two openers agree on one. */
  putValueOnce(name: string, value: unknown): Promise<unknown>;
  /** All values whose names start like this, in the order of their names. One that cannot be read is undefined. */
  values(prefix: string): Promise<readonly (readonly [name: string, value: unknown])[]>;
  /** Removes a value, durably. Absent: no error. */
  deleteValue(name: string): Promise<void>;
  /** Idempotent; resolves when what was begun is finished. Calls after it reject with STORAGE_CLOSED. */
  close(): Promise<void>;
}
