/** The segments read last, bounded in bytes: a backfill reads each of them once and not once per batch. */
import type { DatabaseId } from "../core/ids.ts";

const bytesMax = 16 * 1024 * 1024;

type Key = readonly [DatabaseId, number];

export class SegmentCache {
  /** The least recently used first. */
  readonly #segments = new Map<string, { readonly database: DatabaseId; readonly bytes: Uint8Array }>();
  #bytes = 0;

  get(key: Key): Uint8Array | undefined {
    const name = key.join(" ");
    const found = this.#segments.get(name);
    if (found === undefined) return undefined;
    this.#segments.delete(name);
    this.#segments.set(name, found);
    return found.bytes;
  }

  add(key: Key, bytes: Uint8Array): void {
    if (bytes.length > bytesMax) return;
    this.#segments.set(key.join(" "), { database: key[0], bytes });
    this.#bytes += bytes.length;
    for (const [name, oldest] of this.#segments) {
      if (this.#bytes <= bytesMax) break;
      this.#segments.delete(name);
      this.#bytes -= oldest.bytes.length;
    }
  }

  forget(database: DatabaseId): void {
    for (const [name, segment] of this.#segments) {
      if (segment.database !== database) continue;
      this.#segments.delete(name);
      this.#bytes -= segment.bytes.length;
    }
  }
}
