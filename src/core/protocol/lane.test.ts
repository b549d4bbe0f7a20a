import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { openHanded } from "../../testing/sites.ts";
import type { Node } from "../graph.ts";
import type { DatabaseId, EntryId } from "../ids.ts";
import { batchBytesMax, batchEntriesMax, batchesInFlightMax, pendingEntriesMax } from "../limits.ts";
import type { Replica } from "../replica.ts";
import { Arrivals } from "./arrivals.ts";
import { Delivery } from "./delivery.ts";
import { Lane } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import { LogRanges } from "./log-ranges.ts";
import { Window } from "./window.ts";

const settings = openHanded.settings();
const windowBytes = openHanded.windowBytes();
const anybody = (): boolean => true;

/** Ids of entries that are void. */
const voids = new Set<EntryId>();
beforeEach(() => voids.clear());

/** A log of entries of these sizes. */
function logOf(sizes: readonly number[]): readonly Node[] {
  return sizes.map((size, position) => ({ id: `${position}` as EntryId, position, size }) as Node);
}

function deliveryOf(log: readonly Node[]): Delivery {
  return new Delivery(
    (position) => log[position] as Node,
    ({ id }) => !voids.has(id),
  );
}

/** What a comparison found missing is queued: everything, or what is below a position. */
function bulk(log: readonly Node[], through: number = log.length): Delivery {
  const delivery = deliveryOf(log);
  delivery.enqueueDifference(log.slice(0, through), through);
  return delivery;
}

function small(count: number, size = 100): readonly Node[] {
  return logOf(Array(count).fill(size));
}

function take(delivery: Delivery, window: Window): readonly Node[] | undefined {
  return delivery.nextBatch(window, settings, windowBytes)?.nodes;
}

function lengths(delivery: Delivery, window: Window): readonly number[] {
  const taken: number[] = [];
  for (let batch = take(delivery, window); batch !== undefined; batch = take(delivery, window))
    taken.push(batch.length);
  return taken;
}

function laneOf(digit: string, log: readonly Node[]): Lane {
  const graph = { at: (position: number) => log[position], counts: () => true };
  const replica = { database: digit.repeat(64) as DatabaseId, graph } as unknown as Replica;
  return new Lane(
    replica,
    (bytes) => bytes,
    () => undefined,
  );
}

/** Lanes of databases 1, 2 …, each with its log queued as catch-up or as new entries. */
function lanesOf(...logs: readonly (readonly [log: readonly Node[], kind: "bulk" | "interactive"])[]): Lanes {
  const lanes = new Lanes();
  for (const [i, [log, kind]] of logs.entries()) {
    const lane = laneOf(`${i + 1}`, log);
    if (kind === "bulk") lane.delivery.enqueueDifference(log, log.length);
    else lane.delivery.enqueueNamed(log, false);
    lanes.add(lane);
  }
  return lanes;
}

function turn(lanes: Lanes, maySend: (database: DatabaseId) => boolean = anybody): string | undefined {
  return lanes.nextBatch(maySend, settings, windowBytes)?.lane.database[0];
}

describe("[LANE-1] a batch", () => {
  test("has at most batchEntriesMax entries", () => {
    expect(lengths(bulk(small(2 * batchEntriesMax + 1)), new Window())).toEqual([batchEntriesMax, batchEntriesMax, 1]);
  });

  test("has at most batchBytesMax bytes, but always an entry", () => {
    const delivery = bulk(logOf([...Array(3).fill(batchBytesMax / 2), batchBytesMax + 1, 100]));
    expect(lengths(delivery, new Window())).toEqual([2, 1, 1, 1]);
  });

  test("is as small as the settings say, within one entry and the protocol's own limits", () => {
    const first = (entries: number, bytes: number): number | undefined =>
      bulk(small(2 * batchEntriesMax)).nextBatch(
        new Window(),
        { batchEntries: entries, batchBytes: bytes },
        windowBytes,
      )?.nodes.length;
    expect([first(10, 1e9), first(1e9, 500), first(0, 0), first(1e9, 1e9)]).toEqual([10, 5, 1, batchEntriesMax]);
  });

  test("is numbered from 1, and empties the queue in the order of the log", () => {
    const log = small(batchEntriesMax + 2);
    const delivery = deliveryOf(log);
    delivery.enqueueDifference([...log].reverse(), log.length);
    const window = new Window();
    const batches = [1, 2].map(() => delivery.nextBatch(window, settings, windowBytes));
    expect(batches.map((batch) => batch?.number)).toEqual([1, 2]);
    expect(batches.flatMap((batch) => batch?.nodes ?? [])).toEqual(log);
    expect([delivery.queued, delivery.unconfirmed]).toEqual([0, batchEntriesMax + 2]);
  });

  test("that is named first goes before everything else", () => {
    const log = small(10);
    const delivery = bulk(log, 5);
    delivery.enqueueNamed(log.slice(8), true);
    expect([delivery.priority, take(delivery, new Window())?.map(({ position }) => position)]).toEqual([
      "interactive",
      [8, 9],
    ]);
    expect(delivery.priority).toBe("bulk");
  });
});

describe("[LANE-2] entries of the peer", () => {
  test("are known until they are forgotten", () => {
    const arrivals = new Arrivals();
    arrivals.remember(["0", "1"] as EntryId[]);
    arrivals.forget(["1"] as EntryId[]);
    expect((["0", "1", "2"] as EntryId[]).map((id) => arrivals.isFromPeer(id))).toEqual([true, false, false]);
  });

  test("are remembered within a limit, the latest first", () => {
    const arrivals = new Arrivals();
    const many = pendingEntriesMax + batchesInFlightMax * batchEntriesMax + 10;
    const idAt = (i: number): EntryId => `${i}` as EntryId;
    for (let i = 0; i < many; i += 1_000) arrivals.remember(Array.from({ length: 1_000 }, (_, j) => idAt(i + j)));
    expect([arrivals.isFromPeer(idAt(0)), arrivals.isFromPeer(idAt(many - 1))]).toEqual([false, true]);
  });

  test("that wait to be sent to it are withdrawn", () => {
    const log = small(5);
    const delivery = bulk(log);
    delivery.withdraw(log[2] as Node);
    expect(take(delivery, new Window())?.map(({ position }) => position)).toEqual([0, 1, 3, 4]);
    expect([delivery.queuedBytes, delivery.unconfirmedBytes]).toEqual([0, 400]);
  });
});

test("[LANE-3] unconfirmed counts what is queued and what is under way, in entries and bytes", () => {
  const delivery = bulk(small(batchEntriesMax + 5));
  const window = new Window();
  const counts = (): readonly number[] => [delivery.unconfirmed, delivery.unconfirmedBytes];
  expect(counts()).toEqual([batchEntriesMax + 5, 100 * (batchEntriesMax + 5)]);
  take(delivery, window);
  expect(counts()).toEqual([batchEntriesMax + 5, 100 * (batchEntriesMax + 5)]);
  expect(delivery.confirm(1, true, window)).toBe(true);
  expect(counts()).toEqual([5, 500]);
});

test("[LANE-4] a confirmation covers all batches up to its number, may be repeated, and never one that was not sent", () => {
  const delivery = bulk(small(3 * batchEntriesMax, 1));
  const window = new Window();
  lengths(delivery, window);
  expect(delivery.confirm(4, true, window)).toBe(false);
  expect([delivery.unconfirmed, window.batches]).toEqual([3 * batchEntriesMax, 3]);
  expect(delivery.confirm(2, true, window)).toBe(true);
  expect([1, 2].map((number) => delivery.confirm(number, true, window))).toEqual([true, true]);
  expect(delivery.unconfirmed).toBe(batchEntriesMax);
  expect(delivery.confirm(3, true, window)).toBe(true);
  expect([window.batches, window.bytes]).toEqual([0, 0]);
});

describe("[LANE-5] the window", () => {
  test("holds batchesInFlightMax batches of all databases together", () => {
    const lanes = lanesOf(
      [small(20 * batchEntriesMax, 1), "interactive"],
      [small(20 * batchEntriesMax, 1), "interactive"],
    );
    let sent = 0;
    while (turn(lanes) !== undefined) sent += 1;
    expect(sent).toBe(batchesInFlightMax);
  });

  test("holds as many bytes as its owner says, at most 2 MiB, and always one batch", () => {
    const count = (bytes: number): number => {
      const delivery = deliveryOf(small(100, batchBytesMax));
      delivery.enqueueNamed(small(100, batchBytesMax), false);
      const window = new Window();
      while (delivery.nextBatch(window, settings, bytes) !== undefined);
      return window.batches;
    };
    expect([count(0), count(2 * batchBytesMax), count(1e12)]).toEqual([1, 2, batchesInFlightMax]);
  });

  test("holds one large entry alone, and nothing beside it", () => {
    const delivery = bulk(logOf([20 * batchBytesMax, 100]));
    const window = new Window();
    expect(lengths(delivery, window)).toEqual([1]);
    delivery.confirm(1, true, window);
    expect(lengths(delivery, window)).toEqual([1]);
  });

  test("lets a large entry wait until everything before it is confirmed", () => {
    const delivery = bulk(logOf([100, 20 * batchBytesMax]));
    const window = new Window();
    expect(lengths(delivery, window)).toEqual([1]);
    delivery.confirm(1, true, window);
    expect(lengths(delivery, window)).toEqual([1]);
  });
});

describe("[LANE-6] databases take turns", () => {
  test("each sends one batch, then the next", () => {
    const lanes = lanesOf([small(20 * batchEntriesMax, 1), "bulk"], [small(20 * batchEntriesMax, 1), "bulk"]);
    expect(Array.from({ length: 6 }, () => turn(lanes))).toEqual(["1", "2", "1", "2", "1", "2"]);
  });

  test("one that may not be sent, or is paused, does not hold up the others", () => {
    const lanes = lanesOf([small(1), "bulk"], [small(1), "bulk"], [small(1), "bulk"]);
    const paused = lanes.all()[1] as Lane;
    paused.delivery.isPaused = true;
    const mayThird = (database: DatabaseId): boolean => database[0] !== "1";
    expect([turn(lanes, mayThird), turn(lanes, mayThird)]).toEqual(["3", undefined]);
    paused.delivery.isPaused = false;
    expect([turn(lanes, mayThird), turn(lanes)]).toEqual(["2", "1"]);
  });
});

describe("[LANE-7] what waits", () => {
  test("is a set of positions in order, as a list of them is, and counts entries, bytes and ranges", () => {
    const log = logOf(Array.from({ length: 40 }, (_, i) => 1 + i));
    const change = fc.tuple(fc.constantFrom("add", "add", "remove", "take", "drop"), fc.nat(39));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 120 }), fc.integer({ min: 1, max: 12 }), (changes, rangesMax) => {
        const ranges = new LogRanges((position) => log[position] as Node);
        const model = new Set<number>();
        for (const [what, position] of changes) {
          if (what === "add") {
            const isNear = [position - 1, position, position + 1].some((each) => model.has(each));
            const added = ranges.add(log[position] as Node, rangesMax);
            expect(added).toBe(isNear || runsOf(model) < rangesMax);
            if (added) model.add(position);
          } else if (what === "remove") {
            ranges.remove(position);
            model.delete(position);
          } else if (what === "take") {
            const below = [...model].filter((each) => each < position).sort((a, b) => a - b);
            const bytes = ranges.measure(position, 3, 1e9);
            const taken = ranges.take(position, 3, 1e9);
            expect(taken.map((node) => node.position)).toEqual(below.slice(0, 3));
            expect(bytes).toBe(taken.reduce((sum, { size }) => sum + size, 0));
            for (const node of taken) model.delete(node.position);
          } else {
            ranges.dropBelow(position);
            for (const each of model) if (each < position) model.delete(each);
          }
          expect([ranges.count, ranges.rangeCount]).toEqual([model.size, runsOf(model)]);
          expect(ranges.bytes).toBe([...model].reduce((sum, each) => sum + 1 + each, 0));
          expect(ranges.first).toBe(model.size === 0 ? undefined : Math.min(...model));
          expect(log.map((node) => ranges.has(node.position))).toEqual(log.map((node) => model.has(node.position)));
          expect(ranges.countFrom(position)).toBe([...model].filter((each) => each >= position).length);
        }
      }),
      { numRuns: 300 },
    );

    function runsOf(positions: ReadonlySet<number>): number {
      return [...positions].filter((position) => !positions.has(position - 1)).length;
    }
  });

  test("is forgotten when it needs a range too many, and is counted", () => {
    const log = small(10);
    const delivery = deliveryOf(log);
    const odd = log.filter(({ position }) => position % 2 === 1);
    expect(delivery.gather(odd, 3)).toBe(2);
    expect(delivery.unconfirmed).toBe(3);
  });
});

describe("[LANE-8] new entries", () => {
  test("are not sent before they are released, and what was queued before is", () => {
    const log = small(6);
    const delivery = bulk(log, 2);
    delivery.gather(log.slice(2), 100);
    const window = new Window();
    expect([delivery.queued, delivery.unconfirmed, lengths(delivery, window)]).toEqual([2, 6, [2]]);
    delivery.release();
    expect([delivery.queued, lengths(delivery, window)]).toEqual([4, [4]]);
  });

  test("are enough when there are as many as the settings say, or as many bytes", () => {
    const delivery = deliveryOf(small(6));
    delivery.gather(small(6).slice(0, 3), 100);
    const isEnough = (flushEntries: number, flushBytes: number): boolean =>
      delivery.isEnough({ flushEntries, flushBytes });
    expect([isEnough(3, 1e9), isEnough(4, 1e9), isEnough(1e9, 300), isEnough(1e9, 301)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });
});

describe("[LANE-9] new entries and catch-up", () => {
  test("new entries go first, and one batch of five is catch-up", () => {
    const lanes = lanesOf([small(9 * batchEntriesMax, 1), "bulk"], [small(90 * batchEntriesMax, 1), "interactive"]);
    const order: (string | undefined)[] = [];
    const numbers = [0, 0, 0];
    for (let i = 0; i < 15; i++) {
      const database = turn(lanes);
      order.push(database);
      const at = Number(database);
      numbers[at] = (numbers[at] ?? 0) + 1;
      lanes.confirm(lanes.get(`${database}`.repeat(64) as DatabaseId) as Lane, numbers[at] ?? 0, true);
    }
    expect(order.join("")).toBe("222212222122221");
  });

  test("catch-up leaves a quarter of the window, so that new entries need not wait for it", () => {
    const lanes = lanesOf([small(90 * batchEntriesMax, 1), "bulk"], [small(0), "bulk"]);
    const taken = (): number => {
      let sent = 0;
      while (turn(lanes) !== undefined) sent += 1;
      return sent;
    };
    expect(taken()).toBe(0.75 * batchesInFlightMax);
    const late = small(9 * batchEntriesMax, 1);
    const lane = laneOf("3", late);
    lane.delivery.enqueueNamed(late, false);
    lanes.add(lane);
    expect(taken()).toBe(0.25 * batchesInFlightMax);
  });

  test("a full window keeps neither out for ever, whatever is confirmed when", () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (picks) => {
        const lanes = lanesOf([small(300, 1), "bulk"], [small(300, 1), "interactive"]);
        const each = { ...settings, batchEntries: 10 };
        const open: { readonly lane: Lane; readonly number: number }[] = [];
        const waited = new Map<string, number>();
        for (let steps = 0; steps < 60; steps++) {
          for (;;) {
            const batch = lanes.nextBatch(anybody, each, windowBytes);
            if (batch === undefined) break;
            open.push(batch);
            for (const { database, delivery } of lanes.all())
              waited.set(
                database,
                delivery.queued === 0 || database === batch.lane.database ? 0 : 1 + (waited.get(database) ?? 0),
              );
            expect(Math.max(...waited.values())).toBeLessThanOrEqual(8);
          }
          const of = open[(picks.next().value as number) % open.length];
          const oldest = open.findIndex(({ lane }) => lane === of?.lane);
          const [done] = oldest < 0 ? [] : open.splice(oldest, 1);
          if (done !== undefined) lanes.confirm(done.lane, done.number, true);
        }
      }),
    );
  });
});

describe("[LANE-10] what has become void while it waited", () => {
  const cut = (log: readonly Node[], ...positions: readonly number[]): void => {
    for (const position of positions) voids.add((log[position] as Node).id);
  };

  test("is not sent, is not announced as more to come, and takes no room in the window", () => {
    const log = small(10);
    const delivery = bulk(log);
    const window = new Window();
    cut(log, 0, 1, 4, 8, 9);
    delivery.recounted(undefined);
    expect([delivery.queued, delivery.unconfirmed]).toEqual([8, 8]);
    const batch = delivery.nextBatch(window, { ...settings, batchEntries: 6 }, windowBytes);
    expect(batch?.nodes.map(({ position }) => position)).toEqual([2, 3, 5, 6, 7]);
    expect([delivery.queued, delivery.unconfirmed, delivery.unconfirmedBytes]).toEqual([0, 5, 500]);
    expect(delivery.confirm(1, true, window)).toBe(true);
    expect([window.hasRoomFor(windowBytes, windowBytes, "interactive"), delivery.unconfirmed]).toEqual([true, 0]);
  });

  test("leaves nothing behind when it was all there was, gathered or not", () => {
    const log = small(10);
    const delivery = bulk(log, 5);
    delivery.gather(log.slice(5), 10);
    cut(log, ...log.map(({ position }) => position));
    delivery.recounted(undefined);
    expect([delivery.unconfirmed, delivery.isGathering, delivery.ranges]).toEqual([0, false, 0]);
    expect(delivery.nextBatch(new Window(), settings, windowBytes)).toBeUndefined();
  });

  test("is sent when the peer asked for it by name, once", () => {
    const log = small(10);
    const delivery = deliveryOf(log);
    cut(log, 3, 4, 5);
    delivery.enqueueAsked(log.slice(3, 5));
    delivery.enqueueNamed(log.slice(8, 9), false);
    delivery.recounted(undefined);
    const window = new Window();
    const positions = (entries: number): readonly number[] | undefined =>
      delivery
        .nextBatch(window, { ...settings, batchEntries: entries }, windowBytes)
        ?.nodes.map(({ position }) => position);
    expect(positions(2)).toEqual([3, 4]);
    delivery.confirm(1, true, window);
    // Named by somebody else: it is void.
    delivery.enqueueNamed(log.slice(2, 6), false);
    expect(positions(10)).toEqual([2, 8]);
    expect(delivery.queued).toBe(0);
  });

  test("is nothing that the peer has to hold, until it counts again", () => {
    const log = small(10);
    const delivery = deliveryOf(log);
    const window = new Window();
    delivery.held.compared(10, Number.POSITIVE_INFINITY);
    delivery.enqueueDifference(log.slice(2), 10);
    expect(delivery.advance()).toBe(2);
    cut(log, 2, 3);
    delivery.recounted(undefined);
    expect(delivery.advance()).toBe(4);
    take(delivery, window);
    delivery.confirm(1, true, window);
    expect(delivery.advance()).toBe(10);
    voids.clear();
    delivery.recounted(2);
    expect(delivery.advance()).toBeUndefined();
    // What comes later does not close the gap; a comparison does, or that both hold the same.
    delivery.held.announced(log.slice(10));
    expect(delivery.advance()).toBeUndefined();
    delivery.held.agreed(10);
    expect(delivery.advance()).toBe(10);
  });
});
