/** Who changed a document and when, in the form that apps see: entries by their CIDs. */
import { millisecondsOf } from "../../core/clock.ts";
import { type DatabaseId, formatCid, type PublicKey } from "../../core/ids.ts";
import { docHistoryMax } from "../../core/limits.ts";
import { assertInteger, assertObject } from "../input.ts";
import type { Line } from "../line.ts";

/** One change: what `change` did in one call. */
export interface DocHistoryChange {
  /** For `at`: the document as whoever changed it had it then. */
  readonly heads: readonly string[];
  /** CID of the entry. */
  readonly entry: string;
  readonly author: PublicKey;
  /** When its entry was written by its author's clock, in milliseconds since 1970. */
  readonly atMs: number;
  /** How much it did: a letter that was typed is one. */
  readonly ops: number;
  /** What was given with it; empty without. */
  readonly message: string;
}

export interface DocHistoryOptions {
  /** Where the page before this one ended: its `next`. Default: the last change is the first. */
  readonly before?: number;
  /** 1 to 1,000. Default: 100. */
  readonly limit?: number;
}

export interface DocHistoryPage {
  /** The last ones first. Each comes before those that it stands on. */
  readonly changes: readonly DocHistoryChange[];
  /** For `before`; undefined when that was all. Good until the page is loaded anew. */
  readonly next: number | undefined;
}

const limitDefault = 100;

/** Rejects with INPUT_INVALID, DATABASE_UNKNOWN, INSTANCE_CLOSED. */
export async function readDocHistory(
  line: Pick<Line, "call">,
  database: DatabaseId,
  store: string,
  options: DocHistoryOptions,
): Promise<DocHistoryPage> {
  assertObject(options, "options of history", "{ before, limit }");
  const { before, limit = limitDefault } = options;
  if (before !== undefined) assertInteger(before, "before", 0, Number.MAX_SAFE_INTEGER);
  assertInteger(limit, "limit", 1, docHistoryMax);
  const records = await line.call("history", (api) => api.docHistory(database, store, before, limit));
  const changes = records.map(({ hash, entry, author, time, ops, message }) => {
    return { heads: [hash], entry: formatCid(entry), author, atMs: millisecondsOf(time), ops, message };
  });
  const last = records.at(-1);
  return { changes, next: records.length < limit || last?.position === 0 ? undefined : last?.position };
}
