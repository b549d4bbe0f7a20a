/**
 * Peers and the databases that are synced with them: what outlives channels and restarts.
 *
 * Deliberately not here: channels, timers, and whether a peer may read a database.
 */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import { History } from "./history.ts";
import type { LocalStore } from "./local-store.ts";
import { type Measured, PeerBook, type PeerGiven } from "./peer-book.ts";
import type { Cursor, ErrorNote, HistoryRecord, PeerRecord, RelationRecord } from "./records.ts";
import { RelationBook, type RelationFilter } from "./relation-book.ts";
import { defaultSettings, type SyncSettings } from "./settings.ts";

export interface RegistryOptions {
  readonly store: LocalStore;
  readonly clock: Clock;
  /** Something of it is different now. Called often: whoever shows it gathers. */
  readonly changed: () => void;
  /** How much history is kept; the defaults when absent. */
  readonly settings?: () => Pick<SyncSettings, "historyMs" | "historyRows">;
}

export class Registry {
  readonly history: History;
  readonly #peers: PeerBook;
  readonly #relations: RelationBook;
  readonly #changed: () => void;

  constructor({ store, clock, changed, settings = () => defaultSettings }: RegistryOptions) {
    this.#changed = changed;
    this.history = new History({ store, clock, settings });
    this.#relations = new RelationBook(store);
    this.#peers = new PeerBook({
      store,
      clock,
      hasRelations: (peer) => this.#relations.hasAny(peer),
      forgotten: (peer) => this.#forgetAbout(peer),
    });
  }

  /** In the order of their keys. */
  peers(): readonly PeerRecord[] {
    return this.#peers.all();
  }

  peer(key: PublicKey): PeerRecord | undefined {
    return this.#peers.get(key);
  }

  /** Registers a peer, or adds to what is known of it: its state stays as it is. Fails with INPUT_INVALID and ADDRESS_INVALID. */
  add(key: PublicKey, given: Omit<PeerGiven, "state">): PeerRecord {
    const { name, addresses } = given;
    const record = this.#peers.register(key, { ...(name !== undefined && { name }), ...(addresses && { addresses }) });
    this.#changed();
    return record;
  }

  /** Addresses are added to those that it has. Fails with PEER_UNKNOWN, INPUT_INVALID and ADDRESS_INVALID. */
  update(key: PublicKey, given: PeerGiven): PeerRecord {
    this.#peers.known(key);
    const record = this.#peers.register(key, given);
    this.#changed();
    return record;
  }

  /** With its relations and its history. Fails with PEER_UNKNOWN. */
  remove(key: PublicKey): void {
    this.#peers.known(key);
    this.#peers.remove(key);
    this.#forgetAbout(key);
    this.#changed();
  }

  /** We are about to connect. `address`: where we dial; it is remembered. Nothing happens when the peer is unknown. */
  attempted(key: PublicKey, address: string | undefined): void {
    this.#peers.attempted(key, address);
    this.#changed();
  }

  /** A channel to it, whoever made it, passed the handshake. `address`: where we dialled; it is remembered. */
  succeeded(key: PublicKey, address: string | undefined, version: number): void {
    this.#peers.succeeded(key, address, version);
    this.#changed();
  }

  /** Nothing happens when the peer is unknown. */
  failed(key: PublicKey, address: string | undefined, error: ErrorNote): void {
    this.#peers.failed(key, address, error);
    this.#changed();
  }

  /** Adds to what is known. A round trip counts among the last nine, of which the median is shown. */
  measured(key: PublicKey, delta: Measured): void {
    this.#peers.measured(key, delta);
    this.#changed();
  }

  /** Best first. */
  addressesByScore(key: PublicKey): readonly string[] {
    return this.#peers.addressesByScore(key);
  }

  relation(peer: PublicKey, database: DatabaseId): RelationRecord | undefined {
    return this.#relations.get(peer, database);
  }

  /** Of a peer, of a database, of both, or all, also those that are off; in the order of peers, then of databases. */
  relations(of: RelationFilter = {}): readonly RelationRecord[] {
    return this.#relations.list(of);
  }

  /** By the user: also takes back `unrelate`. Registers a peer that is not. Fails with INPUT_INVALID. */
  relate(peer: PublicKey, database: DatabaseId): void {
    this.#relations.relate(peer, database);
    this.#peers.register(peer, {});
    this.#changed();
  }

  /** By the user: off until `relate`, and what the peer held is forgotten. Registers a peer that is not. Fails with INPUT_INVALID. */
  unrelate(peer: PublicKey, database: DatabaseId): void {
    this.#relations.unrelate(peer, database);
    this.#peers.register(peer, {});
    this.#changed();
  }

  /** A session found out that both have the database, and the peer may read it. Changes nothing where there is a relation, also one that is off. */
  shared(peer: PublicKey, database: DatabaseId): void {
    this.#peers.meet(peer);
    if (this.#relations.make(peer, database)) this.#changed();
  }

  isOff(peer: PublicKey, database: DatabaseId): boolean {
    return this.relation(peer, database)?.state === "off";
  }

  /** The peer confirmed entries below `through` as durable in the storage with this epoch. Nothing happens without a relation that is on. */
  held(peer: PublicKey, database: DatabaseId, epoch: string, through: number): void {
    if (this.#relations.held(peer, database, epoch, through)) this.#changed();
  }

  /** Of nobody it is known any more that it holds what lies from a position on. True when it was of somebody. */
  fellBack(database: DatabaseId, through: number): boolean {
    const isLess = this.#relations.fellBack(database, through);
    if (isLess) this.#changed();
    return isLess;
  }

  /** Both hold what the cursor says. Nothing happens without a relation that is on. */
  agreed(peer: PublicKey, database: DatabaseId, cursor: Cursor): void {
    if (this.#relations.agreed(peer, database, cursor)) this.#changed();
  }

  /** The peer came with this epoch: what it confirmed under another is forgotten, and these databases are named. */
  lost(peer: PublicKey, epoch: string): readonly DatabaseId[] {
    const databases = this.#relations.lost(peer, epoch);
    if (databases.length > 0) this.#changed();
    return databases;
  }

  /** An exchange is over. Nothing happens when the peer is unknown: it was removed meanwhile. */
  exchanged(record: Omit<HistoryRecord, "id">): void {
    if (this.peer(record.peer) === undefined) return;
    this.#relations.exchanged(record);
    this.history.add(record);
    this.#changed();
  }

  /** With whom it was synced, and what happened then. */
  forgetDatabase(database: DatabaseId): void {
    this.#relations.forget({ database });
    this.history.forgetDatabase(database);
    this.#changed();
  }

  #forgetAbout(peer: PublicKey): void {
    this.#relations.forget({ peer });
    this.history.forgetPeer(peer);
  }
}
