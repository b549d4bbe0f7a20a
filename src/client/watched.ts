/** The page's copies of what is watched, kept in order and up to date by the worker's events. */
import type { JsonValue, Row } from "../core/store/values.ts";
import { compareUtf8 } from "../core/utf8.ts";
import type { WorkerEvent } from "../worker/api.ts";

type ItemsEvent = Extract<WorkerEvent, { readonly type: "items" }>;
export type Item = readonly [id: string, value: Row | JsonValue];

export class Watched {
  readonly #watches = new Map<number, { items: readonly Item[]; readonly show: (items: readonly Item[]) => void }>();
  #next = 1;

  /** A number for the worker's events; `show` is called with all items, in their order, at each of them. */
  add(show: (items: readonly Item[]) => void): number {
    const number = this.#next++;
    this.#watches.set(number, { items: [], show });
    return number;
  }

  delete(number: number): void {
    this.#watches.delete(number);
  }

  take({ watch, all, items }: ItemsEvent): void {
    const watched = this.#watches.get(watch);
    if (watched === undefined) return;
    watched.items = all ? (items as readonly Item[]) : withChanges(watched.items, items);
    watched.show(watched.items);
  }
}

/** A new array; items that did not change keep their identity. */
export function withChanges(items: readonly Item[], changes: ItemsEvent["items"]): readonly Item[] {
  // One by one costs a search and a move each; merging costs one pass. 32 moves of pointers are about one pass.
  return changes.length <= 32 ? withEach(items, changes) : merged(items, changes);
}

function withEach(items: readonly Item[], changes: ItemsEvent["items"]): readonly Item[] {
  const next = [...items];
  for (const [id, value] of changes) {
    const at = indexOf(next, id);
    const isThere = next[at]?.[0] === id;
    next.splice(at, isThere ? 1 : 0, ...(value === undefined ? [] : [[id, value] as const]));
  }
  return next;
}

function merged(items: readonly Item[], changes: ItemsEvent["items"]): readonly Item[] {
  const changed = new Map(changes);
  const kept = items.filter(([id]) => !changed.has(id));
  const added = [...changed].filter((change): change is [string, Row | JsonValue] => change[1] !== undefined);
  added.sort(([a], [b]) => compareUtf8(a, b));
  const next: Item[] = [];
  let at = 0;
  for (const item of kept) {
    for (let each = added[at]; each !== undefined && compareUtf8(each[0], item[0]) < 0; each = added[++at]) next.push(each);
    next.push(item);
  }
  for (const each of added.slice(at)) next.push(each);
  return next;
}

/** Where the id is, or where it belongs. */
function indexOf(items: readonly Item[], id: string): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const item = items[middle];
    if (item !== undefined && compareUtf8(item[0], id) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
