import { describe, expect, test } from "vitest";
import type { Node } from "../graph.ts";
import type { DatabaseId, EntryId } from "../ids.ts";
import { batchBytesMax, batchEntriesMax, batchesInFlightMax, pendingEntriesMax } from "../limits.ts";
import { Lane } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import { Window } from "./window.ts";

const [one, two] = ["1", "2"].map((digit) => digit.repeat(64) as DatabaseId) as [DatabaseId, DatabaseId];

function nodes(count: number, size = 100): readonly Node[] {
  return Array.from({ length: count }, (_, i) => ({ id: `${i}` as EntryId, size })) as unknown as readonly Node[];
}

function lengths(lane: Lane, window: Window): readonly number[] {
  const taken: number[] = [];
  for (let batch = lane.nextBatch(window); batch !== undefined; batch = lane.nextBatch(window))
    taken.push(batch.nodes.length);
  return taken;
}

describe("[LANE-1] a batch", () => {
  test("has at most batchEntriesMax entries", () => {
    const lane = new Lane(one);
    lane.enqueue(nodes(2 * batchEntriesMax + 1));
    expect(lengths(lane, new Window())).toEqual([batchEntriesMax, batchEntriesMax, 1]);
  });

  test("has at most batchBytesMax bytes, but always an entry", () => {
    const lane = new Lane(one);
    lane.enqueue([...nodes(3, batchBytesMax / 2), ...nodes(1, batchBytesMax + 1), ...nodes(1)]);
    const window = new Window();
    expect(lengths(lane, window)).toEqual([2, 1, 1, 1]);
  });

  test("is numbered from 1, and empties the queue in order", () => {
    const lane = new Lane(one);
    lane.enqueue(nodes(batchEntriesMax + 2));
    const window = new Window();
    const [first, second] = [lane.nextBatch(window), lane.nextBatch(window)];
    expect([first?.number, second?.number]).toEqual([1, 2]);
    expect([...(first?.nodes ?? []), ...(second?.nodes ?? [])].map(({ id }) => Number(id))).toEqual([
      ...Array(batchEntriesMax + 2).keys(),
    ]);
    expect([lane.queued, lane.unconfirmed]).toEqual([0, batchEntriesMax + 2]);
  });
});

describe("[LANE-2] entries of the peer", () => {
  test("are not sent back, until they are forgotten", () => {
    const lane = new Lane(one);
    lane.remember(["0", "1"] as EntryId[]);
    lane.forget(["1"] as EntryId[]);
    lane.enqueue(nodes(3));
    expect(lane.nextBatch(new Window())?.nodes.map(({ id }) => id)).toEqual(["1", "2"]);
  });

  test("are remembered within a limit, the latest first", () => {
    const lane = new Lane(one);
    const many = pendingEntriesMax + batchesInFlightMax * batchEntriesMax + 10;
    for (let i = 0; i < many; i += 1_000) lane.remember(Array.from({ length: 1_000 }, (_, j) => `${i + j}` as EntryId));
    lane.enqueue(nodes(many));
    expect(lane.queued).toBeLessThanOrEqual(1_000);
    expect(lane.queued).toBeGreaterThan(0);
  });
});

test("[LANE-3] unconfirmed counts what is queued and what is under way", () => {
  const lane = new Lane(one);
  const window = new Window();
  lane.enqueue(nodes(batchEntriesMax + 5));
  expect(lane.unconfirmed).toBe(batchEntriesMax + 5);
  lane.nextBatch(window);
  expect(lane.unconfirmed).toBe(batchEntriesMax + 5);
  expect(lane.confirm(1, window)).toBe(true);
  expect(lane.unconfirmed).toBe(5);
});

test("[LANE-4] a confirmation covers all batches up to its number, may be repeated, and never one that was not sent", () => {
  const lane = new Lane(one);
  const window = new Window();
  lane.enqueue(nodes(3 * batchEntriesMax));
  lengths(lane, window);
  expect(lane.confirm(4, window)).toBe(false);
  expect([lane.unconfirmed, window.batches]).toEqual([3 * batchEntriesMax, 3]);
  expect(lane.confirm(2, window)).toBe(true);
  expect([lane.confirm(1, window), lane.confirm(2, window), lane.unconfirmed]).toEqual([true, true, batchEntriesMax]);
  expect(lane.confirm(3, window)).toBe(true);
  expect([window.batches, window.bytes]).toEqual([0, 0]);
});

describe("[LANE-5] the window", () => {
  test("holds batchesInFlightMax batches of all databases together", () => {
    const lanes = new Lanes();
    for (const database of [one, two]) lanes.open(database).enqueue(nodes(20 * batchEntriesMax, 1));
    let sent = 0;
    while (lanes.nextBatch(() => true) !== undefined) sent += 1;
    expect(sent).toBe(batchesInFlightMax);
  });

  test("holds one large entry alone, and nothing beside it", () => {
    const lane = new Lane(one);
    const window = new Window();
    lane.enqueue([...nodes(1, 20 * batchBytesMax), ...nodes(1)]);
    expect(lengths(lane, window)).toEqual([1]);
    lane.confirm(1, window);
    expect(lengths(lane, window)).toEqual([1]);
  });

  test("lets a large entry wait until everything before it is confirmed", () => {
    const lane = new Lane(one);
    const window = new Window();
    lane.enqueue([...nodes(1), ...nodes(1, 20 * batchBytesMax)]);
    expect(lengths(lane, window)).toEqual([1]);
    lane.confirm(1, window);
    expect(lengths(lane, window)).toEqual([1]);
  });
});

test("[LANE-6] databases take turns", () => {
  const lanes = new Lanes();
  for (const database of [one, two]) lanes.open(database).enqueue(nodes(20 * batchEntriesMax, 1));
  const turns = Array.from({ length: 6 }, () => lanes.nextBatch(() => true)?.lane.database);
  expect(turns).toEqual([one, two, one, two, one, two]);
});

test("[LANE-6] a database that may not be sent does not hold up the others", () => {
  const lanes = new Lanes();
  for (const database of [one, two]) lanes.open(database).enqueue(nodes(1));
  expect(lanes.nextBatch((database) => database === two)?.lane.database).toBe(two);
  expect(lanes.nextBatch((database) => database === two)).toBeUndefined();
  expect(lanes.open(one).queued).toBe(1);
});
