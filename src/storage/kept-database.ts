/** What the storage keeps in memory of a database: which entry is at which position, and what may be merged. */
import type { EntryId } from "../core/ids.ts";
import type { IndexRecord } from "./index-record.ts";
import type { PackedSegment } from "./pack.ts";
import { type Run, Tail } from "./tail.ts";

/** Where the log ends, as long as nobody else has written: see `Connection.era`. */
interface KnownEnd {
  readonly era: number;
  readonly end: number;
}

export class KeptDatabase {
  #tail = new Tail();
  /** Undefined until everything there is has been loaded or committed. */
  #ids: EntryId[] | undefined;
  /**
   * Made at the first question. An index of the browser's would cost a put per entry, where a thousand entries are two puts
   * otherwise; this map costs 10 ms per 100,000 entries, and only whoever asks for entries by id.
   */
  #positions: Map<EntryId, number> | undefined;

  #end: KnownEnd | undefined;
  #turn = 0;
  /** In which its record was there. */
  #era: number | undefined;
  #rewrites = 0;
  /** Of its segments: one after the other, as what one reads another may be about to replace. */
  merging: Promise<void> = Promise.resolve();

  /** How often what is stored was replaced, otherwise than by merging. */
  get rewrites(): number {
    return this.#rewrites;
  }

  noteRewrite(): void {
    this.#rewrites += 1;
  }

  /** Something begins that tells where the log ends, or moves it: until it is through, nobody knows. */
  begin(): number {
    this.#end = undefined;
    this.#turn += 1;
    return this.#turn;
  }

  /** What began as `turn` is through: the log ends at `end`, unless something else began since. */
  settle(turn: number, era: number | undefined, end: number): void {
    this.noteThere(era);
    if (turn === this.#turn && era !== undefined) this.#end = { era, end };
  }

  endsAt(era: number | undefined, position: number): boolean {
    return this.#end !== undefined && this.#end.era === era && this.#end.end === position;
  }

  noteThere(era: number | undefined): void {
    this.#era = era;
  }

  isThere(era: number | undefined): boolean {
    return era !== undefined && this.#era === era;
  }

  get knowsIds(): boolean {
    return this.#ids !== undefined;
  }

  /** Undefined when there is no such entry. */
  positionOf(id: EntryId): number | undefined {
    this.#positions ??= new Map(this.#ids?.map((each, position) => [each, position]));
    return this.#positions.get(id);
  }

  /** Takes what was loaded; answers with the runs that should have been merged before, and were not. */
  load(records: readonly IndexRecord[]): readonly Run[] {
    this.#tail = new Tail();
    const ids: EntryId[] = [];
    for (const { entries } of records) for (const { id } of entries) ids.push(id);
    this.#ids = ids;
    this.#positions = undefined;
    return records.flatMap(({ first, entries }) => {
      let size = 0;
      for (const entry of entries) size += entry.size;
      return this.#tail.append({ first, end: first + entries.length, size }) ?? [];
    });
  }

  /** Takes what was committed at `position`; answers with the runs to merge. */
  append(position: number, ids: readonly EntryId[], segments: readonly PackedSegment[]): readonly Run[] {
    this.#noteIds(position, ids);
    return segments.flatMap((segment) => this.#tail.append(segment) ?? []);
  }

  #noteIds(position: number, ids: readonly EntryId[]): void {
    if (position === 0) this.#ids ??= [];
    if (this.#ids?.length !== position) {
      this.#ids = undefined;
      this.#positions = undefined;
      return;
    }
    for (const [i, id] of ids.entries()) {
      this.#ids.push(id);
      this.#positions?.set(id, position + i);
    }
  }
}
