/** What the storage keeps in memory of a database: which entry is at which position, and what may be merged. */
import type { EntryId } from "../core/ids.ts";
import { LogIndex } from "../core/log-index.ts";
import type { PackedSegment, SegmentExtent } from "./pack.ts";
import { type Run, Tail } from "./tail.ts";

/** Where the log ends, as long as nobody else has written: see `Connection.era`. */
interface KnownEnd {
  readonly era: number;
  readonly end: number;
}

export class KeptDatabase {
  #tail = new Tail();
  /** What was loaded; undefined until everything there is has been loaded or committed. */
  #loaded: LogIndex | undefined;
  /** What was committed after that. */
  #committed: EntryId[] = [];
  /** Of what was committed. Made at the first question: an index of the browser's would cost a put per entry, where a thousand entries are two puts. */
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
    return this.#loaded !== undefined;
  }

  /** Undefined when there is no such entry. */
  positionOf(id: EntryId): number | undefined {
    const { length = 0 } = this.#loaded ?? {};
    this.#positions ??= new Map(this.#committed.map((each, i) => [each, length + i]));
    return this.#loaded?.positionOf(id) ?? this.#positions.get(id);
  }

  /** Takes what was loaded; answers with the runs that should have been merged before, and were not. */
  load(index: LogIndex, segments: readonly SegmentExtent[]): readonly Run[] {
    this.#tail = new Tail();
    this.#loaded = index;
    this.#committed = [];
    this.#positions = undefined;
    return segments.flatMap((segment) => this.#tail.append(segment) ?? []);
  }

  /** Takes what was committed at `position`; answers with the runs to merge. */
  append(position: number, ids: readonly EntryId[], segments: readonly PackedSegment[]): readonly Run[] {
    this.#noteIds(position, ids);
    return segments.flatMap((segment) => this.#tail.append(segment) ?? []);
  }

  #noteIds(position: number, ids: readonly EntryId[]): void {
    if (position === 0) this.#loaded ??= new LogIndex();
    if (this.#loaded === undefined || this.#loaded.length + this.#committed.length !== position) {
      this.#loaded = undefined;
      this.#committed = [];
      this.#positions = undefined;
      return;
    }
    for (const [i, id] of ids.entries()) {
      this.#committed.push(id);
      this.#positions?.set(id, position + i);
    }
  }
}
