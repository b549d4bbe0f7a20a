/** What the documents of a database keep in memory to be quick, and can make again: shared, so that many documents have no more of it than one. */
import { docCacheBytesMax } from "../limits.ts";
import type { Clock } from "./clocks.ts";
import { LeastRecent } from "./least-recent.ts";
import type { OpPlaces } from "./op-table.ts";

/** More changes than a document has. */
const keysEach = 2 ** 32;

export class DocCaches {
  readonly clocks: LeastRecent<number, Clock>;
  readonly tables: LeastRecent<number, OpPlaces>;
  #documents = 0;

  constructor(bytesMax: number = docCacheBytesMax) {
    this.clocks = new LeastRecent(bytesMax);
    this.tables = new LeastRecent(bytesMax);
  }

  /** The first of the keys of a document that has not had any. */
  claimKeys(): number {
    return keysEach * this.#documents++;
  }
}
