import { expect, test } from "vitest";
import { type DatabaseId, entryIdFromDigest, type PublicKey, publicKeyFromBytes } from "../core/ids.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { History } from "./history.ts";
import { LocalStore } from "./local-store.ts";
import type { HistoryRecord } from "./records.ts";
import { defaultSettings } from "./settings.ts";

const peers = [1, 2].map((n) => publicKeyFromBytes(new Uint8Array(32).fill(n)));
const databases = [3, 4].map((n) => entryIdFromDigest(new Uint8Array(32).fill(n)));
const [a, b] = peers as [PublicKey, PublicKey];
const [x, y] = databases as [DatabaseId, DatabaseId];

/** Nothing is damaged here. */
const failed = (error: unknown): never => {
  throw error;
};

async function openHistory({ historyRows = 10, historyMs = 60_000 } = {}) {
  const [clock, disk] = [new SimulatedClock(), new MemoryDisk()];
  const settings = { historyRows, historyMs };
  const open = async () => {
    const store = await LocalStore.open({ storage: createMemoryStorage(disk), clock, failed });
    return { store, history: new History({ store, clock, settings: () => settings }) };
  };
  return { clock, disk, settings, open, ...(await open()) };
}

/** One that broke off: it is never continued. */
function row(clock: SimulatedClock, peer = a, database = x, entriesSent = 0): Omit<HistoryRecord, "id"> {
  const endedMs = clock.now();
  return {
    peer,
    database,
    startedMs: endedMs - 10,
    endedMs,
    entriesSent,
    entriesReceived: 0,
    bytesSent: 0,
    bytesReceived: 0,
    error: "CHANNEL_CLOSED",
  };
}

const sent = (rows: readonly HistoryRecord[]) => rows.map(({ entriesSent }) => entriesSent);

test("[EXCHANGE-1] no more rows are kept than the settings say, the newest ones, also on the disk", async () => {
  const { clock, history, store, open } = await openHistory({ historyRows: 3 });
  for (let n = 0; n < 5; n++) history.add(row(clock, a, x, n));
  expect(sent(history.rows())).toEqual([4, 3, 2]);
  await store.flush();
  expect(sent((await open()).store.all("history"))).toEqual([2, 3, 4]);
});

test("[EXCHANGE-1] rows that are too old go when one is added, and at open", async () => {
  const { clock, history, store, open } = await openHistory();
  history.add(row(clock, a, x, 1));
  clock.advance(59_999);
  history.add(row(clock, a, x, 2));
  expect(sent(history.rows())).toEqual([2, 1]);
  clock.advance(1);
  history.add(row(clock, a, x, 3));
  expect(sent(history.rows())).toEqual([3, 2]);
  clock.advance(59_999);
  await store.flush();
  const again = await open();
  expect(sent(again.history.rows())).toEqual([3]);
  expect(sent(again.store.all("history"))).toEqual([3]);
});

test("[EXCHANGE-2] rows are newest first, of a database, a peer or both", async () => {
  const { clock, history } = await openHistory();
  const pairs = [
    [a, x],
    [b, x],
    [a, y],
    [a, x],
  ] as const;
  for (const [n, [peer, database]] of pairs.entries()) history.add(row(clock, peer, database, n));
  expect(sent(history.rows())).toEqual([3, 2, 1, 0]);
  expect(sent(history.rows({ peer: a }))).toEqual([3, 2, 0]);
  expect(sent(history.rows({ database: x }))).toEqual([3, 1, 0]);
  expect(sent(history.rows({ peer: a, database: x }))).toEqual([3, 0]);
  history.forgetPeer(a);
  expect(sent(history.rows())).toEqual([1]);
});

test("[EXCHANGE-2] ids grow within a millisecond, over restarts, and when the clock jumps back", async () => {
  const { clock, disk, history, store, settings } = await openHistory();
  for (let n = 0; n < 3; n++) history.add(row(clock, a, x, n));
  clock.advance(1);
  history.add(row(clock, a, x, 3));
  await store.flush();
  const earlier = new SimulatedClock(clock.now() - 10_000);
  const storage = createMemoryStorage(disk);
  const again = await LocalStore.open({ storage, clock: earlier, failed });
  const later = new History({ store: again, clock: earlier, settings: () => settings });
  later.add(row(earlier, a, x, 4));
  expect(sent(later.rows())).toEqual([4, 3, 2, 1, 0]);
  const ids = again.all("history").map(({ id }) => id);
  expect([...ids].sort()).toEqual(ids);
  expect(sent(again.all("history"))).toEqual([0, 1, 2, 3, 4]);
});

test("[EXCHANGE-2] a row with an id that cannot be counted on from is dropped at open", async () => {
  const { clock, history, store, open } = await openHistory();
  history.add(row(clock, a, x, 1));
  for (const id of ["9999999999999999", "x"]) store.put("history", id, { ...row(clock), id });
  await store.flush();
  const again = await open();
  for (const n of [2, 3]) again.history.add(row(clock, a, x, n));
  expect(sent(again.history.rows())).toEqual([3, 2, 1]);
  expect(sent(again.store.all("history"))).toEqual([1, 2, 3]);
});

test("[EXCHANGE-2] an id is not given twice, though all rows went before a restart", async () => {
  const { clock, history, store, open } = await openHistory();
  history.add(row(clock, a, x, 1));
  const first = history.rows()[0]?.id as string;
  history.forgetPeer(a);
  await store.flush();
  clock.advance(1);
  const again = await open();
  again.history.add(row(clock, a, x, 2));
  expect((again.history.rows()[0]?.id ?? "") > first).toBe(true);
});

test("[EXCHANGE-3] what follows a good exchange within a minute continues its row, whoever else is exchanged with meanwhile", async () => {
  const clock = new SimulatedClock(1_000_000);
  const store = await LocalStore.open({ storage: createMemoryStorage(), clock, failed });
  const history = new History({ store, clock, settings: () => defaultSettings });
  const good = (database = x): void => history.add({ ...row(clock, a, database, 1), bytesSent: 5, error: undefined });
  good();
  const [{ id }] = history.rows() as [HistoryRecord];
  clock.advance(60_000);
  good(y);
  good();
  expect(history.rows({ database: x })).toEqual([
    { ...row(clock, a, x, 2), id, startedMs: 999_990, bytesSent: 10, error: undefined },
  ]);
  clock.advance(60_011);
  good();
  history.add(row(clock, a, x, 1));
  good();
  expect(history.rows({ database: x }).map(({ entriesSent }) => entriesSent)).toEqual([1, 1, 1, 2]);
  expect(history.rows({ database: y })).toHaveLength(1);
  expect(store.all("history")).toHaveLength(5);
});
