import fc from "fast-check";
import { expect, test } from "vitest";
import { type DatabaseId, encodeHex, entryIdFromDigest, type PublicKey, publicKeyFromHex } from "../core/ids.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { LocalStore } from "./local-store.ts";
import { currentError } from "./peer-book.ts";
import type { HistoryRecord, PeerRecord, PeerState } from "./records.ts";
import { Registry } from "./registry.ts";

function keyOf(n: number): PublicKey {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => (i < 4 ? (n >>> (8 * (3 - i))) & 0xff : 0));
  return publicKeyFromHex(encodeHex(bytes));
}

const [a, b, c] = [keyOf(1), keyOf(2), keyOf(3)];
const [x, y] = [entryIdFromDigest(new Uint8Array(32).fill(3)), entryIdFromDigest(new Uint8Array(32).fill(4))];
const [epoch1, epoch2] = ["1".repeat(32), "2".repeat(32)];
const error = (atMs: number) => ({ code: "CONNECT_FAILED", atMs });

/** Nothing is damaged here. */
const failed = (error: unknown): never => {
  throw error;
};

async function openRegistry() {
  const [clock, disk] = [new SimulatedClock(), new MemoryDisk()];
  const changes = { count: 0 };
  const open = async () => {
    const store = await LocalStore.open({ storage: createMemoryStorage(disk), clock, failed });
    const changed = () => void changes.count++;
    return { store, registry: new Registry({ store, clock, changed }) };
  };
  const { store, registry } = await open();
  /** What the next start of the instance finds. */
  const reopen = async () => {
    await store.flush();
    return (await open()).registry;
  };
  return { clock, changes, store, registry, reopen };
}

function exchange(peer: PublicKey, given: Partial<HistoryRecord> = {}): Omit<HistoryRecord, "id"> {
  return {
    peer,
    database: x,
    startedMs: 1,
    endedMs: 1_700_000_000_000,
    entriesSent: 1,
    entriesReceived: 2,
    bytesSent: 300,
    bytesReceived: 400,
    error: undefined,
    ...given,
  };
}

const addressesOf = (peer: PeerRecord | undefined) => peer?.addresses.map(({ address }) => address);
const codeOf = (code: string) => expect.objectContaining({ code });

test("[PEER-1] peers are registered with a name, listed in the order of their keys, and are there after a restart", async () => {
  const { registry, reopen } = await openRegistry();
  registry.add(b, { name: "Bo's phone", addresses: ["memory:b"] });
  registry.add(a, {});
  registry.succeeded(c, undefined, 1);
  expect(registry.peers().map(({ key, name, isRegistered }) => [key, name, isRegistered])).toEqual([
    [a, "", true],
    [b, "Bo's phone", true],
    [c, "", false],
  ]);
  registry.update(c, { name: "C" });
  const again = await reopen();
  expect(again.peers()).toEqual(registry.peers());
  expect(again.peer(c)).toMatchObject({ name: "C", isRegistered: true });
});

test("[PEER-1] adding what is there, however often, adds to it: nothing is lost and nothing is twice", async () => {
  const { registry } = await openRegistry();
  registry.succeeded(a, "memory:1", 1);
  registry.add(a, { name: "A", addresses: ["memory:2", "memory:2"] });
  registry.update(a, { state: "blocked" });
  const all = registry.add(a, { addresses: ["memory:1", "memory:3"] });
  expect(registry.peers()).toEqual([all]);
  expect(all).toMatchObject({ name: "A", state: "blocked", successes: 1, version: 1 });
  expect(addressesOf(all)).toEqual(["memory:1", "memory:2", "memory:3"]);
  expect(all.addresses[0]?.successes).toBe(1);
});

test("[PEER-2] names, keys, states and addresses are checked, and what is refused changes nothing", async () => {
  const { changes, registry } = await openRegistry();
  registry.add(a, { name: "A" });
  const before = [registry.peer(a), changes.count];
  for (const name of ["ä".repeat(33), "a\u0000b", "a\u0085", "a\nb", "\ud800", 1 as never]) {
    expect(() => registry.update(a, { name, addresses: ["memory:new"] })).toThrow(codeOf("INPUT_INVALID"));
    expect(() => registry.add(b, { name })).toThrow(codeOf("INPUT_INVALID"));
  }
  expect(() => registry.update(a, { name: "new", state: "gone" as PeerState })).toThrow(codeOf("INPUT_INVALID"));
  expect(() => registry.add("ab" as PublicKey, {})).toThrow(codeOf("INPUT_INVALID"));
  const bad = ["", "memory", "memory:", ":x", "Memory:x", "me mory:x", "memory:a b", "memory:a\u0000", "1:x"];
  for (const address of [...bad, `memory:${"x".repeat(1_018)}`, "memory:\ud800", 7 as never]) {
    const given = { name: "new", addresses: ["memory:ok", address] };
    expect(() => registry.update(a, given)).toThrow(codeOf("ADDRESS_INVALID"));
    expect(() => registry.add(b, given)).toThrow(codeOf("ADDRESS_INVALID"));
  }
  for (const [peer, database] of [
    [b, "ab"],
    ["ab", x],
  ] as [PublicKey, DatabaseId][]) {
    expect(() => registry.relate(peer, database)).toThrow(codeOf("INPUT_INVALID"));
    expect(() => registry.unrelate(peer, database)).toThrow(codeOf("INPUT_INVALID"));
  }
  expect([registry.peer(a), registry.relations(), changes.count]).toEqual([before[0], [], before[1]]);
  expect(registry.peer(b)).toBeUndefined();
  const good = ["wss://relay.example/?a=b&c:d", `memory:${"x".repeat(1_017)}`, "web+rtc.2-x:ü"];
  expect(addressesOf(registry.add(b, { name: "ä".repeat(32), addresses: good }))).toEqual(good);
});

test("[PEER-2] a peer that is not known can be neither changed nor removed", async () => {
  const { registry } = await openRegistry();
  expect(() => registry.update(a, { name: "A" })).toThrow(codeOf("PEER_UNKNOWN"));
  expect(() => registry.remove(a)).toThrow(codeOf("PEER_UNKNOWN"));
});

test("[PEER-3] a peer has at most 16 addresses: the one with the worst score goes", async () => {
  const { clock, registry } = await openRegistry();
  const first = Array.from({ length: 16 }, (_, n) => `memory:${n}`);
  registry.add(a, { addresses: first });
  registry.succeeded(a, "memory:3", 1);
  registry.failed(a, "memory:7", error(clock.now()));
  expect(addressesOf(registry.add(a, { addresses: ["memory:a"] }))).toEqual([
    ...first.filter((address) => address !== "memory:7"),
    "memory:a",
  ]);
  const many = Array.from({ length: 100 }, (_, n) => `memory:00${n}`);
  const kept = addressesOf(registry.add(a, { addresses: many }));
  expect(kept).toHaveLength(16);
  expect(kept).toContain("memory:3");
});

test("[PEER-4] a dead first address does not stand before one that works, and a dialled one is remembered", async () => {
  const { clock, registry } = await openRegistry();
  registry.add(a, { addresses: ["memory:1", "memory:2"] });
  expect(registry.addressesByScore(a)).toEqual(["memory:1", "memory:2"]);
  registry.attempted(a, "memory:1");
  registry.failed(a, "memory:1", error(clock.now()));
  expect(registry.addressesByScore(a)).toEqual(["memory:2", "memory:1"]);
  registry.attempted(a, "memory:3");
  registry.succeeded(a, "memory:3", 1);
  registry.attempted(a, "not an address");
  registry.succeeded(a, "not an address", 1);
  expect(registry.addressesByScore(a)).toEqual(["memory:3", "memory:2", "memory:1"]);
  expect(registry.addressesByScore(b)).toEqual([]);
});

test("[PEER-5] of those that were only met the 1,000 seen last are remembered, those with relations longest", async () => {
  const { clock, registry, reopen } = await openRegistry();
  const met = (n: number) => {
    clock.advance(1);
    registry.succeeded(keyOf(n), undefined, 1);
  };
  for (let n = 0; n < 1_000; n++) met(n);
  for (const n of [0, 1]) registry.shared(keyOf(n), x);
  registry.update(keyOf(2), { state: "blocked" });
  registry.add(keyOf(3), {});
  registry.unrelate(keyOf(4), x);
  registry.measured(keyOf(5), { bytesReceived: 1 });
  registry.measured(keyOf(6), { bytesSent: 1 });
  for (let n = 1_000; n < 1_005; n++) met(n);
  const gone = (of: Registry) => Array.from({ length: 2_100 }, (_, n) => n).filter((n) => !of.peer(keyOf(n)));
  expect(gone(registry).slice(0, 3)).toEqual([6, 7, 1_005]);
  for (let n = 1_005; n < 2_100; n++) met(n);
  expect(registry.peers().filter(({ isRegistered }) => !isRegistered)).toHaveLength(1_000);
  expect(gone(registry).filter((n) => n < 6)).toEqual([5]);
  const again = await reopen();
  expect(gone(again)).toEqual(gone(registry));
});

test("[PEER-5] when all that were met have relations the one not seen for longest goes, with them and its history", async () => {
  const { clock, registry } = await openRegistry();
  for (let n = 0; n < 1_001; n++) {
    clock.advance(1);
    registry.succeeded(keyOf(n), undefined, 1);
    registry.shared(keyOf(n), x);
    if (n === 0) registry.exchanged(exchange(keyOf(0), { endedMs: clock.now() }));
  }
  expect(registry.peer(keyOf(0))).toBeUndefined();
  expect([registry.relations().length, registry.relations({ peer: keyOf(0) }).length]).toEqual([1_000, 0]);
  expect(registry.history.rows()).toEqual([]);
});

test("[PEER-5] a disk with too many of them is cleared at open", async () => {
  const { registry, store, reopen } = await openRegistry();
  const blank = { ...registry.add(a, {}), isRegistered: false };
  for (let n = 0; n < 1_010; n++) store.put("peer", keyOf(n), { ...blank, key: keyOf(n), lastSeenMs: n });
  const again = await reopen();
  expect(again.peers().map(({ lastSeenMs }) => lastSeenMs)).toEqual(Array.from({ length: 1_000 }, (_, n) => n + 10));
});

test("[PEER-6] what was tried, what succeeded, bytes, the last success and error and the median round trip are kept", async () => {
  const { clock, registry, reopen } = await openRegistry();
  registry.add(a, { addresses: ["memory:1"] });
  expect(registry.peer(a)).toMatchObject({ firstSeenMs: clock.now(), lastSeenMs: undefined, roundTripMs: undefined });
  clock.advance(5);
  const failedMs = clock.now();
  registry.attempted(a, "memory:1");
  registry.failed(a, "memory:1", error(failedMs));
  clock.advance(5);
  registry.attempted(a, "memory:1");
  registry.succeeded(a, "memory:1", 3);
  for (const roundTripMs of [900, 10, 20, 30, 40, 50, 60, 70, 80, 90]) registry.measured(a, { roundTripMs });
  registry.measured(a, { bytesSent: 5, bytesReceived: 7 });
  registry.measured(a, { bytesSent: 1 });
  expect((await reopen()).peer(a)).toEqual({
    key: a,
    isRegistered: true,
    name: "",
    state: "active",
    firstSeenMs: failedMs - 5,
    lastSeenMs: clock.now(),
    attempts: 2,
    successes: 1,
    bytesSent: 6,
    bytesReceived: 7,
    roundTripMs: 50,
    version: 3,
    lastError: error(failedMs),
    addresses: [
      {
        address: "memory:1",
        successes: 1,
        failures: 1,
        failuresInRow: 0,
        lastOkMs: clock.now(),
        lastError: error(failedMs),
      },
    ],
  });
});

test("[PEER-10] an error is over when the peer is heard of again, in the same millisecond or after the clock was set back", async () => {
  const { clock, registry } = await openRegistry();
  registry.add(a, { addresses: ["memory:1"] });
  const current = () => currentError(registry.peer(a) as PeerRecord)?.code;
  const fail = (atMs: number) => registry.failed(a, undefined, error(atMs));
  expect(current()).toBeUndefined();
  fail(clock.now());
  expect(current()).toBe(error(0).code);
  registry.succeeded(a, undefined, 3);
  expect([current(), registry.peer(a)?.lastError?.code]).toEqual([undefined, error(0).code]);
  fail(clock.now());
  expect(current()).toBe(error(0).code);
  registry.measured(a, { bytesSent: 1 });
  expect(current()).toBe(error(0).code);
  registry.measured(a, { bytesReceived: 1 });
  expect(current()).toBeUndefined();
  fail(clock.now() + 1_000_000);
  registry.succeeded(a, undefined, 3);
  expect(current()).toBeUndefined();
  fail(clock.now() - 1_000_000);
  expect(current()).toBe(error(0).code);
});

test("[PEER-6] what is said about an unknown peer is ignored, and successes never exceed attempts", async () => {
  const { registry } = await openRegistry();
  registry.attempted(a, "memory:1");
  registry.failed(a, "memory:1", error(1));
  registry.measured(a, { bytesSent: 1, roundTripMs: 1 });
  expect(registry.peers()).toEqual([]);
  const steps = fc.array(fc.constantFrom("attempted", "succeeded", "failed"), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const { registry, clock } = await openRegistry();
      registry.add(a, {});
      for (const step of all) {
        if (step === "attempted") registry.attempted(a, undefined);
        else if (step === "succeeded") registry.succeeded(a, undefined, 1);
        else registry.failed(a, undefined, error(clock.now()));
      }
      const { attempts, successes } = registry.peer(a) as PeerRecord;
      expect(successes).toBe(all.filter((step) => step === "succeeded").length);
      expect(attempts).toBeGreaterThanOrEqual(successes);
    }),
  );
});

test("[PEER-9] removing a peer clears it, its relations, what it held and its history, and nothing of others", async () => {
  const { registry, reopen } = await openRegistry();
  for (const key of [a, b]) {
    registry.add(key, { name: "N", addresses: ["memory:1"] });
    registry.relate(key, x);
    registry.held(key, x, epoch1, 5);
    registry.agreed(key, x, { digest: "d".repeat(64), position: 5 });
    registry.exchanged(exchange(key));
    registry.measured(key, { roundTripMs: key === a ? 1_000 : 1 });
  }
  registry.remove(a);
  registry.held(a, x, epoch1, 9);
  registry.agreed(a, x, { digest: "d".repeat(64), position: 5 });
  registry.exchanged(exchange(a));
  for (const each of [registry, await reopen()]) {
    expect([each.peer(a), each.relation(a, x), each.history.rows({ peer: a })]).toEqual([undefined, undefined, []]);
    expect(each.relations({ database: x }).map(({ peer }) => peer)).toEqual([b]);
    expect([each.peer(b)?.name, each.relation(b, x)?.heldThrough, each.history.rows().length]).toEqual(["N", 5, 1]);
  }
  registry.relate(a, x);
  registry.measured(a, { roundTripMs: 5 });
  expect(registry.relation(a, x)).toMatchObject({ heldThrough: 0, epoch: "", cursor: undefined, attempts: 0 });
  expect(registry.peer(a)).toMatchObject({ name: "", addresses: [], roundTripMs: 5 });
});

test("[PEER-9] blocked and inactive outlive restarts, and meetings", async () => {
  const { registry, reopen } = await openRegistry();
  for (const [key, state] of [
    [a, "blocked"],
    [b, "inactive"],
  ] as const) {
    registry.succeeded(key, undefined, 1);
    registry.update(key, { state });
  }
  const again = await reopen();
  for (const key of [a, b]) again.succeeded(key, "memory:1", 1);
  again.shared(a, x);
  expect(again.peers().map(({ state }) => state)).toEqual(["blocked", "inactive"]);
  again.update(a, { state: "active" });
  expect(again.peer(a)?.state).toBe("active");
});

test("[RELATION-1] relations are found both ways, in the order of peers and databases, also after a restart", async () => {
  const { registry, reopen } = await openRegistry();
  for (const [peer, database] of [
    [b, y],
    [a, y],
    [b, x],
  ] as const)
    registry.relate(peer, database);
  registry.shared(c, x);
  registry.unrelate(b, y);
  for (const each of [registry, await reopen()]) {
    const pairs = (of: Parameters<Registry["relations"]>[0]) =>
      each.relations(of).map(({ peer, database }) => [peer, database]);
    expect(pairs({})).toEqual([
      [a, y],
      [b, x],
      [b, y],
      [c, x],
    ]);
    expect(pairs({ peer: b })).toEqual([
      [b, x],
      [b, y],
    ]);
    expect(pairs({ database: x })).toEqual([
      [b, x],
      [c, x],
    ]);
    expect([pairs({ peer: a, database: x }), pairs({ peer: a, database: y })]).toEqual([[], [[a, y]]]);
    expect(each.relation(b, y)).toEqual(each.relations({ peer: b })[1]);
    expect([each.isOff(b, y), each.isOff(b, x), each.isOff(c, y)]).toEqual([true, false, false]);
    expect(each.peer(c)?.isRegistered).toBe(false);
    expect(each.peer(a)?.isRegistered).toBe(true);
  }
});

test("[RELATION-2] what the user took away stays away over sessions and restarts, until the user brings it back", async () => {
  const { registry, reopen } = await openRegistry();
  registry.relate(a, x);
  registry.held(a, x, epoch1, 7);
  registry.agreed(a, x, { digest: "d".repeat(64), position: 7 });
  registry.unrelate(a, x);
  registry.unrelate(b, y);
  for (const each of [registry, await reopen()]) {
    each.shared(a, x);
    each.shared(b, y);
    each.held(a, x, epoch1, 9);
    each.agreed(a, x, { digest: "d".repeat(64), position: 9 });
    each.exchanged(exchange(a));
    expect([each.isOff(a, x), each.isOff(b, y)]).toEqual([true, true]);
    expect(each.relation(a, x)).toMatchObject({ heldThrough: 0, epoch: "", cursor: undefined, attempts: 0 });
  }
  registry.relate(a, x);
  expect([registry.isOff(a, x), (await reopen()).isOff(a, x)]).toEqual([false, false]);
  registry.held(a, x, epoch1, 9);
  expect(registry.relation(a, x)?.heldThrough).toBe(9);
});

test("[RELATION-3] what a peer holds never becomes less under one epoch, and starts anew under another", async () => {
  const epochs = fc.constantFrom(epoch1, epoch2);
  const steps = fc.array(fc.tuple(epochs, fc.nat(100)), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const { registry } = await openRegistry();
      registry.shared(a, x);
      let expected = { epoch: "", heldThrough: 0 };
      for (const [epoch, through] of all) {
        registry.held(a, x, epoch, through);
        const before = epoch === expected.epoch ? expected.heldThrough : 0;
        expected = { epoch, heldThrough: Math.max(before, through) };
        expect(registry.relation(a, x)).toMatchObject(expected);
      }
    }),
  );
});

test("[RELATION-3] another epoch also ends the cursor; the first one does not", async () => {
  const { registry } = await openRegistry();
  const cursor = { digest: "d".repeat(64), position: 3 };
  registry.relate(a, x);
  registry.agreed(a, x, cursor);
  registry.held(a, x, epoch1, 3);
  expect(registry.relation(a, x)?.cursor).toEqual(cursor);
  registry.held(a, x, epoch2, 3);
  expect(registry.relation(a, x)?.cursor).toBeUndefined();
});

test("[RELATION-4] a peer that comes with another epoch has lost what it confirmed under the one before; it is named once", async () => {
  const { changes, registry, reopen } = await openRegistry();
  const cursor = { digest: "d".repeat(64), position: 3 };
  for (const [peer, database] of [
    [a, x],
    [a, y],
    [b, x],
  ] as const)
    registry.relate(peer, database);
  registry.agreed(a, x, cursor);
  registry.held(a, x, epoch1, 3);
  registry.held(b, x, epoch1, 3);
  const before = changes.count;
  expect([registry.lost(a, epoch1), changes.count]).toEqual([[], before]);
  expect([registry.lost(a, epoch2), changes.count]).toEqual([[x], before + 1]);
  expect(registry.relation(a, x)).toMatchObject({ epoch: epoch2, heldThrough: 0, cursor: undefined, state: "on" });
  expect(registry.relation(a, y)).toMatchObject({ epoch: "", heldThrough: 0 });
  expect(registry.relation(b, x)).toMatchObject({ epoch: epoch1, heldThrough: 3 });
  expect(registry.lost(a, epoch2)).toEqual([]);
  expect((await reopen()).lost(a, epoch2)).toEqual([]);
  expect(registry.lost(c, epoch2)).toEqual([]);
});

test("[RELATION-5] each exchange counts for its relation: attempts, successes, entries, bytes, the last success and error", async () => {
  const { registry, reopen } = await openRegistry();
  registry.relate(a, x);
  registry.exchanged(exchange(a, { endedMs: 1_700_000_000_000 }));
  registry.exchanged(exchange(a, { endedMs: 1_700_000_000_005, error: "EXCHANGE_STALLED" }));
  expect((await reopen()).relation(a, x)).toEqual({
    peer: a,
    database: x,
    state: "on",
    epoch: "",
    heldThrough: 0,
    cursor: undefined,
    attempts: 2,
    successes: 1,
    entriesSent: 2,
    entriesReceived: 4,
    bytesSent: 600,
    bytesReceived: 800,
    lastOkMs: 1_700_000_000_000,
    lastError: { code: "EXCHANGE_STALLED", atMs: 1_700_000_000_005 },
  });
  expect(registry.history.rows().map(({ error }) => error)).toEqual(["EXCHANGE_STALLED", undefined]);
});

test("[RELATION-6] a relation with its peer takes about 1 kB, and every change is told", async () => {
  const { changes, clock, registry } = await openRegistry();
  const steps = [
    () => registry.add(a, { name: "The phone of my grandmother", addresses: [`memory:${"a".repeat(64)}`] }),
    () => registry.attempted(a, `memory:${"a".repeat(64)}`),
    () => registry.failed(a, `memory:${"a".repeat(64)}`, error(clock.now())),
    () => registry.succeeded(a, `memory:${"a".repeat(64)}`, 1),
    () => registry.measured(a, { bytesSent: 123_456_789, bytesReceived: 123_456_789, roundTripMs: 123 }),
    () => registry.relate(a, x),
    () => registry.held(a, x, epoch1, 100_000),
    () => registry.agreed(a, x, { digest: "d".repeat(64), position: 100_000 }),
    () => registry.exchanged(exchange(a, { error: "EXCHANGE_STALLED", bytesSent: 123_456_789 })),
    () => registry.update(a, { name: "Phone" }),
    () => registry.unrelate(a, y),
    () => registry.shared(a, entryIdFromDigest(new Uint8Array(32))),
  ];
  for (const [n, step] of steps.entries()) {
    step();
    expect(changes.count).toBe(n + 1);
  }
  registry.held(a, x, epoch1, 99_999);
  registry.agreed(a, x, { digest: "d".repeat(64), position: 100_000 });
  registry.shared(a, x);
  expect(changes.count).toBe(steps.length);
  const size = JSON.stringify([registry.peer(a), registry.relation(a, x)]).length;
  expect(size).toBeGreaterThan(900);
  expect(size).toBeLessThan(1_200);
});
