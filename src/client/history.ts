/** Who wrote what and when, in the form that apps see: entries by their CIDs. */
import { millisecondsOf } from "../core/clock.ts";
import { type DatabaseId, formatCid } from "../core/ids.ts";
import { historyEntriesMax } from "../core/limits.ts";
import { invalid } from "../core/store/values.ts";
import type { PastEntry } from "../engine/entry-history.ts";
import { assertInteger, assertObject, assertOneOf, given, toEntryId } from "./input.ts";
import type { Line } from "./line.ts";

export interface HistoryOptions {
  /** Only entries before this one: its id. */
  readonly before?: string;
  /** Only entries after this one: its id. */
  readonly after?: string;
  /** Which come first. Default: the newest, or the oldest with `after` and without `before`. */
  readonly order?: "newest" | "oldest";
  /** 1 to 1,000. Default 100. A page holds fewer where entries are large: more than 8 MiB are not read for one. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

/** One entry: who wrote it, when, and what. */
export interface HistoryEntry extends Omit<PastEntry, "id" | "time" | "parents"> {
  /** CID of the entry. */
  readonly id: string;
  /** When it was written by its author's clock, in milliseconds since 1970. */
  readonly atMs: number;
  /** What it follows directly: `diff(parents, id)` is what it changed. Empty for the first entry of all. */
  readonly parents: readonly string[];
}

export interface HistoryPage {
  readonly entries: readonly HistoryEntry[];
  /** For `before`, or for `after` where the oldest come first: the next page is behind it. Undefined: that was all. */
  readonly next: string | undefined;
  /** For `onWrite`: it goes on with exactly those entries that were not there yet for this page. Good on this device only. */
  readonly cursor: string;
}

const limitDefault = 100;

/** Rejects with INPUT_INVALID, ENTRY_UNKNOWN, ABORTED, or a STORAGE_ code. */
export async function readHistory(
  line: Pick<Line, "call">,
  database: DatabaseId,
  options: HistoryOptions,
): Promise<HistoryPage> {
  assertObject(options, "options of history", "{ before, after, order, limit, signal }");
  const { limit = limitDefault, signal } = options;
  const before = options.before === undefined ? undefined : toEntryId(options.before, "before");
  const after = options.after === undefined ? undefined : toEntryId(options.after, "after");
  const { order = after !== undefined && before === undefined ? "oldest" : "newest" } = options;
  assertOneOf(order, "order", ["newest", "oldest"]);
  assertInteger(limit, "limit", 1, historyEntriesMax);
  assertSignal(signal);
  const query = { ...given({ before, after }), order, limit };
  const { entries, next, cursor } = await line.call("history", (api) => api.history(database, query), { signal });
  return { entries: entries.map(toHistoryEntry), next: next && formatCid(next), cursor };
}

export function assertSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid("signal", signal, "an AbortSignal");
}

function toHistoryEntry({ id, time, parents, ...rest }: PastEntry): HistoryEntry {
  return { ...rest, id: formatCid(id), atMs: millisecondsOf(time), parents: parents.map(formatCid) };
}
