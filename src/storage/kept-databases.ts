/** What the storage keeps in memory of all its databases. */
import type { DatabaseId } from "../core/ids.ts";
import { KeptDatabase } from "./kept-database.ts";
import { SegmentCache } from "./segment-cache.ts";

export class KeptDatabases {
  /** Those that were read last, of all of them. */
  readonly segments: SegmentCache = new SegmentCache();
  readonly #all = new Map<DatabaseId, KeptDatabase>();

  of(database: DatabaseId): KeptDatabase {
    const known = this.#all.get(database);
    if (known !== undefined) return known;
    const kept = new KeptDatabase();
    this.#all.set(database, kept);
    return kept;
  }

  /** False for what was kept of a database before it was forgotten. */
  isOf(database: DatabaseId, kept: KeptDatabase): boolean {
    return this.#all.get(database) === kept;
  }

  /** Nothing is known of it any more. */
  forget(database: DatabaseId): void {
    this.#all.delete(database);
  }
}
