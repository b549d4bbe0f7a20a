/**
 * The entries accepted last, kept decoded so that pushing them to peers reads nothing from storage.
 *
 * [ENGINE-18] At most 4,096 entries and 8 MiB of their bytes are kept, and none whose batch takes far more memory than itself.
 */
import type { Entry } from "../core/entry.ts";
import { batchBytesMax } from "../core/limits.ts";

const entriesMax = 4_096;
const bytesMax = 8 * 1024 * 1024;

export class RecentEntries {
  readonly #entries = new Map<number, Entry>();
  /** Nothing below is kept. Positions are dense, so counting up is cheaper than asking the map for its first. */
  #first: number | undefined;
  #bytes = 0;

  get(position: number): Entry | undefined {
    return this.#entries.get(position);
  }

  /** Positions grow from call to call. */
  add(position: number, entry: Entry): void {
    if (isSmallPart(entry)) return;
    this.#first ??= position;
    this.#entries.set(position, entry);
    this.#bytes += entry.bytes.length;
    while (this.#entries.size > entriesMax || this.#bytes > bytesMax) this.#drop(this.#first++);
  }

  #drop(position: number): void {
    this.#bytes -= this.#entries.get(position)?.bytes.length ?? 0;
    this.#entries.delete(position);
  }
}

/** An entry is a view into its batch, and keeps all of it in memory: a few bytes of a large message are read again instead. */
function isSmallPart({ bytes }: Entry): boolean {
  return bytes.buffer.byteLength > 4 * batchBytesMax && bytes.length * 4 < bytes.buffer.byteLength;
}
