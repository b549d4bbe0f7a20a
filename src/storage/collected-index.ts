/** The index of a whole log, collected from the records that storage keeps for its segments. */
import type { DatabaseId } from "../core/ids.ts";
import type { LogIndex } from "../core/log-index.ts";
import { linksOf } from "../core/log-links.ts";
import { openIndex } from "./index-record.ts";
import type { SegmentExtent } from "./pack.ts";
import type { IndexStart } from "./saved-index.ts";
import { endingWithin } from "./schema.ts";

/** Records are added in order, after those of its start. */
export class CollectedIndex {
  readonly index: LogIndex;
  /** What each of them covers. */
  readonly segments: SegmentExtent[] = [];

  constructor(index: LogIndex) {
    this.index = index;
  }

  /**
   * Throws STORAGE_CORRUPT for what is no such record, and when an entry comes twice or follows what is not before it; then all of it is of no use.
   * Whether a record is missing in between is left to `requireContiguous`.
   */
  add(values: readonly unknown[]): void {
    for (const value of values) {
      const record = openIndex(value);
      const { first, count } = record;
      const start = this.index.length;
      this.index.append(record);
      let size = 0;
      for (let position = start; position < start + count; position++) size += this.index.size(position);
      this.segments.push({ first, end: first + count, size });
    }
  }
}

/** Where the parts end in which a log is read: small ones first, so that there soon is something to add. */
const partEnds: readonly number[] = [...Array.from({ length: 7 }, (_, i) => 2 ** (13 + i)), Number.POSITIVE_INFINITY];

interface IndexStore {
  getAll(range: IDBKeyRange): Promise<readonly unknown[]>;
}

/** All records after the start of a log, asked for in one turn; while one part is added the next is read. Rejects with STORAGE_CORRUPT. */
export async function collectIndex(
  indexes: IndexStore,
  database: DatabaseId,
  { index, links }: IndexStart,
): Promise<CollectedIndex> {
  const ends = partEnds.filter((end) => end > index.length);
  const collected = new CollectedIndex(index);
  const parts = ends.map(async (end, i) => {
    collected.add(await indexes.getAll(endingWithin(database, ends[i - 1] ?? index.length, end)));
  });
  await Promise.all(parts);
  // Whoever opens the database needs them, and has nothing else to do until the rest was read.
  linksOf(index, links);
  return collected;
}
