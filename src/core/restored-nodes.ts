/**
 * The nodes of a graph that was restored from storage: each is made when somebody asks for it, and reads what it says from the columns.
 *
 * After the flyweights of Gamma et al., "Design Patterns": what is shared lies outside of the objects that stand for it.
 */
import type { EntryId, PublicKey } from "./ids.ts";
import { type LogIndex, nowhere } from "./log-index.ts";
import type { Node } from "./node.ts";

/** What the entries of a log are to each other, by position. */
export interface LogLinks {
  readonly followers: Uint32Array;
  /** 1 where everything below is in an entry's past. */
  readonly coversAll: Uint8Array;
  /** Which of `lists` are the latest settings before an entry, and with it. */
  readonly before: Uint32Array;
  readonly after: Uint32Array;
  /** Positions of entries that write settings. */
  readonly lists: readonly (readonly number[])[];
  /** For each entry that writes settings, which of `lists` are the latest of all entries up to it. */
  readonly steps: readonly { readonly position: number; readonly list: number }[];
  /** The same of all entries. */
  readonly last: number;
  /** How many entries nothing follows. */
  readonly tips: number;
}

export class RestoredNodes {
  readonly index: LogIndex;
  readonly #links: Pick<LogLinks, "followers" | "coversAll" | "before" | "after" | "lists">;
  readonly #nodes: (RestoredNode | undefined)[];
  /** Goes up and down, for these nodes alone. */
  readonly #followers: Uint32Array;
  readonly #lists: (readonly Node[])[] = [];

  constructor(index: LogIndex, links: Pick<LogLinks, "followers" | "coversAll" | "before" | "after" | "lists">) {
    this.index = index;
    this.#links = links;
    this.#nodes = new Array<RestoredNode | undefined>(index.length);
    this.#followers = links.followers.slice();
  }

  get length(): number {
    return this.index.length;
  }

  at(position: number): Node {
    const known = this.#nodes[position];
    if (known !== undefined) return known;
    const node = new RestoredNode(this, position);
    this.#nodes[position] = node;
    return node;
  }

  /** Undefined when it is none of these. */
  get(id: EntryId): Node | undefined {
    const position = this.index.positionOf(id);
    return position === undefined ? undefined : this.at(position);
  }

  /** Those that nothing follows. */
  tips(): readonly Node[] {
    return this.#where((position) => this.#followers[position] === 0);
  }

  /** Those that no entry of their author continues. */
  heads(): readonly Node[] {
    const continued = new Uint8Array(this.length);
    for (let position = 0; position < this.length; position++) {
      const prev = this.index.prev(position);
      if (prev !== nowhere) continued[prev] = 1;
    }
    return this.#where((position) => continued[position] === 0);
  }

  followers(position: number): number {
    return this.#followers[position] as number;
  }

  setFollowers(position: number, count: number): void {
    this.#followers[position] = count;
  }

  coversAll(position: number): boolean {
    return this.#links.coversAll[position] === 1;
  }

  settingsBefore(position: number): readonly Node[] {
    return this.list(this.#links.before[position] as number);
  }

  settingsAfter(position: number): readonly Node[] {
    return this.list(this.#links.after[position] as number);
  }

  /** One of the lists of settings that the links name; the same array each time. */
  list(place: number): readonly Node[] {
    const known = this.#lists[place];
    if (known !== undefined) return known;
    const list = (this.#links.lists[place] ?? []).map((position) => this.at(position));
    this.#lists[place] = list;
    return list;
  }

  /** Those that do not know exactly these settings, or write some. */
  unaware(settings: readonly Node[]): readonly Node[] {
    const { after } = this.#links;
    const place = this.#lists.indexOf(settings);
    return this.#where((position) => after[position] !== place || this.index.writesSettings(position));
  }

  #where(isWanted: (position: number) => boolean): readonly Node[] {
    const nodes: Node[] = [];
    for (let position = 0; position < this.length; position++) if (isWanted(position)) nodes.push(this.at(position));
    return nodes;
  }
}

class RestoredNode implements Node {
  readonly position: number;
  readonly #all: RestoredNodes;
  #id: EntryId | undefined;
  #parents: readonly Node[] | undefined;

  constructor(all: RestoredNodes, position: number) {
    this.position = position;
    this.#all = all;
  }

  get id(): EntryId {
    this.#id ??= this.#all.index.id(this.position);
    return this.#id;
  }

  get author(): PublicKey {
    return this.#all.index.author(this.position);
  }

  get seq(): number {
    return this.#all.index.seq(this.position);
  }

  get prev(): Node | undefined {
    const prev = this.#all.index.prev(this.position);
    return prev === nowhere ? undefined : this.#all.at(prev);
  }

  get parents(): readonly Node[] {
    this.#parents ??= this.#findParents();
    return this.#parents;
  }

  get height(): number {
    return this.#all.index.height(this.position);
  }

  get time(): number {
    return this.#all.index.time(this.position);
  }

  get size(): number {
    return this.#all.index.size(this.position);
  }

  get settingsBefore(): readonly Node[] {
    return this.#all.settingsBefore(this.position);
  }

  get settings(): readonly Node[] {
    return this.#all.settingsAfter(this.position);
  }

  get followers(): number {
    return this.#all.followers(this.position);
  }

  set followers(count: number) {
    this.#all.setFollowers(this.position, count);
  }

  get coversAll(): boolean {
    return this.#all.coversAll(this.position);
  }

  #findParents(): readonly Node[] {
    const { index } = this.#all;
    const count = index.parentCount(this.position);
    return Array.from({ length: count }, (_, i) => this.#all.at(index.parent(this.position, i)));
  }
}
