/**
 * What the entries of a log are to each other, by position: how many follow each, and which settings are the latest that each knows.
 *
 * Found out once for a log and never altered, so that it can be done while storage still reads what else a database has.
 */
import { type LogIndex, nowhere } from "./log-index.ts";
import { isSameLatest, latestSettings, type Node } from "./node.ts";
import { type LogLinks, RestoredNodes } from "./restored-nodes.ts";

const known = new WeakMap<LogIndex, LogLinks>();

/** Of a log that is complete. `earlier`: those of its first entries, where they are known. */
export function linksOf(index: LogIndex, earlier?: LogLinks): LogLinks {
  const links = known.get(index) ?? new Linking(index, earlier).links;
  known.set(index, links);
  return links;
}

/** The place of the list without settings. */
const none = 0;

/** While it goes on. */
class Linking {
  readonly #index: LogIndex;
  readonly #lists: (readonly number[])[];
  readonly #steps: { readonly position: number; readonly list: number }[];
  readonly #links: Omit<LogLinks, "last" | "tips">;
  readonly #nodes: RestoredNodes;
  readonly #places = new Map<readonly Node[], number>();
  #last: number;
  #tips: number;

  constructor(index: LogIndex, earlier: LogLinks | undefined) {
    this.#index = index;
    this.#lists = [...(earlier?.lists ?? [[]])];
    this.#steps = [...(earlier?.steps ?? [])];
    this.#links = {
      followers: longer(new Uint32Array(index.length), earlier?.followers),
      coversAll: longer(new Uint8Array(index.length), earlier?.coversAll),
      before: longer(new Uint32Array(index.length), earlier?.before),
      after: longer(new Uint32Array(index.length), earlier?.after),
      lists: this.#lists,
      steps: this.#steps,
    };
    this.#nodes = new RestoredNodes(index, this.#links);
    for (const place of this.#lists.keys()) this.#places.set(this.#nodes.list(place), place);
    this.#last = earlier?.last ?? none;
    this.#tips = earlier?.tips ?? 0;
    for (let position = earlier?.after.length ?? 0; position < index.length; position++) {
      this.#tips += 1 - this.#follow(position);
      if (this.#tips === 1) this.#links.coversAll[position] = 1;
      this.#linkSettings(position);
    }
  }

  get links(): LogLinks {
    return { ...this.#links, last: this.#last, tips: this.#tips };
  }

  /** One more follower for each entry that this one follows. Answers how many had none. */
  #follow(position: number): number {
    const prev = this.#index.prev(position);
    const count = this.#index.parentCount(position);
    let isOwn = prev !== nowhere;
    let open = 0;
    for (let i = 0; i < count; i++) {
      const parent = this.#index.parent(position, i);
      if (parent === prev) isOwn = false;
      open += this.#addFollower(parent);
    }
    return isOwn ? open + this.#addFollower(prev) : open;
  }

  #addFollower(position: number): number {
    const before = this.#links.followers[position] as number;
    this.#links.followers[position] = before + 1;
    return before === 0 ? 1 : 0;
  }

  #linkSettings(position: number): void {
    const before = this.#listBefore(position);
    this.#links.before[position] = before;
    this.#links.after[position] = before;
    if (this.#index.writesSettings(position)) return this.#addSettings(position, before);
    // One list for all that know the same: what follows from it is found out once.
    if (isSameLatest(this.#nodes.list(before), this.#nodes.list(this.#last))) this.#last = before;
  }

  #listBefore(position: number): number {
    const { after } = this.#links;
    const prev = this.#index.prev(position);
    const count = this.#index.parentCount(position);
    const known = prev === nowhere ? none : (after[prev] as number);
    for (let i = 0; i < count; i++) if (after[this.#index.parent(position, i)] !== known) return this.#merge(position);
    return known;
  }

  #merge(position: number): number {
    const { prev, parents } = this.#nodes.at(position);
    return this.#placeOf(latestSettings(prev === undefined ? parents : [prev, ...parents]));
  }

  #addSettings(position: number, before: number): void {
    const node = this.#nodes.at(position);
    const own = this.#placeOf([node]);
    this.#links.after[position] = own;
    const kept = this.#nodes.list(this.#last).filter((each) => !this.#nodes.list(before).includes(each));
    this.#last = kept.length === 0 ? own : this.#placeOf([...kept, node]);
    this.#steps.push({ position, list: this.#last });
  }

  #placeOf(list: readonly Node[]): number {
    const known = this.#places.get(list);
    if (known !== undefined) return known;
    const place = this.#lists.push(list.map((node) => node.position)) - 1;
    this.#places.set(this.#nodes.list(place), place);
    return place;
  }
}

function longer<Column extends Uint8Array | Uint32Array>(column: Column, earlier: Column | undefined): Column {
  if (earlier !== undefined) column.set(earlier);
  return column;
}
