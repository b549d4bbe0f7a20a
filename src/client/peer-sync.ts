/** One database and one peer. */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import type { PeerInfo } from "../engine/sync-info.ts";
import { assertAddress, toEntryIds } from "./input.ts";
import type { Line, Waiting } from "./line.ts";
import { type RelationInfo, withCid } from "./sync-info.ts";

export interface PeerSyncStatus {
  readonly peer: PeerInfo;
  /** Undefined: the database does not sync with this peer. */
  readonly relation: RelationInfo | undefined;
}

export class PeerSync {
  readonly peer: PublicKey;
  readonly #database: DatabaseId;
  readonly #line: Line;

  /** For `Sync`. */
  constructor(peer: PublicKey, database: DatabaseId, line: Line) {
    this.peer = peer;
    this.#database = database;
    this.#line = line;
  }

  /** Rejects with PEER_UNKNOWN. */
  async status(): Promise<PeerSyncStatus> {
    const [peers, relations] = await Promise.all([
      this.#line.command("peers", {}),
      this.#line.command("relations", { peer: this.peer, database: this.#database }),
    ]);
    const peer = peers.find(({ key }) => key === this.peer);
    if (peer === undefined) throw new TidemarkError("PEER_UNKNOWN", { peer: this.peer });
    return { peer, relation: relations.map(withCid)[0] };
  }

  /** One more way to reach the peer, which is registered if it was not known. Rejects with INPUT_INVALID. */
  async addAddress(address: string): Promise<void> {
    assertAddress(address);
    await this.#line.command("addPeer", { peer: this.peer, addresses: [address] });
  }

  /**
   * Compares with the peer, and resolves when both hold the same of the database. Waits for a peer that is away.
   * Rejects with TIMEOUT or ABORTED.
   */
  async whenSynced(waiting?: Waiting): Promise<void> {
    await this.#line.command("whenSynced", { database: this.#database, peer: this.peer }, waiting);
  }

  /**
   * Sends entries, by their ids, to the peer again, ahead of what waits for it; sync does that by itself, this is for those who know better. At most
   * 1,000. Rejects with PEER_UNKNOWN, with CONNECT_FAILED for a peer that is not connected, and with INPUT_INVALID for an id of nothing that is
   * durable here.
   */
  async send(ids: readonly string[]): Promise<void> {
    await this.#line.command("sendEntries", { database: this.#database, peer: this.peer, ids: toEntryIds(ids) });
  }

  /**
   * Puts an entry behind what waits for the peer. One that is away gets it when it is back, if it lacks it. Rejects with PEER_UNKNOWN, and with
   * INPUT_INVALID for an id of nothing that is durable here.
   */
  async queue(id: string): Promise<void> {
    const [entry] = toEntryIds([id]) as [EntryId];
    await this.#line.command("queueEntry", { database: this.#database, peer: this.peer, id: entry });
  }

  /**
   * Syncs the database with this peer, as far as its key may read; registers one that is not known. Found out by itself
   * for peers that share the database: needed after `unrelate`, and for a peer that is to be dialled for this database.
   */
  async relate(): Promise<void> {
    await this.#line.command("addRelation", { database: this.#database, peer: this.peer });
  }

  /** Nothing more is said to this peer about the database, until `relate`. What it has it keeps. */
  async unrelate(): Promise<void> {
    await this.#line.command("removeRelation", { database: this.#database, peer: this.peer });
  }
}
