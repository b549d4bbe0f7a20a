/**
 * What is remembered about "this database syncs with this peer".
 *
 * [RELATION-2] A relation that the user took away stays away until the user brings it back.
 * [RELATION-3] What a peer confirmed never becomes less while its storage is the same and the same entries count, and is forgotten when it is
 *              another.
 */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { LocalStore } from "./local-store.ts";
import type { Cursor, HistoryRecord, RelationRecord } from "./records.ts";

export interface RelationFilter {
  readonly peer?: PublicKey;
  readonly database?: DatabaseId;
}

export class RelationBook {
  readonly #store: LocalStore;
  /** Both ways, because every commit asks for the peers of its database. */
  readonly #byPeer = new Map<PublicKey, Map<DatabaseId, RelationRecord>>();
  readonly #byDatabase = new Map<DatabaseId, Map<PublicKey, RelationRecord>>();

  constructor(store: LocalStore) {
    this.#store = store;
    for (const record of store.all("relation")) this.#index(record);
  }

  get(peer: PublicKey, database: DatabaseId): RelationRecord | undefined {
    return this.#byPeer.get(peer)?.get(database);
  }

  hasAny(peer: PublicKey): boolean {
    return this.#byPeer.has(peer);
  }

  /** In the order of peers, then of databases. */
  list({ peer, database }: RelationFilter): readonly RelationRecord[] {
    if (peer !== undefined && database !== undefined) {
      const record = this.get(peer, database);
      return record === undefined ? [] : [record];
    }
    if (peer !== undefined) return sorted(this.#byPeer.get(peer)?.values());
    if (database !== undefined) return sorted(this.#byDatabase.get(database)?.values());
    return sorted([...this.#byPeer.values()].flatMap((each) => [...each.values()]));
  }

  /** On, whatever was before. */
  relate(peer: PublicKey, database: DatabaseId): void {
    this.#put({ ...(this.get(peer, database) ?? blank(peer, database)), state: "on" });
  }

  unrelate(peer: PublicKey, database: DatabaseId): void {
    const record = this.get(peer, database) ?? blank(peer, database);
    this.#put({ ...record, state: "off", epoch: "", heldThrough: 0, cursor: undefined });
  }

  /** False when there is one already. */
  make(peer: PublicKey, database: DatabaseId): boolean {
    if (this.get(peer, database) !== undefined) return false;
    this.#put(blank(peer, database));
    return true;
  }

  /** True when that was news. */
  held(peer: PublicKey, database: DatabaseId, epoch: string, through: number): boolean {
    const record = this.#on(peer, database);
    if (record === undefined) return false;
    const before = record.epoch === "" ? { ...record, epoch } : underEpoch(record, epoch);
    if (before === record && through <= record.heldThrough) return false;
    this.#put({ ...before, heldThrough: through });
    return true;
  }

  /** True when that was less for somebody. */
  fellBack(database: DatabaseId, through: number): boolean {
    const records = this.list({ database }).filter(({ heldThrough }) => heldThrough > through);
    for (const record of records) this.#put({ ...record, heldThrough: through });
    return records.length > 0;
  }

  /** True when that was news. */
  agreed(peer: PublicKey, database: DatabaseId, { digest, position }: Cursor): boolean {
    const record = this.#on(peer, database);
    if (record === undefined) return false;
    if (record.cursor?.digest === digest && record.cursor.position === position) return false;
    this.#put({ ...record, cursor: { digest, position } });
    return true;
  }

  lost(peer: PublicKey, epoch: string): readonly DatabaseId[] {
    const reset = this.list({ peer }).filter((record) => underEpoch(record, epoch) !== record);
    for (const record of reset) this.#put(underEpoch(record, epoch));
    return reset.map(({ database }) => database);
  }

  exchanged(done: Omit<HistoryRecord, "id">): void {
    const record = this.#on(done.peer, done.database);
    if (record === undefined) return;
    const isOk = done.error === undefined;
    this.#put({
      ...record,
      attempts: record.attempts + 1,
      successes: record.successes + (isOk ? 1 : 0),
      entriesSent: record.entriesSent + done.entriesSent,
      entriesReceived: record.entriesReceived + done.entriesReceived,
      bytesSent: record.bytesSent + done.bytesSent,
      bytesReceived: record.bytesReceived + done.bytesReceived,
      lastOkMs: isOk ? done.endedMs : record.lastOkMs,
      lastError: done.error === undefined ? record.lastError : { code: done.error, atMs: done.endedMs },
    });
  }

  forget(of: RelationFilter): void {
    for (const { peer, database } of this.list(of)) {
      this.#store.delete("relation", keyOf(peer, database));
      remove(this.#byPeer, peer, database);
      remove(this.#byDatabase, database, peer);
    }
  }

  #on(peer: PublicKey, database: DatabaseId): RelationRecord | undefined {
    const record = this.get(peer, database);
    return record?.state === "on" ? record : undefined;
  }

  #put(record: RelationRecord): void {
    this.#store.put("relation", keyOf(record.peer, record.database), record);
    this.#index(record);
  }

  #index(record: RelationRecord): void {
    insert(this.#byPeer, record.peer, record.database, record);
    insert(this.#byDatabase, record.database, record.peer, record);
  }
}

/** The same record when it was not confirmed under another epoch; else what is left of it. */
function underEpoch(record: RelationRecord, epoch: string): RelationRecord {
  if (record.epoch === "" || record.epoch === epoch) return record;
  return { ...record, epoch, heldThrough: 0, cursor: undefined };
}

function keyOf(peer: PublicKey, database: DatabaseId): string {
  return `${peer}/${database}`;
}

function sorted(records: Iterable<RelationRecord> | undefined): readonly RelationRecord[] {
  const keyed = [...(records ?? [])].map((record) => ({ record, key: keyOf(record.peer, record.database) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ record }) => record);
}

function insert<A, B, V>(map: Map<A, Map<B, V>>, a: A, b: B, value: V): void {
  const inner = map.get(a);
  if (inner === undefined) map.set(a, new Map([[b, value]]));
  else inner.set(b, value);
}

function remove<A, B, V>(map: Map<A, Map<B, V>>, a: A, b: B): void {
  const inner = map.get(a);
  inner?.delete(b);
  if (inner?.size === 0) map.delete(a);
}

function blank(peer: PublicKey, database: DatabaseId): RelationRecord {
  return {
    peer,
    database,
    state: "on",
    epoch: "",
    heldThrough: 0,
    cursor: undefined,
    attempts: 0,
    successes: 0,
    entriesSent: 0,
    entriesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    lastOkMs: undefined,
    lastError: undefined,
  };
}
