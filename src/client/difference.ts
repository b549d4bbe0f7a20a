/** What differs in two states of a database, a few at a time. */
import type { DatabaseId, EntryId } from "../core/ids.ts";
import type { DifferentPlace, StateDifference } from "../core/store/state-difference.ts";
import type { JsonValue } from "../core/store/values.ts";
import type { FoldingProgress } from "../engine/past-state.ts";
import type { Line } from "./line.ts";
import type { OpenView, PastViews, ViewOptions } from "./past-views.ts";
import { toRow } from "./table.ts";
import type { Row } from "./transaction.ts";

/** A row, a key or a document that reads differently; undefined: there was none, or there is none any more. */
export type Difference =
  | {
      readonly type: "table";
      readonly store: string;
      readonly id: string;
      readonly before: Row<Record<string, unknown>> | undefined;
      readonly after: Row<Record<string, unknown>> | undefined;
    }
  | {
      readonly type: "kv";
      readonly store: string;
      readonly key: string;
      readonly before: JsonValue | undefined;
      readonly after: JsonValue | undefined;
    }
  | {
      readonly type: "doc";
      readonly store: string;
      /** Heads, as `at` of the document takes them. */
      readonly before: readonly string[] | undefined;
      readonly after: readonly string[] | undefined;
    };

export interface Compared {
  readonly line: Pick<Line, "call">;
  readonly views: PastViews;
  readonly database: DatabaseId;
  readonly before: readonly EntryId[];
  /** Undefined: what is durable when it begins. */
  readonly after: readonly EntryId[] | undefined;
}

/** Both states are open until the last one was taken, or nobody takes more. Rejects as `PastViews.open` does. */
export async function* compare(
  { line, views, database, before, after }: Compared,
  { signal, onProgress }: ViewOptions,
): AsyncGenerator<Difference, void> {
  const tips = after ?? (await line.call("diff", (api) => api.tips(database), { signal }));
  const told = [noProgress, noProgress];
  const tell = (i: number) => (progress: FoldingProgress) => {
    told[i] = progress;
    onProgress?.(told.reduce(sum));
  };
  const opening = [before, tips].map((each, i) =>
    views.open(database, each, { signal, onProgress: onProgress && tell(i) }),
  );
  try {
    const [one, other] = (await Promise.all(opening)) as [OpenView, OpenView];
    for (let last: DifferentPlace | undefined; ; ) {
      const found = await line.call("diff", (api) => comparePage(api, one, other, last), { signal });
      for (const each of found) yield toDifference(each);
      const end = found.at(-1);
      if (end === undefined) return;
      last = { store: end.store, type: end.type, id: end.id };
    }
  } finally {
    for (const view of opening) view.then((opened) => opened.close()).catch(() => {}); // Told above.
  }
}

async function comparePage(
  api: Parameters<OpenView["ready"]>[0],
  one: OpenView,
  other: OpenView,
  last: DifferentPlace | undefined,
): Promise<readonly StateDifference[]> {
  await Promise.all([one.ready(api), other.ready(api)]);
  return await api.compareViews(one.number, other.number, last);
}

const noProgress: FoldingProgress = { entries: 0, total: 0 };

function sum(one: FoldingProgress, other: FoldingProgress): FoldingProgress {
  return { entries: one.entries + other.entries, total: one.total + other.total };
}

function toDifference(found: StateDifference): Difference {
  const { store, id } = found;
  if (found.type === "kv") return { type: "kv", store, key: id, before: found.before, after: found.after };
  if (found.type === "doc") return { type: "doc", store, before: found.before, after: found.after };
  const { before, after } = found;
  return { type: "table", store, id, before: before && toRow(id, before), after: after && toRow(id, after) };
}
