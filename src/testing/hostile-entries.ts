/**
 * Entries as somebody bad would make them: good by default, and wrong wherever the test says so. What they follow is what the forger
 * knows, so a well-made lie is one field away from the truth.
 */
import { nextTime } from "../core/clock.ts";
import { type Entry, type EntryBody, encodeUnsigned, follows, type StorePart, sealEntry } from "../core/entry.ts";
import type { DatabaseId, EntryId, Sha256 } from "../core/ids.ts";
import type { Identity } from "../ports/keys.ts";

export interface ForgerOptions {
  readonly identity: Identity;
  readonly database: DatabaseId;
  /** What its entries stand on, to begin with: any order, no gaps needed. */
  readonly known?: readonly Entry[];
  readonly sha256: Sha256;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

/** What is to be other than it should be. */
export interface Forgery extends Partial<EntryBody> {
  /** Default: the forger's own, of whatever the entry says. */
  readonly signature?: Uint8Array;
}

/** Makes entries, and remembers what it made and was shown. */
export class Forger {
  readonly #options: ForgerOptions;
  readonly #known = new Map<EntryId, Entry>();
  /** Known entries that a known one follows. */
  readonly #followed = new Set<EntryId>();

  constructor(options: ForgerOptions) {
    this.#options = options;
    this.know(options.known ?? []);
  }

  /** Later entries stand on these. */
  know(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#known.set(entry.id, entry);
      for (const id of follows(entry)) this.#followed.add(id);
    }
  }

  /** The body of an honest next entry: on every known tip, after its author's newest known entry. */
  draft(stores: readonly StorePart[]): EntryBody {
    const { identity, database, nowMs } = this.#options;
    const author = identity.publicKey;
    const all = [...this.#known.values()];
    const last = all.filter((entry) => entry.author === author).sort((a, b) => b.seq - a.seq)[0];
    const tips = all.filter(({ id }) => !this.#followed.has(id)).map(({ id }) => id);
    // Whoever knows nothing but the id of a database knows its root's.
    const parents = tips.length === 0 ? [database] : tips.length === 1 && tips[0] === last?.id ? [] : tips.sort();
    const body = { database, author, seq: last === undefined ? 0 : last.seq + 1, prev: last?.id, parents, stores };
    const stands = follows({ ...body, height: 0, time: 0 }).flatMap((id) => this.#known.get(id) ?? []);
    const height = 1 + Math.max(0, ...stands.map((entry) => entry.height));
    return { ...body, height, time: nextTime(nowMs(), Math.max(0, ...stands.map(({ time }) => time))) };
  }

  /** An entry that is signed, and known from now on: later ones stand on it. */
  async write(stores: readonly StorePart[], forgery: Forgery = {}): Promise<Entry> {
    const entry = await this.forge(stores, forgery);
    this.know([entry]);
    return entry;
  }

  /** The same without standing on it later: several made in a row are branches. */
  async forge(stores: readonly StorePart[], { signature, ...changes }: Forgery = {}): Promise<Entry> {
    const body: EntryBody = { ...this.draft(stores), ...changes };
    const message = encodeUnsigned(body);
    return sealEntry(body, message, signature ?? (await this.#options.identity.sign(message)), this.#options.sha256);
  }
}
