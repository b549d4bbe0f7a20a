import { expect, test } from "vitest";
import { type EntryId, formatCid } from "../core/ids.ts";
import { toEntryExplanation } from "./permissions-info.ts";

test("[CLIENT-25] every entry that an explanation names is named by its CID, and what it leaves out stays out", () => {
  const [entry, by, follows, keptUnder, would] = ["1", "2", "3", "4", "5"].map((digit) => digit.repeat(64)) as [
    EntryId,
    EntryId,
    EntryId,
    EntryId,
    EntryId,
  ];
  const cid = (id: EntryId): string => formatCid(id);
  expect(toEntryExplanation({ type: "counts", entry, by, follows, keptUnder, revived: { would, by } })).toEqual({
    type: "counts",
    entry: cid(entry),
    by: cid(by),
    follows: cid(follows),
    keptUnder: cid(keptUnder),
    revived: { would: cid(would), by: cid(by) },
  });
  const least = toEntryExplanation({ type: "counts", entry, revived: { would } });
  expect(least).toStrictEqual({ type: "counts", entry: cid(entry), revived: { would: cid(would) } });
  expect(toEntryExplanation({ type: "unknown", entry })).toStrictEqual({ type: "unknown", entry: cid(entry) });
});
