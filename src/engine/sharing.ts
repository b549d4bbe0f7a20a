/** With whom a database is synced, and who is told when that changes. What a peer may read is not asked here: its session asks that. */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { Peers } from "./peers.ts";
import type { Preferences } from "./preferences.ts";
import type { Registry } from "./registry.ts";
import type { Rooms } from "./rooms.ts";
import type { SyncOwner } from "./sync-owner.ts";
import { isSynced } from "./sync-switch.ts";

export interface SharingOptions {
  readonly registry: Registry;
  readonly preferences: Preferences;
  readonly rooms: Rooms;
  readonly peers: () => Peers;
  readonly owner: Pick<SyncOwner, "database" | "sharingChanged" | "statusChanged">;
}

export class Sharing {
  readonly #options: SharingOptions;

  constructor(options: SharingOptions) {
    this.#options = options;
  }

  /** Whether the database is synced with this peer at all. */
  shares(peer: PublicKey, database: DatabaseId): boolean {
    const { registry, owner } = this.#options;
    return !registry.isOff(peer, database) && this.#isOn(database, owner.database(database)?.record);
  }

  /** Its record, while it is synced with anybody. */
  syncedRecord(database: DatabaseId): DatabaseRecord | undefined {
    const record = this.#options.owner.database(database)?.record;
    return this.#isOn(database, record) ? record : undefined;
  }

  /** Where it is looked for, those who know its id see who has it. */
  seek(record: DatabaseRecord): void {
    const { rooms } = this.#options;
    if (this.#isOn(record.id, record)) rooms.seek(record);
    else rooms.leave(record.id);
  }

  /** The switch, a relation or a preference changed: sessions say what they may say now. */
  changed(database: DatabaseId): void {
    const { owner, preferences } = this.#options;
    const peers = this.#options.peers();
    const record = owner.database(database)?.record;
    if (record !== undefined) this.seek(record);
    owner.sharingChanged(database);
    const { intervalMs, onCommit } = preferences.combined(database);
    peers.compareEvery(database, intervalMs);
    peers.stepAll({ type: "offered", database });
    // What gathered while it was not to be pushed.
    if (onCommit) peers.stepAll({ type: "flush", database });
    owner.statusChanged(database);
  }

  #isOn(database: DatabaseId, record: DatabaseRecord | undefined): boolean {
    return this.#options.preferences.combined(database).enabled && isSynced(record);
  }
}
