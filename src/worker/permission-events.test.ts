import { describe, expect, test } from "vitest";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { changedEntriesMax } from "../core/limits.ts";
import { SimulatedClock } from "../testing/clock.ts";
import type { WorkerEvent } from "./api.ts";
import { PermissionEvents } from "./permission-events.ts";

const database = "d".repeat(64) as DatabaseId;
const nothing = { voided: [], revived: [], because: [] };

function idOf(number: number): EntryId {
  return number.toString(16).padStart(64, "0") as EntryId;
}

function listen(isHere = true) {
  const clock = new SimulatedClock();
  const told: WorkerEvent[] = [];
  const source = { members: () => (isHere ? [] : undefined), requests: () => (isHere ? [] : undefined) };
  return { clock, told, events: new PermissionEvents(source, clock, (event) => told.push(event)) };
}

describe("[CLIENT-23] what the page is told about permissions", () => {
  test("is one event for what comes together, and another for what comes later", () => {
    const { clock, told, events } = listen();
    events.permissionsChanged(database, { ...nothing, voided: [idOf(1)], because: [idOf(9)] });
    events.permissionsChanged(database, { ...nothing, voided: [idOf(2)], because: [idOf(9)] });
    expect(told).toEqual([]);
    clock.advance(50);
    const first = { type: "permissions", database, members: [], revived: [], voided: [idOf(1), idOf(2)] };
    expect(told).toEqual([{ ...first, because: [idOf(9)] }]);
    events.permissionsChanged(database, nothing);
    clock.advance(50);
    expect(told[1]).toEqual({ type: "permissions", database, members: [], ...nothing });
  });

  test("leaves out what was undone before it was told", () => {
    const { clock, told, events } = listen();
    events.permissionsChanged(database, { ...nothing, voided: [idOf(1), idOf(2)] });
    events.permissionsChanged(database, { ...nothing, revived: [idOf(1), idOf(3)] });
    events.permissionsChanged(database, { ...nothing, voided: [idOf(3)] });
    clock.advance(50);
    expect(told).toMatchObject([{ voided: [idOf(2)], revived: [] }]);
  });

  test("never names more than 1,000 entries", () => {
    const { clock, told, events } = listen();
    const many = Array.from({ length: 700 }, (_, i) => idOf(i));
    const more = Array.from({ length: 700 }, (_, i) => idOf(700 + i));
    for (const voided of [many, more]) events.permissionsChanged(database, { ...nothing, voided });
    clock.advance(50);
    expect(told).toMatchObject([{ voided: [...many, ...more].slice(0, changedEntriesMax) }]);
  });

  test("is nothing about a database that is gone", () => {
    const { clock, told, events } = listen(false);
    events.permissionsChanged(database, nothing);
    events.requestsChanged(database);
    clock.advance(50);
    expect(told).toEqual([]);
  });

  test("are all requests once, however often they changed", () => {
    const { clock, told, events } = listen();
    events.requestsChanged(database);
    events.requestsChanged(database);
    clock.advance(50);
    expect(told).toEqual([{ type: "requests", database, requests: [] }]);
  });
});
