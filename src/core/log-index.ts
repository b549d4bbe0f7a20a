/**
 * The part of every entry of a log that the graph keeps, in columns: a database is opened for a few reads, and to make two objects of each of a
 * hundred thousand entries took 102 of the 487 ms in which a browser opened them. Rows are made when somebody asks for them.
 *
 * An entry follows only what stands before it, and stands in the log once: nothing else can be appended.
 */
import { TidemarkError } from "./errors.ts";
import { decodeHex, type EntryId, entryIdFromDigest, isHex64, type PublicKey, writeHex } from "./ids.ts";
import type { EntryIndex } from "./node.ts";

/** In place of a position. */
export const nowhere = -1;

const idLength = 32;

/** What is known of entries beside their ids, by position. */
export interface LogColumns {
  /** Places among some keys. */
  readonly authors: Uint32Array;
  /** Positions, or `nowhere`; of those that are not known yet, what `outsidePlace` gives. */
  readonly prevs: Int32Array;
  /** The same of all entries, one after the other. */
  readonly parents: number[];
  /** How many of those belong to an entry or one before it. */
  readonly parentsEnds: Uint32Array;
  readonly seqs: Float64Array;
  readonly heights: Float64Array;
  readonly times: Float64Array;
  readonly sizes: Float64Array;
  /** 1 where an entry writes settings. */
  readonly settings: Uint8Array;
}

/** In place of the position of the k-th, from 0 on, of some entries that are known by their ids. Its own inverse. */
export function outsidePlace(k: number): number {
  return nowhere - 1 - k;
}

export function emptyColumns(count: number): LogColumns {
  return {
    authors: new Uint32Array(count),
    prevs: new Int32Array(count),
    parents: [],
    parentsEnds: new Uint32Array(count),
    seqs: new Float64Array(count),
    heights: new Float64Array(count),
    times: new Float64Array(count),
    sizes: new Float64Array(count),
    settings: new Uint8Array(count),
  };
}

/** Entries that are to stand at the end of a log. */
export interface Appended {
  /** 32 bytes for each of them. */
  readonly ids: Uint8Array;
  /** The authors that the columns refer to. */
  readonly keys: readonly PublicKey[];
  /** 32 bytes for each of the entries before them that the columns refer to by `outsidePlace`. */
  readonly outside: Uint8Array;
  /** Writes what is known of them, from position `start` on. */
  readonly write: (columns: LogColumns, start: number) => void;
}

/** A log index as plain data, for storage on this device. Whoever has it leaves the arrays as they are. */
export interface SavedLogIndex {
  readonly seed: number;
  readonly ids: Uint8Array<ArrayBuffer>;
  readonly keys: readonly PublicKey[];
  readonly columns: Omit<LogColumns, "parents">;
  readonly parents: Int32Array;
  readonly slots: Uint32Array;
}

export class LogIndex implements Iterable<EntryIndex> {
  readonly #seed: number;
  #length = 0;
  /** These are longer than the log. */
  #ids: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #columns: LogColumns = emptyColumns(0);
  readonly #keys: PublicKey[] = [];
  readonly #places = new Map<PublicKey, number>();
  /** Positions + 1 by a hash of the id, with open addressing; see `slotCount`. */
  #slots: Uint32Array = new Uint32Array(1);

  /** `seed`: any integer that whoever makes entries does not know, so that nobody can choose ids that are slow to find. */
  constructor(seed = 0) {
    this.#seed = seed | 1;
  }

  /** Throws STORAGE_CORRUPT when an entry comes twice, or before what it follows. */
  static of(entries: readonly EntryIndex[]): LogIndex {
    const log = new LogIndex();
    const ids = new Uint8Array(entries.length * idLength);
    for (const [i, { id }] of entries.entries()) writeHex(id, ids, i * idLength);
    const keys = entries.map(({ author }) => author);
    log.append({ ids, keys, outside: new Uint8Array(0), write: (columns) => writeEntries(entries, columns) });
    return log;
  }

  /** What `save` gave, of which nothing is checked again. */
  static restored({ seed, ids, keys, columns, parents, slots }: SavedLogIndex): LogIndex {
    const log = new LogIndex(seed);
    log.#length = columns.sizes.length;
    log.#ids = ids;
    log.#columns = { ...columns, parents: [...parents] };
    for (const key of keys) log.#placeOf(key);
    log.#slots = slots;
    return log;
  }

  save(): SavedLogIndex {
    const { parents, ...columns } = this.#columns;
    const { authors, prevs, parentsEnds, seqs, heights, times, sizes, settings } = columns;
    const end = this.#length;
    return {
      seed: this.#seed,
      ids: this.#ids.slice(0, end * idLength),
      keys: [...this.#keys],
      columns: {
        authors: authors.slice(0, end),
        prevs: prevs.slice(0, end),
        parentsEnds: parentsEnds.slice(0, end),
        seqs: seqs.slice(0, end),
        heights: heights.slice(0, end),
        times: times.slice(0, end),
        sizes: sizes.slice(0, end),
        settings: settings.slice(0, end),
      },
      parents: Int32Array.from(parents),
      slots: this.#slots,
    };
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Throws STORAGE_CORRUPT when one of the entries is there already, or follows what is not before it, and what `write` throws; then the log is of
   * no use.
   */
  append({ ids, keys, outside, write }: Appended): void {
    const [start, end] = [this.#length, this.#length + ids.length / idLength];
    if (end > this.#columns.sizes.length) this.#grow(Math.max(end, 2 * start));
    if (slotCount(end) > this.#slots.length) this.#rehash(slotCount(end));
    this.#ids.set(ids, start * idLength);
    const { authors, parents } = this.#columns;
    const known = parents.length;
    write(this.#columns, start);
    const places = keys.map((key) => this.#placeOf(key));
    for (let position = start; position < end; position++)
      authors[position] = places[authors[position] as number] as number;
    const positions = Array.from({ length: outside.length / idLength }, (_, k) => this.find(outside, k * idLength));
    this.#resolve(start, end, known, positions);
    this.#length = end;
    this.#place(start);
  }

  id(position: number): EntryId {
    return entryIdFromDigest(this.#ids.subarray(position * idLength, (position + 1) * idLength));
  }

  author(position: number): PublicKey {
    return this.#keys[this.#columns.authors[position] as number] as PublicKey;
  }

  /** Or `nowhere`. */
  prev(position: number): number {
    return this.#columns.prevs[position] as number;
  }

  parentCount(position: number): number {
    return (this.#columns.parentsEnds[position] as number) - this.#parentsStart(position);
  }

  /** The position of one of its parents, in their order. */
  parent(position: number, i: number): number {
    return this.#columns.parents[this.#parentsStart(position) + i] as number;
  }

  /** Calls `act` with the positions of its parents, and of its `prev`, which may be one of them. */
  eachFollowed(position: number, act: (position: number) => void): void {
    for (let i = this.#parentsStart(position); i < (this.#columns.parentsEnds[position] as number); i++)
      act(this.#columns.parents[i] as number);
    const prev = this.prev(position);
    if (prev !== nowhere) act(prev);
  }

  seq(position: number): number {
    return this.#columns.seqs[position] as number;
  }

  height(position: number): number {
    return this.#columns.heights[position] as number;
  }

  time(position: number): number {
    return this.#columns.times[position] as number;
  }

  size(position: number): number {
    return this.#columns.sizes[position] as number;
  }

  writesSettings(position: number): boolean {
    return this.#columns.settings[position] === 1;
  }

  /** Of the entries that write settings. */
  settingsPositions(): readonly number[] {
    const positions: number[] = [];
    const { settings } = this.#columns;
    for (let at = settings.indexOf(1); at >= 0; at = settings.indexOf(1, at + 1)) positions.push(at);
    return positions;
  }

  /** Undefined when there is no such entry; what is no id at all is none. */
  positionOf(id: EntryId): number | undefined {
    if (!isHex64(id)) return undefined;
    const position = this.find(decodeHex(id), 0);
    return position === nowhere ? undefined : position;
  }

  /** The position of the entry whose id is the 32 bytes of `ids` from `from` on, or `nowhere`. */
  find(ids: Uint8Array, from: number): number {
    const words = new DataView(ids.buffer, ids.byteOffset + from, idLength);
    const own = new DataView(this.#ids.buffer);
    const { length } = this.#slots;
    for (let slot = this.#hash(words, 0) & (length - 1); ; slot = (slot + 1) & (length - 1)) {
      const position = (this.#slots[slot] as number) - 1;
      if (position < 0) return nowhere;
      if (isSameId(own, position * idLength, words, 0)) return position;
    }
  }

  /** Made when it is asked for, each time. */
  at(position: number): EntryIndex {
    const prev = this.prev(position);
    return {
      id: this.id(position),
      author: this.author(position),
      seq: this.seq(position),
      prev: prev === nowhere ? undefined : this.id(prev),
      parents: Array.from({ length: this.parentCount(position) }, (_, i) => this.id(this.parent(position, i))),
      height: this.height(position),
      time: this.time(position),
      size: this.size(position),
      settings: this.writesSettings(position),
    };
  }

  *[Symbol.iterator](): IterableIterator<EntryIndex> {
    for (let position = 0; position < this.#length; position++) yield this.at(position);
  }

  #parentsStart(position: number): number {
    return position === 0 ? 0 : (this.#columns.parentsEnds[position - 1] as number);
  }

  #placeOf(key: PublicKey): number {
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    this.#places.set(key, this.#keys.length);
    return this.#keys.push(key) - 1;
  }

  /** Puts positions in place of what is outside; `nextParent`: where the parents of the first of these entries begin. */
  #resolve(start: number, end: number, nextParent: number, outside: readonly number[]): void {
    const { prevs, parents, parentsEnds } = this.#columns;
    const resolve = (place: number, position: number): number => {
      const found = place < 0 ? (outside[outsidePlace(place)] ?? nowhere) : place;
      return found >= 0 && found < position ? found : disordered(position);
    };
    for (let [position, next] = [start, nextParent]; position < end; position++) {
      const prev = prevs[position] as number;
      if (prev !== nowhere) prevs[position] = resolve(prev, position);
      for (; next < (parentsEnds[position] as number); next++)
        parents[next] = resolve(parents[next] as number, position);
    }
  }

  /** Makes entries from position `start` on ones that are found by their ids. */
  #place(start: number): void {
    const [slots, words] = [this.#slots, new DataView(this.#ids.buffer)];
    const mask = slots.length - 1;
    for (let position = start; position < this.#length; position++) {
      const id = position * idLength;
      let slot = this.#hash(words, id) & mask;
      for (; slots[slot] !== 0; slot = (slot + 1) & mask)
        if (isSameId(words, ((slots[slot] as number) - 1) * idLength, words, id)) disordered(position);
      slots[slot] = position + 1;
    }
  }

  /** Ids are hashes already, but somebody may have looked for some that begin alike: multiplied by numbers that nobody knows. */
  #hash(words: DataView, start: number): number {
    const sum = Math.imul(words.getInt32(start), this.#seed) ^ Math.imul(words.getInt32(start + 4), this.#seed >>> 1);
    return sum ^ (sum >>> 15);
  }

  #grow(capacity: number): void {
    const ids = new Uint8Array(capacity * idLength);
    ids.set(this.#ids);
    this.#ids = ids;
    const [known, columns] = [this.#columns, emptyColumns(capacity)];
    columns.authors.set(known.authors);
    columns.prevs.set(known.prevs);
    columns.parentsEnds.set(known.parentsEnds);
    columns.seqs.set(known.seqs);
    columns.heights.set(known.heights);
    columns.times.set(known.times);
    columns.sizes.set(known.sizes);
    columns.settings.set(known.settings);
    this.#columns = { ...columns, parents: known.parents };
  }

  #rehash(slots: number): void {
    this.#slots = new Uint32Array(slots);
    this.#place(0);
  }
}

/**
 * For so many entries: more than twice as many, so that whoever looks soon meets a free one, and the least power of two that is, so that a hash is cut
 * to a slot by a mask.
 */
function slotCount(entries: number): number {
  return 2 ** (32 - Math.clz32(2 * entries));
}

function isSameId(one: DataView, oneStart: number, other: DataView, otherStart: number): boolean {
  for (let i = 0; i < idLength; i += 4) if (one.getInt32(oneStart + i) !== other.getInt32(otherStart + i)) return false;
  return true;
}

function writeEntries(entries: readonly EntryIndex[], columns: LogColumns): void {
  const positions = new Map<EntryId, number>();
  const follow = (id: EntryId, position: number): number => positions.get(id) ?? disordered(position);
  for (const [position, entry] of entries.entries()) {
    columns.authors[position] = position;
    columns.prevs[position] = entry.prev === undefined ? nowhere : follow(entry.prev, position);
    for (const parent of entry.parents) columns.parents.push(follow(parent, position));
    columns.parentsEnds[position] = columns.parents.length;
    columns.seqs[position] = entry.seq;
    columns.heights[position] = entry.height;
    columns.times[position] = entry.time;
    columns.sizes[position] = entry.size;
    columns.settings[position] = entry.settings ? 1 : 0;
    positions.set(entry.id, position);
  }
}

function disordered(position: number): never {
  throw new TidemarkError("STORAGE_CORRUPT", { where: `entry ${position} out of order` });
}
