/** Where peers of a database are met: a room of it at each of its relays. */
import { concatBytes } from "../core/bytes.ts";
import { domainTags } from "../core/domain-tags.ts";
import { type DatabaseId, decodeHex, type Sha256 } from "../core/ids.ts";
import { encodeUtf8 } from "../core/utf8.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import { relayAddress } from "./relay-transport.ts";
import type { Transports } from "./transports.ts";

export interface RoomsOptions {
  readonly transports: Pick<Transports, "seek">;
  /** WebSocket URLs of the relays that every database of this instance uses. */
  readonly relays: readonly string[];
  readonly sha256: Sha256;
  /** A relay that no transport serves. */
  readonly failed: (error: unknown, database: DatabaseId) => void;
}

export class Rooms {
  readonly #options: RoomsOptions;
  /** By database, then by relay, how to leave the room. */
  readonly #sought = new Map<DatabaseId, Map<string, () => void>>();

  constructor(options: RoomsOptions) {
    this.#options = options;
  }

  /** This instance's relays and those of the ticket that the database came by. */
  relaysOf(record: DatabaseRecord): readonly string[] {
    return [...new Set([...this.#options.relays, ...record.relays])];
  }

  /** Looks for peers of a database from now on, whenever the instance is online; called again when it has more relays. */
  seek(record: DatabaseRecord): void {
    const sought = this.#sought.get(record.id) ?? new Map<string, () => void>();
    this.#sought.set(record.id, sought);
    const room = roomOf(record.id, this.#options);
    for (const url of this.relaysOf(record)) {
      if (sought.has(url)) continue;
      try {
        sought.set(url, this.#options.transports.seek(relayAddress(url), room));
      } catch (error) {
        this.#options.failed(error, record.id);
      }
    }
  }

  /** Until it is sought again. */
  leave(database: DatabaseId): void {
    for (const leave of this.#sought.get(database)?.values() ?? []) leave();
    this.#sought.delete(database);
  }
}

/** Tells a relay nothing, because a database id cannot be guessed. */
export function roomOf(database: DatabaseId, { sha256 }: { readonly sha256: Sha256 }): Uint8Array {
  return sha256(concatBytes(encodeUtf8(domainTags.room), decodeHex(database)));
}
