import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { Graph } from "../core/graph.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { SeededRandom } from "../testing/random.ts";
import { StoredEntries } from "../testing/stored-entries.ts";
import { keyOf } from "../testing/writers.ts";
import { Holdings, waitersMax } from "./holdings.ts";
import { LocalStore } from "./local-store.ts";
import { Registry } from "./registry.ts";

const peers = [keyOf(1), keyOf(2), keyOf(3)] as const;
const [b, c] = peers;
const never = (): AbortSignal => new AbortController().signal;

interface Setup {
  readonly holdings: Holdings;
  readonly graph: Graph;
  readonly id: DatabaseId;
  readonly clock: SimulatedClock;
  readonly lost: string[];
  readonly changed: DatabaseId[];
  grow(count: number): void;
  /** The same device after it was started again. */
  restart(): Promise<Holdings>;
}

const failed = (error: unknown): void => expect.fail(String(error));

async function setup(count = 10, stored = count): Promise<Setup> {
  const source = new StoredEntries(new SeededRandom(1));
  const graph = new Graph();
  const grow = (more: number): void => {
    for (const entry of source.take(more)) graph.add(entry);
  };
  grow(count);
  const [clock, disk, id] = [new SimulatedClock(), new MemoryDisk(), source.database];
  const [lost, changed]: [string[], DatabaseId[]] = [[], []];
  let store: LocalStore | undefined;
  const start = async (): Promise<Holdings> => {
    await store?.flush();
    store = await LocalStore.open({ storage: createMemoryStorage(disk), clock, failed });
    const registry = new Registry({ store, clock, changed: () => {} });
    registry.add(b, { name: "Bea" });
    for (const peer of peers) registry.shared(peer, id);
    const lostOne = (peer: PublicKey, database: DatabaseId): void => void lost.push(peer + database);
    const holdings = new Holdings({ registry, clock, lost: lostOne, changed: (each) => void changed.push(each) });
    holdings.opened(id, graph, stored);
    return holdings;
  };
  return { holdings: await start(), graph, id, clock, lost, changed, grow, restart: start };
}

function epochOf(number: number): string {
  return String(number).repeat(32);
}

/** What became of a promise so far. */
async function outcome(promise: Promise<void>): Promise<string> {
  const settled = promise.then(
    () => "resolved",
    (error: unknown) => (error instanceof TidemarkError ? error.code : String(error)),
  );
  let turns = 0;
  const waiting = (async () => {
    for (; turns < 10; turns++) await undefined;
    return "waiting";
  })();
  return Promise.race([settled, waiting]);
}

function sizes(graph: Graph, from: number): number {
  let bytes = 0;
  for (let at = from; at < graph.size; at++) bytes += graph.at(at).size;
  return bytes;
}

test("[HOLDINGS-1] a peer holds what it confirmed, under the epoch of its storage, also after a restart of this device", async () => {
  const { holdings, id, clock, restart } = await setup();
  expect(holdings.heldBy(id)).toEqual([]);
  holdings.connected(b, epochOf(1));
  holdings.connected(c, epochOf(9));
  holdings.held(b, id, 4);
  clock.advance(1_000);
  holdings.held(c, id, 10);
  const [first, second] = holdings.heldBy(id);
  expect(first).toEqual({
    peer: b,
    name: "Bea",
    entries: 4,
    isComplete: false,
    atMs: clock.now() - 1_000,
    epoch: epochOf(1),
  });
  expect(second).toMatchObject({
    peer: c,
    name: "",
    entries: 10,
    isComplete: true,
    atMs: clock.now(),
    epoch: epochOf(9),
  });
  const later = (await restart()).heldBy(id);
  expect(later.map(({ entries, epoch, atMs }) => [entries, epoch, atMs])).toEqual([
    [4, epochOf(1), undefined],
    [10, epochOf(9), undefined],
  ]);
});

test("[HOLDINGS-1] what a peer says that is not connected counts for nothing", async () => {
  const { holdings, id } = await setup();
  holdings.held(b, id, 4);
  holdings.connected(b, epochOf(1));
  holdings.disconnected(b);
  holdings.held(b, id, 5);
  expect([holdings.heldBy(id), holdings.pending(id).entries]).toEqual([[], 10]);
});

test("[HOLDINGS-2] a peer that comes with another epoch holds nothing until it confirms anew, and its loss is told once", async () => {
  const { holdings, id, lost, changed } = await setup();
  holdings.connected(b, epochOf(1));
  holdings.held(b, id, 10);
  holdings.disconnected(b);
  holdings.connected(b, epochOf(1));
  expect([lost, holdings.pending(id).entries]).toEqual([[], 0]);
  changed.length = 0;
  holdings.connected(b, epochOf(2));
  expect([lost, changed]).toEqual([[b + id], [id]]);
  expect([holdings.heldBy(id), holdings.pending(id).entries]).toEqual([[], 10]);
  holdings.held(b, id, 3);
  expect(holdings.heldBy(id)).toMatchObject([{ entries: 3, epoch: epochOf(2) }]);
  holdings.connected(b, epochOf(2));
  expect(lost).toHaveLength(1);
});

test("[HOLDINGS-3] pending is what no other device confirmed, durable here or not, to the byte", async () => {
  const { holdings, graph, id, grow } = await setup(3_000, 2_000);
  expect(holdings.pending(id)).toEqual({ entries: 3_000, bytes: sizes(graph, 0) });
  holdings.connected(b, epochOf(1));
  holdings.connected(c, epochOf(2));
  holdings.held(b, id, 1_500);
  holdings.held(c, id, 700);
  expect(holdings.pending(id)).toEqual({ entries: 1_500, bytes: sizes(graph, 1_500) });
  grow(100);
  expect(holdings.pending(id)).toEqual({ entries: 1_600, bytes: sizes(graph, 1_500) });
  holdings.connected(b, epochOf(3));
  expect(holdings.pending(id)).toEqual({ entries: 2_400, bytes: sizes(graph, 700) });
});

test("[HOLDINGS-3] asking again and again walks over at most 1,024 entries each time", async () => {
  let reads = 0;
  const size = 100_000;
  const at = (): never => {
    reads += 1;
    return { size: 2 } as never;
  };
  const { holdings, id } = await setup();
  holdings.opened(id, { size, at, counts: () => true }, size);
  holdings.pending(id);
  expect(reads).toBe(size);
  holdings.connected(b, epochOf(1));
  for (let i = 1; i <= 100; i++) {
    holdings.held(b, id, i * 997);
    expect(holdings.pending(id)).toEqual({ entries: size - i * 997, bytes: 2 * (size - i * 997) });
  }
  expect(reads).toBeLessThanOrEqual(size + 100 * 1_024);
});

test("[HOLDINGS-4] it is safe when this device and the others hold it, in whatever order that comes", async () => {
  const { holdings, id } = await setup(10, 5);
  const [one, two, three] = [1, 2, 3].map((copies) => holdings.whenSafe(id, 10, copies, never())) as [
    Promise<void>,
    Promise<void>,
    Promise<void>,
  ];
  expect(await outcome(holdings.whenSafe(id, 5, 1, never()))).toBe("resolved");
  holdings.connected(b, epochOf(1));
  holdings.held(b, id, 10);
  expect(await outcome(two)).toBe("waiting");
  holdings.stored(id, 9);
  expect(await outcome(one)).toBe("waiting");
  holdings.stored(id, 10);
  expect([await outcome(one), await outcome(two), await outcome(three)]).toEqual(["resolved", "resolved", "waiting"]);
  holdings.connected(c, epochOf(1));
  holdings.held(c, id, 9);
  expect(await outcome(three)).toBe("waiting");
  holdings.held(c, id, 10);
  expect(await outcome(three)).toBe("resolved");
});

test("[HOLDINGS-5] an abort, the end of the database, and the end of the instance let go of those who wait", async () => {
  const { holdings, id, restart, graph } = await setup();
  const abort = new AbortController();
  const aborted = holdings.whenSafe(id, 10, 2, abort.signal);
  abort.abort();
  expect(await outcome(aborted)).toBe("ABORTED");
  expect(await outcome(holdings.whenSafe(id, 1, 1, abort.signal))).toBe("ABORTED");
  const closed = holdings.whenSafe(id, 10, 2, never());
  holdings.closed(id);
  expect(await outcome(closed)).toBe("DATABASE_UNKNOWN");
  expect(await outcome(holdings.whenSafe(id, 1, 1, never()))).toBe("DATABASE_UNKNOWN");
  const other = await restart();
  const reloaded = other.whenSafe(id, 10, 2, never());
  other.opened(id, graph, 10);
  expect(await outcome(reloaded)).toBe("DATABASE_UNKNOWN");
  const ended = other.whenSafe(id, 10, 2, never());
  other.close(new TidemarkError("INSTANCE_CLOSED", { name: "x" }));
  expect([await outcome(ended), await outcome(other.whenSafe(id, 1, 1, never()))]).toEqual(
    Array(2).fill("INSTANCE_CLOSED"),
  );
});

test.each([0, 33, 1.5, Number.NaN])("[HOLDINGS-5] %d copies are refused", async (copies) => {
  const { holdings, id } = await setup();
  expect(await outcome(holdings.whenSafe(id, 1, copies, never()))).toBe("INPUT_INVALID");
});

test("[HOLDINGS-5] at most 10,000 wait, and each that ends makes room", async () => {
  const { holdings, id } = await setup();
  const first = new AbortController();
  const waiting = holdings.whenSafe(id, 10, 2, first.signal);
  const others = Array.from({ length: waitersMax - 1 }, () => holdings.whenSafe(id, 10, 2, never()));
  expect(await outcome(holdings.whenSafe(id, 10, 2, never()))).toBe("INPUT_INVALID");
  first.abort();
  expect(await outcome(waiting)).toBe("ABORTED");
  const last = holdings.whenSafe(id, 10, 2, never());
  holdings.connected(b, epochOf(1));
  holdings.held(b, id, 10);
  await Promise.all([...others, last]);
});

type Step =
  | { readonly type: "connected"; readonly peer: number; readonly epoch: number }
  | { readonly type: "disconnected"; readonly peer: number }
  | { readonly type: "held"; readonly peer: number; readonly through: number }
  | { readonly type: "stored"; readonly through: number }
  | { readonly type: "grown"; readonly count: number }
  | { readonly type: "restarted" }
  | { readonly type: "asked"; readonly through: number; readonly copies: number };

const peerNumber = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ type: fc.constant("connected" as const), peer: peerNumber, epoch: fc.nat(2) }),
  fc.record({ type: fc.constant("disconnected" as const), peer: peerNumber }),
  { weight: 3, arbitrary: fc.record({ type: fc.constant("held" as const), peer: peerNumber, through: fc.nat(40) }) },
  fc.record({ type: fc.constant("stored" as const), through: fc.nat(40) }),
  fc.record({ type: fc.constant("grown" as const), count: fc.nat(10) }),
  fc.record({ type: fc.constant("restarted" as const) }),
  fc.record({ type: fc.constant("asked" as const), through: fc.nat(40), copies: fc.integer({ min: 1, max: 4 }) }),
);

/** What each peer really has: for each epoch of its storage how much it confirmed, and which epoch it has now. */
class Model {
  readonly peers = peers.map(() => ({ epoch: -1, isConnected: false, through: 0 }));
  stored = 10;

  apply(step: Step, size: number): void {
    if (step.type === "stored") this.stored = Math.max(this.stored, Math.min(step.through, size));
    if (!("peer" in step)) return;
    const peer = this.peers[step.peer] as (typeof this.peers)[number];
    if (step.type === "disconnected") peer.isConnected = false;
    if (step.type === "held" && peer.isConnected) peer.through = Math.max(peer.through, Math.min(step.through, size));
    if (step.type !== "connected") return;
    if (step.epoch !== peer.epoch) peer.through = 0;
    Object.assign(peer, { epoch: step.epoch, isConnected: true });
  }

  isSafe(through: number, copies: number): boolean {
    const others = this.peers.filter((peer) => peer.through >= through).length;
    return this.stored >= through && others >= copies - 1;
  }
}

test("[HOLDINGS-1] [HOLDINGS-2] [HOLDINGS-3] [HOLDINGS-4] whatever happens, it says what a simple model says", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), async (steps) => {
      const { holdings: first, graph, id, grow, restart } = await setup(10);
      let holdings = first;
      const model = new Model();
      const waits: { readonly through: number; readonly copies: number; isResolved: boolean; wasSafe: boolean }[] = [];
      for (const each of steps) {
        model.apply(each, graph.size);
        if (each.type === "connected") holdings.connected(peers[each.peer] as PublicKey, epochOf(each.epoch));
        if (each.type === "disconnected") holdings.disconnected(peers[each.peer] as PublicKey);
        if (each.type === "held") holdings.held(peers[each.peer] as PublicKey, id, Math.min(each.through, graph.size));
        if (each.type === "stored") holdings.stored(id, Math.min(each.through, graph.size));
        if (each.type === "grown") grow(each.count);
        if (each.type === "restarted") {
          for (const peer of model.peers) peer.isConnected = false;
          waits.length = 0;
          holdings = await restart();
          holdings.stored(id, model.stored);
        }
        if (each.type === "asked") {
          const wait = { ...each, isResolved: false, wasSafe: false };
          waits.push(wait);
          void holdings.whenSafe(id, each.through, each.copies, never()).then(() => {
            wait.isResolved = true;
          });
        }
        for (const wait of waits) wait.wasSafe ||= model.isSafe(wait.through, wait.copies);
        for (let turn = 0; turn < 5; turn++) await undefined;
        expect(waits.filter((wait) => wait.isResolved !== wait.wasSafe)).toEqual([]);
        const best = Math.max(...model.peers.map(({ through }) => through));
        expect(holdings.pending(id)).toEqual({ entries: graph.size - best, bytes: sizes(graph, best) });
        const expected = peers.flatMap((peer, i) => {
          const { through, epoch } = model.peers[i] as (typeof model.peers)[number];
          const isComplete = through >= model.stored;
          return through === 0
            ? []
            : [{ peer, entries: Math.min(through, model.stored), epoch: epochOf(epoch), isComplete }];
        });
        expect(holdings.heldBy(id).map(({ name: _, atMs: __, ...rest }) => rest)).toEqual(expected);
      }
    }),
    { numRuns: 300 },
  );
});

describe("[HOLDINGS-6] entries that are void", () => {
  test("are not counted, be they pending, held or saved", async () => {
    const { holdings, graph, id, grow } = await setup(3_000);
    expect(holdings.pending(id).entries).toBe(3_000);
    const voids = new Set([5, 6, 1_023, 1_024, 2_999]);
    graph.counts = ({ position }) => !voids.has(position);
    holdings.recounted(id, undefined);
    const counted = (from: number): number =>
      Array.from({ length: graph.size - from }, (_, i) => from + i).filter((position) => !voids.has(position)).length;
    const bytes = (from: number): number =>
      [...voids].reduce((sum, at) => (at < from ? sum : sum - graph.at(at).size), sizes(graph, from));
    expect(holdings.pending(id)).toEqual({ entries: 2_995, bytes: bytes(0) });
    holdings.connected(b, epochOf(1));
    holdings.held(b, id, 1_024);
    expect(holdings.pending(id)).toEqual({ entries: counted(1_024), bytes: bytes(1_024) });
    expect(holdings.heldBy(id).map(({ entries }) => entries)).toEqual([1_021]);
    voids.add(3_000);
    grow(2);
    expect(holdings.pending(id)).toEqual({ entries: counted(1_024), bytes: bytes(1_024) });
    holdings.held(b, id, 3_000);
    expect([holdings.heldBy(id)[0]?.entries, holdings.heldBy(id)[0]?.isComplete]).toEqual([2_995, true]);
  });

  test("and count again are held by nobody until that is confirmed anew, also after a restart", async () => {
    const { holdings, id, changed, restart } = await setup(10);
    holdings.connected(b, epochOf(1));
    holdings.connected(c, epochOf(2));
    holdings.held(b, id, 10);
    holdings.held(c, id, 3);
    const before = changed.length;
    expect([holdings.recounted(id, undefined), holdings.heldBy(id)[0]?.entries]).toEqual([false, 10]);
    expect([holdings.recounted(id, 4), changed.length]).toEqual([true, before + 2]);
    expect(holdings.heldBy(id).map(({ entries }) => entries)).toEqual([4, 3]);
    expect(await outcome(holdings.whenSafe(id, 5, 2, never()))).toBe("waiting");
    expect(await outcome(holdings.whenSafe(id, 4, 2, never()))).toBe("resolved");
    expect(holdings.recounted(id, 4)).toBe(false);
    const later = await restart();
    expect(later.heldBy(id).map(({ entries }) => entries)).toEqual([4, 3]);
    later.connected(b, epochOf(1));
    later.held(b, id, 10);
    expect(later.heldBy(id).map(({ entries }) => entries)).toEqual([10, 3]);
  });
});
