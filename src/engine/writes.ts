/**
 * What was done for which tab, so that a write that is asked for again is not done again.
 *
 * [ENGINE-27] A write with an id is done once, whoever leads, and is answered each time as the first.
 * [ENGINE-28] Of a write's failure nothing is remembered: asked for again, it is decided anew.
 * [ENGINE-29] Of a tab that goes on, only what it has no answer to is remembered; of one that ended, everything until it is forgotten.
 *
 * What is remembered goes to storage in the transaction that decides the write. Rows are put whole, and transactions of one journal come one after
 * the other, those of different ones at any time: so each journal has a row of its own for each tab, and whatever else decides a write
 * one for each write.
 */
import { show, TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Storage, WriteRow } from "../ports/storage.ts";

/** A write as the tab that asked for it names it: whoever leads then, it is done once. */
export interface WriteId {
  /** Of the tab: 32 hex digits. */
  readonly tab: string;
  /** Of one tab each once, ascending in the order of the calls. */
  readonly number: number;
  /** Of all writes of that tab with smaller numbers the tab has the answer. */
  readonly settledBelow: number;
}

/** A write on its way to storage. */
export interface WriteMark {
  readonly ledger: WriteLedger;
  readonly write: WriteId;
  /** Plain data. */
  readonly answer: unknown;
}

/** What is to be stored with the step that decides the write; nothing for one without an id. */
export type Marking = (answer?: unknown) => readonly WriteMark[];

/** Whose rows there are. */
export interface WritingTab {
  readonly tab: string;
  /** When it wrote last, in milliseconds since 1970, as far as is known. */
  readonly lastMs: number;
}

interface Done {
  readonly slot: string;
  readonly answer: unknown;
}

interface TabWrites {
  settledBelow: number;
  lastMs: number;
  /** By number. */
  readonly done: Map<number, Done>;
  /** Those that have a row. */
  readonly slots: Set<string>;
}

/** What a row holds. */
interface RowValue {
  readonly settledBelow: number;
  readonly atMs: number;
  /** Pairs: the numbers from the first to the second. Nearly all are neighbours, and thousands can wait for their answers. */
  readonly ranges: readonly number[];
  /** Those that were answered with something. */
  readonly answers: readonly (readonly [number: number, answer: unknown])[];
}

const slotOfOne = "#";

export class WriteLedger {
  readonly #storage: Pick<Storage, "deleteWriteRow">;
  readonly #clock: Clock;
  readonly #tabs = new Map<string, TabWrites>();
  readonly #underWay = new Map<string, Promise<unknown>>();

  private constructor(storage: Pick<Storage, "deleteWriteRow">, clock: Clock) {
    this.#storage = storage;
    this.#clock = clock;
  }

  /** Rejects with a STORAGE_ code. A row that cannot be understood is as none. */
  static async open(storage: Pick<Storage, "writeRows" | "deleteWriteRow">, clock: Clock): Promise<WriteLedger> {
    const ledger = new WriteLedger(storage, clock);
    for (const row of await storage.writeRows()) ledger.#take(row);
    return ledger;
  }

  /**
   * Does a write, or answers as it was answered before; `again` then does what may have been left undone. Two calls at a time share
   * one answer. Rejects with INPUT_INVALID for what is no id, and as `act` and `again` do.
   */
  async once<T>(
    write: WriteId | undefined,
    act: (mark: Marking) => Promise<T>,
    again: () => Promise<void> = async () => {},
  ): Promise<T> {
    if (write === undefined) return await act(() => []);
    assertWriteId(write);
    const key = `${write.tab}/${write.number}`;
    const underWay = this.#underWay.get(key) ?? this.#begin(write, act, again);
    this.#underWay.set(key, underWay);
    try {
      return (await underWay) as T;
    } finally {
      this.#underWay.delete(key);
    }
  }

  /** Those that have rows. */
  tabs(): readonly WritingTab[] {
    return [...this.#tabs].map(([tab, { lastMs }]) => ({ tab, lastMs }));
  }

  /** The tab has ended, and will never ask again. Rejects with a STORAGE_ code. */
  async forget(tab: string): Promise<void> {
    const slots = this.#tabs.get(tab)?.slots ?? [];
    this.#tabs.delete(tab);
    for (const slot of slots) await this.#storage.deleteWriteRow(rowName(tab, slot));
  }

  /** What its commits remember. Asked for again, such a write is decided anew, for a database that is not here. */
  async forgetDatabase(database: DatabaseId): Promise<void> {
    for (const [name, tab] of this.#tabs) {
      for (const [number, { slot }] of tab.done) if (slot === database) tab.done.delete(number);
      if (tab.slots.delete(database)) await this.#storage.deleteWriteRow(rowName(name, database));
    }
  }

  /** For `rowsOf`: what a row is to hold with these beside what is known to be done. */
  row(slot: string, tab: string, marks: readonly WriteMark[]): WriteRow {
    const { settledBelow, done } = this.#of(tab);
    const known = [...done].flatMap(([number, one]) => (one.slot === slot ? [[number, one.answer] as const] : []));
    const added = marks.map(({ write, answer }) => [write.number, answer] as const);
    const all = [...known, ...added].sort(([a], [b]) => a - b);
    const answers = all.filter(([, answer]) => answer !== undefined);
    const ranges = toRanges(all.map(([number]) => number));
    const value: RowValue = { settledBelow, atMs: this.#clock.now(), ranges, answers };
    return { tab: rowName(tab, slot), value };
  }

  /** For `noteStored`: the row with it is durable. */
  stored(slot: string, { write, answer }: WriteMark): void {
    const tab = this.#of(write.tab);
    tab.lastMs = this.#clock.now();
    tab.slots.add(slot);
    tab.done.set(write.number, { slot, answer });
  }

  #begin<T>(write: WriteId, act: (mark: Marking) => Promise<T>, again: () => Promise<void>): Promise<T> {
    this.#settle(write);
    const tab = this.#tabs.get(write.tab);
    const done = tab?.done.get(write.number);
    const isDone = done !== undefined || write.number < (tab?.settledBelow ?? 0);
    if (isDone) return again().then(() => done?.answer as T);
    return act((answer) => [{ ledger: this, write, answer }]);
  }

  /** What the tab has the answer to is forgotten. */
  #settle({ tab: name, settledBelow }: WriteId): void {
    const tab = this.#tabs.get(name);
    if (tab === undefined || settledBelow <= tab.settledBelow) return;
    tab.settledBelow = settledBelow;
    for (const [number, { slot }] of tab.done) {
      if (number >= settledBelow) continue;
      tab.done.delete(number);
      if (slot.startsWith(slotOfOne)) this.#drop(name, tab, slot);
    }
  }

  /** Failing to is no harm: the row goes with the tab. */
  #drop(name: string, tab: TabWrites, slot: string): void {
    const removed = (): void => void tab.slots.delete(slot);
    this.#storage.deleteWriteRow(rowName(name, slot)).then(removed, () => {});
  }

  #of(name: string): TabWrites {
    const tab = this.#tabs.get(name) ?? { settledBelow: 0, lastMs: 0, done: new Map(), slots: new Set() };
    this.#tabs.set(name, tab);
    return tab;
  }

  #take({ tab: name, value }: WriteRow): void {
    const at = name.indexOf("/");
    if (at < 0 || !isRowValue(value)) return;
    const [tab, slot] = [this.#of(name.slice(0, at)), name.slice(at + 1)];
    const answers = new Map(value.answers);
    for (const number of fromRanges(value.ranges)) tab.done.set(number, { slot, answer: answers.get(number) });
    tab.slots.add(slot);
    tab.lastMs = Math.max(tab.lastMs, value.atMs);
    tab.settledBelow = Math.max(tab.settledBelow, value.settledBelow);
  }
}

/** What is to be stored with the entries of a database, in a journal of its own. */
export function rowsOf(database: DatabaseId, marks: readonly WriteMark[]): readonly WriteRow[] {
  return rowsIn(database, marks);
}

/** They are durable. */
export function noteStored(database: DatabaseId, marks: readonly WriteMark[]): void {
  for (const mark of marks) mark.ledger.stored(database, mark);
}

/** Hands `store` what is to be stored with a write that is decided outside of journals. */
export async function storeWith(
  marks: readonly WriteMark[],
  store: (rows: readonly WriteRow[]) => Promise<void>,
): Promise<void> {
  await store(marks.flatMap((mark) => rowsIn(slotOf(mark), [mark])));
  for (const mark of marks) mark.ledger.stored(slotOf(mark), mark);
}

function rowsIn(slot: string, marks: readonly WriteMark[]): readonly WriteRow[] {
  const byTab = new Map<string, WriteMark[]>();
  for (const mark of marks) {
    const ofTab = byTab.get(mark.write.tab);
    if (ofTab === undefined) byTab.set(mark.write.tab, [mark]);
    else ofTab.push(mark);
  }
  return [...byTab].flatMap(([tab, ofTab]) => (ofTab[0] === undefined ? [] : [ofTab[0].ledger.row(slot, tab, ofTab)]));
}

function slotOf({ write }: WriteMark): string {
  return `${slotOfOne}${write.number}`;
}

function rowName(tab: string, slot: string): string {
  return `${tab}/${slot}`;
}

function toRanges(numbers: readonly number[]): readonly number[] {
  const ranges: number[] = [];
  for (const number of numbers) {
    if (ranges.length > 0 && ranges.at(-1) === number - 1) ranges[ranges.length - 1] = number;
    else ranges.push(number, number);
  }
  return ranges;
}

function fromRanges(ranges: readonly number[]): readonly number[] {
  const numbers: number[] = [];
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    const [from = 0, to = 0] = ranges.slice(i, i + 2);
    for (let number = from; number <= to; number++) numbers.push(number);
  }
  return numbers;
}

/** Far more than any page waits for; a row that says more is damaged. */
const rangeMax = 1_000_000;

function isRowValue(value: unknown): value is RowValue {
  if (typeof value !== "object" || value === null) return false;
  const { settledBelow, atMs, ranges, answers } = value as Partial<Record<keyof RowValue, unknown>>;
  if (!isCount(settledBelow) || typeof atMs !== "number" || !Array.isArray(ranges) || !Array.isArray(answers))
    return false;
  const isShort = ranges.every((end, i) => isCount(end) && (i % 2 === 0 || end - ranges[i - 1] < rangeMax));
  return isShort && answers.every((answer) => Array.isArray(answer) && isCount(answer[0]));
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function assertWriteId({ tab, number, settledBelow }: WriteId): void {
  const isTab = typeof tab === "string" && /^[0-9a-f]{1,64}$/.test(tab);
  if (isTab && isCount(number) && isCount(settledBelow) && settledBelow <= number) return;
  const got = show({ tab, number, settledBelow });
  throw new TidemarkError("INPUT_INVALID", {
    field: "write",
    got,
    expected: "a tab, and a number that is not settled",
  });
}
