import { expect, test } from "vitest";
import { unwrap } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { decodePart } from "../core/store/kinds.ts";
import type { DatabaseState, StoreChange } from "../core/store/state.ts";
import { newState, originAt } from "../testing/states.ts";
import { turn } from "../testing/turn.ts";
import { rowParts } from "../testing/writers.ts";
import type { WorkerEvent } from "./api.ts";
import { Watches } from "./watches.ts";

const database = "d".repeat(64) as DatabaseId;

function write(state: DatabaseState, row: string): readonly StoreChange[] {
  const parts = rowParts(row).map((part) => unwrap(decodePart(part)));
  return state.merge(parts, originAt(1));
}

test("[ENGINE-24] whoever watches is sent everything anew when the state was made anew, and nothing more of what changed in the old one", async () => {
  let state = newState();
  const events: WorkerEvent[] = [];
  const watches = new Watches(
    () => state,
    (event) => void events.push(event),
  );
  for (const row of ["a", "void"]) write(state, row);
  watches.add(1, database, "table", "rows");
  watches.add(2, "f".repeat(64) as DatabaseId, "table", "rows");
  const shown = (): readonly unknown[] =>
    events.splice(0).map((event) => {
      return event.type === "items" ? [event.watch, event.all, event.items.map(([id]) => id)] : event;
    });
  expect(shown()).toEqual([
    [1, true, ["a", "void"]],
    [2, true, ["a", "void"]],
  ]);
  watches.note(database, write(state, "more"));
  state = newState();
  for (const row of ["more", "a"]) write(state, row);
  watches.refresh(database);
  await turn();
  expect(shown()).toEqual([[1, true, ["a", "more"]]]);
  watches.note(database, write(state, "last"));
  await turn();
  expect(shown()).toEqual([[1, false, ["last"]]]);
});
