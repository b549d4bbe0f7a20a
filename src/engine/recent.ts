/**
 * The entries accepted last, kept decoded so that pushing them to peers reads nothing from storage. Bounded by count and bytes.
 */
import type { Entry } from "../core/entry.ts";

const entriesMax = 4_096;
const bytesMax = 8 * 1024 * 1024;

export class RecentEntries {
  readonly #entries = new Map<number, Entry>();
  #bytes = 0;

  get(position: number): Entry | undefined {
    return this.#entries.get(position);
  }

  add(position: number, entry: Entry): void {
    this.#entries.set(position, entry);
    this.#bytes += entry.bytes.length;
    for (const [oldest, { bytes }] of this.#entries) {
      if (this.#entries.size <= entriesMax && this.#bytes <= bytesMax) break;
      this.#entries.delete(oldest);
      this.#bytes -= bytes.length;
    }
  }
}
