/**
 * Where entries, checkpoints and what the engine remembers for itself are kept.
 *
 * [STORAGE-1] `commit` is atomic and durable: when its promise resolves all of it survives a crash, when it rejects none of it is there.
 * [STORAGE-2] Entries are numbered from 0 in the order of acceptance, per database, without gaps; the number is the entry's
 *   *position*. A commit at another position than the next one is STORAGE_CONFLICT: somebody else wrote here, load again.
 * [STORAGE-3] Commits of one database happen in the order of the calls; `read` sees every commit that has resolved.
 * [STORAGE-4] Bytes handed in are copied or fully written before the promise resolves; the caller may not alter them until then.
 *   Bytes handed out are the caller's own.
 * [STORAGE-5] Failures are `TidemarkError`s with STORAGE_UNAVAILABLE, STORAGE_QUOTA, STORAGE_CORRUPT, STORAGE_CLOSED,
 *   STORAGE_CONFLICT or DATABASE_UNKNOWN.
 * [STORAGE-7] Nothing is kept for a database without a record: what would be is DATABASE_UNKNOWN.
 *
 * Deliberately not here: whether entries are true. What is stored was checked before; what is loaded is checked again where it is used.
 */
import type { EntryIndex } from "../core/graph.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
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
}

export interface LoadedDatabase {
  readonly record: DatabaseRecord;
  /** In order of position. */
  readonly index: readonly EntryIndex[];
  /** In order of number. */
  readonly checkpoints: readonly CheckpointPart[];
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
  /** All records, in the order of their ids. Fails with STORAGE_CORRUPT when one cannot be read. */
  databases(): Promise<readonly DatabaseRecord[]>;
  putDatabase(record: DatabaseRecord): Promise<void>;
  /** Removes the database with everything kept for it. Absent: no error. */
  deleteDatabase(database: DatabaseId): Promise<void>;
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
  /** All records of a kind, in the order of their keys. They belong to no database: `deleteDatabase` leaves them. */
  records(kind: RecordKind): Promise<readonly LocalRecord[]>;
  /**
   * Writes and removes records, all or none, in the order of the calls. A crash of the whole machine may take back the last such
   * calls. Rejects with INPUT_INVALID for a value that no structured clone carries.
   */
  putRecords(changes: readonly LocalRecord[]): Promise<void>;
  /** Small values by name, such as the key pair; any value that survives a structured clone, CryptoKeys included. */
  getValue(name: string): Promise<unknown>;
  /** Stores a value only if the name is free and returns what is stored afterwards: two openers agree on one. */
  putValueOnce(name: string, value: unknown): Promise<unknown>;
  /** All values whose names start like this, in the order of their names. */
  values(prefix: string): Promise<readonly (readonly [name: string, value: unknown])[]>;
  /** Removes a value, durably. Absent: no error. */
  deleteValue(name: string): Promise<void>;
  /** Idempotent; resolves when what was begun is finished. Calls after it reject with STORAGE_CLOSED. */
  close(): Promise<void>;
}
