import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbitraryWorld, type World } from "../testing/world.ts";
import {
  keyOf,
  refusalsIn,
  rowParts,
  seal,
  sealRoot,
  setPower,
  settingsParts,
  startMs,
  Writer,
} from "../testing/writers.ts";
import { ticksPerMs } from "./clock.ts";
import type { EntryBody, VouchedEntry } from "./entry.ts";
import { attempt, type ErrorCode, type Failure } from "./errors.ts";
import type { EntryId, PublicKey } from "./ids.ts";
import { decodeParts } from "./judgement.ts";
import { clockAheadMsMax, forksMax, parentsMax, voidBytesMax } from "./limits.ts";
import { LogIndex } from "./log-index.ts";
import { Replica, type ReplicaEffect } from "./replica.ts";
import { NONE, WRITE } from "./store/power.ts";
import { decodeSettings } from "./store/settings.ts";

const lateMs = startMs + 86_400_000;
const world = arbitraryWorld(sha256, { sets: true });

/** All entries, some of them twice, in any order, in batches of any size. */
function arbitraryArrival({ entries }: World): fc.Arbitrary<readonly (readonly VouchedEntry[])[]> {
  const copies = fc.subarray([...entries]);
  return copies
    .chain((twice) => fc.shuffledSubarray([...entries, ...twice], { minLength: entries.length + twice.length }))
    .chain((order) =>
      fc.array(fc.integer({ min: 1, max: 8 }), { minLength: order.length }).map((sizes) => cut(order, sizes)),
    );
}

function cut<T>(items: readonly T[], sizes: readonly number[]): readonly (readonly T[])[] {
  const pieces: (readonly T[])[] = [];
  for (let at = 0; at < items.length; at += pieces.at(-1)?.length ?? 1)
    pieces.push(items.slice(at, at + (sizes[pieces.length] ?? 1)));
  return pieces;
}

test("[REPLICA-1] [REPLICA-5] the order of arrival makes no difference to tips, frontier and the bytes of the state", () => {
  let waited = 0;
  const arrival = world.chain((one) => fc.tuple(fc.constant(one), arbitraryArrival(one), arbitraryArrival(one)));
  fc.assert(
    fc.property(arrival, ([{ database, entries }, ...arrivals]) => {
      const fingerprints = arrivals.map((batches) => {
        const writer = new Writer(keyOf(9), database, sha256);
        for (const batch of batches) {
          expect(refusalsIn(writer.receive(batch, lateMs))).toEqual([]);
          waited = Math.max(waited, writer.replica.pending.size);
        }
        expect([writer.replica.graph.size, writer.replica.pending.size]).toEqual([entries.length, 0]);
        return writer.fingerprint;
      });
      expect(fingerprints[0]).toBe(fingerprints[1]);
    }),
  );
  expect(waited).toBeGreaterThan(5);
});

test("[REPLICA-2] what waits is asked for until it is there: exactly what is missing and not waiting itself", () => {
  fc.assert(
    fc.property(world, fc.nat(), ({ database, entries }, pick) => {
      const writer = new Writer(keyOf(9), database, sha256);
      const held = pick % entries.length;
      writer.receive(entries.slice(0, held), lateMs);
      const late = entries.slice(held + 1);
      const asked = writer.receive(late, lateMs).flatMap((effect) => (effect.type === "fetch" ? effect.ids : []));
      const arrived = new Set(entries.filter((_entry, i) => i !== held).map(({ id }) => id));
      const missed = late.some(({ prev, parents }) =>
        [prev, ...parents].some((id) => id !== undefined && !arrived.has(id)),
      );
      expect(asked).toEqual(missed ? [entries[held]?.id] : []);
    }),
  );
});

test("[REPLICA-4] entries that are here change nothing and lead to nothing", () => {
  fc.assert(
    fc.property(world, ({ database, entries }) => {
      const writer = new Writer(keyOf(9), database, sha256);
      writer.receive(entries, lateMs);
      const before = writer.fingerprint;
      expect(writer.receive(entries, lateMs)).toEqual([]);
      expect(writer.fingerprint).toBe(before);
    }),
  );
});

describe("with an owner, a writer and a stranger", () => {
  const [owner, other] = [keyOf(0), keyOf(1)];
  const root = sealRoot(owner, sha256, settingsParts(setPower(other, WRITE)));
  const elsewhere = sealRoot(owner, sha256, rowParts("r"));

  function writerOf(number: number, ...entries: readonly VouchedEntry[]): Writer {
    const writer = new Writer(keyOf(number), root.id, sha256);
    writer.receive([root, ...entries]);
    return writer;
  }

  function accepted(written: ReturnType<Writer["write"]>): VouchedEntry {
    if ("code" in written) throw new Error(`refused: ${written.code}`);
    return written;
  }

  /** An entry of the writer that would be accepted, but for these changes. */
  function forged(writer: Writer, changes: Partial<EntryBody>): VouchedEntry {
    return seal({ ...writer.draft(), ...changes }, sha256);
  }

  const table = (...payload: readonly number[]): EntryBody["stores"] => [
    { name: "t", type: "table", payload: Uint8Array.from(payload) },
  ];

  const faults: readonly (readonly [ErrorCode, string, (writer: Writer) => Partial<EntryBody>])[] = [
    ["ENTRY_DATABASE", "another database", () => ({ database: elsewhere.id })],
    ["ENTRY_DATABASE", "another root", () => elsewhere],
    ["ENTRY_HEIGHT", "too low", (writer) => ({ height: writer.draft().height - 1 })],
    ["ENTRY_HEIGHT", "too high", (writer) => ({ height: writer.draft().height + 1 })],
    ["ENTRY_HEIGHT", "as high as can be", () => ({ height: Number.MAX_SAFE_INTEGER })],
    [
      "ENTRY_TIME",
      "not after what it follows",
      (writer) => ({ time: writer.replica.graph.at(writer.replica.graph.size - 1).time }),
    ],
    ["ENTRY_TIME", "long before what it follows", () => ({ time: 0 })],
    ["ENTRY_CHAIN", "a number left out", (writer) => ({ seq: writer.draft().seq + 1 })],
    ["ENTRY_CHAIN", "a number twice", (writer) => ({ seq: writer.draft().seq - 1 })],
    ["ENTRY_CHAIN", "after another's entry", () => ({ seq: 1, prev: root.id, parents: [] })],
    ["ENTRY_PAYLOAD", "an empty payload", () => ({ stores: table(0x80) })],
    ["CBOR_TRUNCATED", "half a payload", () => ({ stores: table(0x81) })],
    [
      "ENTRY_PAYLOAD",
      "a reserved name",
      () => ({ stores: [{ name: "_x", type: "other", payload: new Uint8Array() }] }),
    ],
    ["ENTRY_PERMISSION", "settings of a writer", () => ({ stores: settingsParts({ type: "name", name: "mine" }) })],
    ["ENTRY_PERMISSION", "a stranger's", () => ({ author: keyOf(7), seq: 0, prev: undefined, parents: [root.id] })],
    [
      "ENTRY_PERMISSION",
      "a stranger's, whose payload is not looked at,",
      () => ({ author: keyOf(7), seq: 0, prev: undefined, parents: [root.id], stores: table(0x81) }),
    ],
  ];

  test.each(faults)("[REPLICA-6] %s: %s is refused, and nothing of it stays", (code, _what, changesOf) => {
    const writer = writerOf(1);
    accepted(writer.write());
    accepted(writer.write(rowParts("s")));
    const changes = changesOf(writer);
    // What a stranger follows is lower; that fault has a case of its own.
    const isRaised = changes.parents?.[0] === root.id || changes.prev === root.id;
    const entry = forged(writer, isRaised ? { height: 1, ...changes } : changes);
    const before = [writer.fingerprint, writer.replica.graph.size, writer.replica.stored];
    expect(writer.receive([entry])).toEqual([
      {
        type: "refuse",
        refusals: [{ id: entry.id, author: entry.author, failure: expect.objectContaining({ code }) }],
      },
    ]);
    expect([writer.fingerprint, writer.replica.graph.size, writer.replica.stored]).toEqual(before);
    expect([writer.replica.graph.has(entry.id), writer.replica.pending.size]).toEqual([false, 0]);
    expect(accepted(writer.write()).seq).toBe(2);
  });

  test("[REPLICA-2] what stands on a refused entry leaves with it, for the same reason, before and after it comes", () => {
    const cheat = writerOf(1);
    const bad = forged(cheat, { height: 9 });
    const followers: VouchedEntry[] = [];
    for (let i = 0; i < 5; i++) {
      const prev = followers.at(-1) ?? bad;
      const body = {
        ...cheat.draft(),
        seq: prev.seq + 1,
        prev: prev.id,
        parents: [],
        height: prev.height + 1,
        time: prev.time + 1,
      };
      followers.push(seal(body, sha256));
    }
    const writer = writerOf(0);
    expect(refusalsIn(writer.receive(followers))).toEqual([]);
    expect(writer.replica.pending.size).toBe(5);
    const codes = Array(6).fill("ENTRY_HEIGHT");
    expect(refusalsIn(writer.receive([bad])).map(({ code }) => code)).toEqual(codes);
    expect([writer.replica.pending.size, writer.replica.pending.bytes, writer.replica.graph.size]).toEqual([0, 0, 1]);
    const again = writer.receive([bad, ...followers]);
    expect([again.map(({ type }) => type), refusalsIn(again).map(({ code }) => code)]).toEqual([["refuse"], codes]);
  });

  test("[REPLICA-3] an entry is shown at once, but told of to peers only when it is durable, once", () => {
    const writer = writerOf(0);
    writer.store();
    const [digest, frontier] = [writer.replica.digest(), writer.replica.frontier()];
    const effects = writer.receive([forged(writer, {})]);
    expect(effects.map(({ type }) => type)).toEqual(["store", "show"]);
    expect(writer.replica.state.table("rows")?.get("r")).toEqual({ n: 1 });
    expect([writer.replica.digest(), writer.replica.frontier()]).toEqual([digest, frontier]);
    expect(writer.store()).toMatchObject([{ type: "announce", nodes: [{ position: 1 }], permissionsChanged: false }]);
    expect(writer.replica.digest()).not.toBe(digest);
    expect(writer.store()).toEqual([]);
  });

  test("[REPLICA-3] that permissions changed is told when it is durable", () => {
    const writer = writerOf(0);
    writer.store();
    accepted(writer.write(settingsParts(setPower(keyOf(5), WRITE))));
    expect(writer.store()).toMatchObject([{ type: "announce", permissionsChanged: true }]);
  });

  const aheadOf = (ms: number): number => (startMs + ms) * ticksPerMs;
  const wakeOf = (effects: readonly ReplicaEffect[]): number | undefined =>
    effects.flatMap((effect) => (effect.type === "wake" ? [effect.afterMs] : []))[0];

  test("[REPLICA-7] an entry ahead of the clock is held back and reported once, and accepted when its time has come", () => {
    const writer = writerOf(0);
    const entry = forged(writerOf(1), { time: aheadOf(clockAheadMsMax + 500) });
    const effects = writer.receive([entry]);
    expect(refusalsIn(effects)).toMatchObject([
      { code: "ENTRY_TIME_AHEAD", details: { aheadMs: clockAheadMsMax + 500 } },
    ]);
    expect(wakeOf(effects)).toBe(500);
    expect([writer.replica.graph.has(entry.id), writer.receive([entry])]).toEqual([
      false,
      [{ type: "wake", afterMs: 500 }],
    ]);
    expect(writer.replica.step({ type: "ticked", nowMs: startMs + 499 })).toEqual([{ type: "wake", afterMs: 1 }]);
    const later = writer.replica.step({ type: "ticked", nowMs: startMs + 500 });
    expect(later.map(({ type }) => type)).toEqual(["store", "show"]);
    expect([writer.replica.graph.has(entry.id), writer.replica.pending.size]).toEqual([true, 0]);
  });

  test("[REPLICA-7] an entry just within the limit is accepted at once", () => {
    expect(refusalsIn(writerOf(0).receive([forged(writerOf(1), { time: aheadOf(clockAheadMsMax) })]))).toEqual([]);
  });

  test("[REPLICA-7] the next wake is for the earliest entry that waits, in whatever order they came, and never far away", () => {
    const writer = writerOf(0);
    const wakes = [3_000_000_000, 900, 5_000, 100].map((ms, i) =>
      wakeOf(writer.receive([forged(writerOf(1), { time: aheadOf(clockAheadMsMax + ms), stores: rowParts(`r${i}`) })])),
    );
    expect(wakes).toEqual([3_600_000, 900, 900, 100]);
    expect(wakeOf(writer.replica.step({ type: "ticked", nowMs: startMs + 100 }))).toBe(800);
    expect(wakeOf(writer.receive([forged(writer, {})], startMs + 300))).toBe(600);
  });

  test("[REPLICA-7] what stands on an entry that is held back waits for it, and nobody is asked for it", () => {
    const ahead = writerOf(1);
    const first = forged(ahead, { time: aheadOf(clockAheadMsMax + 500) });
    ahead.receive([first], lateMs);
    const second = accepted(ahead.write(rowParts("s"), startMs));
    const writer = writerOf(0);
    expect(writer.receive([second, first]).some(({ type }) => type === "fetch")).toBe(false);
    writer.replica.step({ type: "ticked", nowMs: lateMs });
    expect([writer.replica.graph.has(second.id), writer.replica.pending.size]).toEqual([true, 0]);
  });

  test("[REPLICA-7] a device whose clock fell behind goes on writing, and others take what it writes", () => {
    const writer = writerOf(0);
    const behindMs = startMs - 86_400_000;
    const entries = [1, 2, 3].map((i) => accepted(writer.write(rowParts(`r${i}`), behindMs)));
    expect(refusalsIn(writerOf(1).receive(entries, behindMs))).toEqual([]);
  });

  test("[REPLICA-7] a forbidden entry is refused and not held back, however far ahead it is", () => {
    const writer = writerOf(0);
    const entry = forged(writerOf(7), { time: aheadOf(9_000_000) });
    expect(refusalsIn(writer.receive([entry]))).toMatchObject([{ code: "ENTRY_PERMISSION" }]);
    expect(writer.replica.pending.size).toBe(0);
  });

  test("[REPLICA-9] a draft follows every tip and the author's newest entry, also when there are more tips than fit", () => {
    const writer = writerOf(0);
    const branches = parentsMax + 20;
    for (let i = 0; i < branches; i++) {
      const loose = writerOf(1);
      writer.receive([accepted(loose.write(rowParts("r", { i })))]);
    }
    expect(writer.replica.graph.tips()).toHaveLength(branches);
    const first = accepted(writer.write());
    expect(first.parents).toHaveLength(parentsMax);
    accepted(writer.write());
    expect(writer.replica.graph.tips()).toHaveLength(1);
  });

  test("[REPLICA-10] branches beyond the limit are accepted in any order, and reported", () => {
    const branches = Array.from({ length: forksMax + 3 }, (_, i) => accepted(writerOf(1).write(rowParts("r", { i }))));
    const [one, two] = [writerOf(0), writerOf(0)];
    const reports = refusalsIn(one.receive(branches));
    expect(reports).toEqual(Array(3).fill({ code: "ENTRY_FORKS", details: { author: other, max: forksMax } }));
    for (const branch of [...branches].reverse()) two.receive([branch]);
    expect(two.fingerprint).toBe(one.fingerprint);
    expect(one.replica.graph.heads(other)).toHaveLength(branches.length);
    expect(refusalsIn(one.receive([accepted(writerOf(1, ...branches).write())]))).toEqual([]);
  });
});

test("[REPLICA-9] what a writer drafts from what it holds is accepted by whoever holds the same", () => {
  fc.assert(
    fc.property(world, fc.nat(2), ({ database, writers }, number) => {
      const writer = writers[number % writers.length] as Writer;
      const reader = new Writer(keyOf(9), database, sha256);
      reader.receive(writer.entries, lateMs);
      const written = writer.write(rowParts("r"), lateMs);
      if ("code" in written) {
        expect(written.code).toBe("ENTRY_PERMISSION");
        return;
      }
      const tips = writer.replica.graph.tips().map(({ id }) => id);
      expect([refusalsIn(reader.receive([written], lateMs)), tips]).toEqual([[], [written.id]]);
    }),
  );
});

describe("[REPLICA-11] a replica restored from storage", () => {
  test("is as it was", () => {
    fc.assert(
      fc.property(world, ({ database, entries, keys }) => {
        const writer = new Writer(keyOf(9), database, sha256);
        writer.receive(entries, lateMs);
        const before = writer.fingerprint;
        const restored = restore(
          database,
          writer,
          writer.entries.map(({ id }) => id),
        );
        expect(restored.ok).toBe(true);
        expect([restored.replica.digest(), restored.replica.stored]).toEqual([writer.replica.digest(), entries.length]);
        const powers = (replica: Replica): readonly number[] => keys.map((key) => replica.authority.power(key));
        expect(powers(restored.replica)).toEqual(powers(writer.replica));
        expect(restored.replica.encodeState()).toEqual(writer.replica.encodeState());
        expect(writer.fingerprint).toBe(before);
      }),
    );
  });

  test("fails when entries are missing, twice or out of order", () => {
    const root = sealRoot(keyOf(0), sha256, rowParts("r"));
    const one = new Writer(keyOf(0), root.id, sha256);
    one.receive([root]);
    for (let i = 0; i < 3; i++) one.write(rowParts(`r${i}`));
    const ids = one.entries.map(({ id }) => id) as [EntryId, EntryId, EntryId, EntryId];
    for (const wrong of [
      [ids[0], ids[2]],
      [ids[0], ids[0]],
      [ids[1], ids[0]],
    ])
      expect(restore(root.id, one, wrong).failure).toMatchObject({ code: "STORAGE_CORRUPT" });
  });

  function restore(
    database: EntryId,
    writer: Writer,
    ids: readonly EntryId[],
  ): { readonly replica: Replica; readonly ok: boolean; readonly failure: Failure | undefined } {
    const replica = new Replica(database, sha256);
    const entries = ids.map((id) => {
      const entry = writer.entries.find((each) => each.id === id) as VouchedEntry;
      const settings = entry.stores.some(({ name }) => name === "_settings");
      return { ...entry, size: entry.bytes.length, settings };
    });
    expect(replica.settings.members()).toEqual([]);
    const index = attempt(() => LogIndex.of(entries));
    if (!index.ok) return { replica, ...index };
    const result = replica.restore(index.value, writer.replica.state, (id) => {
      const part = writer.entries.find((each) => each.id === id)?.stores[0];
      return decodeSettings("_settings", part?.payload ?? new Uint8Array());
    });
    return { replica, ok: result.ok, failure: result.ok ? undefined : result.failure };
  }
});

describe("what counts", () => {
  const [owner, admin, other] = [keyOf(0), keyOf(1), keyOf(2)] as [PublicKey, PublicKey, PublicKey];

  function accepted(written: ReturnType<Writer["write"]>): VouchedEntry {
    if ("code" in written) throw new Error(`refused: ${written.code}`);
    return written;
  }

  const root = sealRoot(owner, sha256, settingsParts(setPower(admin, 10), setPower(other, WRITE)));

  function holding(key: PublicKey, ...entries: readonly VouchedEntry[]): Writer {
    const writer = new Writer(key, root.id, sha256);
    writer.receive([root, ...entries]);
    return writer;
  }

  const late = accepted(holding(other).write(rowParts("late")));
  const removal = accepted(holding(owner).write(settingsParts(setPower(other, NONE))));
  const rescue = accepted(holding(owner, removal).write(settingsParts(setPower(other, WRITE))));

  test("[REPLICA-12] what was shown and is void is told before all else, and what is void when it comes is never shown", () => {
    const writer = holding(owner, late);
    const effects = writer.receive([removal]);
    expect(effects.map(({ type }) => type)).toEqual(["recounted", "store"]);
    expect(effects[0]).toMatchObject({ voided: [{ id: late.id }], revived: [], because: [{ id: removal.id }] });
    expect(
      holding(owner, removal)
        .receive([late])
        .map(({ type }) => type),
    ).toEqual(["store"]);
    expect(
      holding(owner)
        .receive([late, removal])
        .map(({ type }) => type),
    ).toEqual(["store"]);
  });

  test("[REPLICA-12] what became void and counts again within one step is not told", () => {
    const cut = accepted(holding(admin).write(settingsParts(setPower(other, NONE))));
    const end = accepted(holding(owner).write(settingsParts(setPower(admin, NONE))));
    const counts = ({ replica }: Writer): boolean => replica.graph.tips().some(({ id }) => id === late.id);
    const [one, two] = [holding(owner, late), holding(owner, late)];
    const told = [cut, end].flatMap((entry) => one.receive([entry]).flatMap(({ type }) => type));
    expect(told).toEqual(["recounted", "store", "recounted", "store"]);
    expect(two.receive([cut, end]).map(({ type }) => type)).toEqual(["store"]);
    expect([one, two].map(counts)).toEqual([true, true]);
  });

  test("[REPLICA-12] what does not count is not shown when it is opened at last", () => {
    const { replica } = holding(owner, removal, late);
    expect(replica.foldOpened(new Map([[late.id, decodeParts(late)]]))).toMatchObject({ changes: [], refusals: [] });
    expect(replica.state.table("rows")).toBeUndefined();
  });

  test("[REPLICA-12] the announcement of what changed what counts says that permissions changed, and no other does", () => {
    const writer = holding(owner, removal, late);
    writer.store();
    const kept = accepted(holding(admin, late).write());
    expect(writer.receive([kept])[0]).toMatchObject({ type: "recounted", revived: [{ id: late.id }] });
    expect(writer.store()).toMatchObject([{ type: "announce", permissionsChanged: true }]);
    writer.write();
    expect(writer.store()).toMatchObject([{ type: "announce", permissionsChanged: false }]);
  });

  describe("[REPLICA-13] when there is no room for more that does not count", () => {
    const removed = accepted(holding(owner).write(settingsParts(setPower(admin, NONE))));

    function full(): Writer {
      const filler = (bytes: number): VouchedEntry => {
        const stores = [{ name: "t", type: "other", payload: new Uint8Array(bytes) }];
        return seal(holding(admin).draft(stores), sha256);
      };
      const overhead = filler(2 ** 20).bytes.length - 2 ** 20;
      const writer = holding(owner, removed);
      expect(refusalsIn(writer.receive([filler(voidBytesMax - overhead)]))).toEqual([]);
      expect([writer.replica.graph.voidCount, writer.replica.graph.voidBytes]).toEqual([1, voidBytesMax]);
      return writer;
    }

    test("it is refused, and has no effect", () => {
      const writer = full();
      const cut = accepted(holding(admin).write(settingsParts(setPower(other, NONE))));
      expect(refusalsIn(writer.receive([cut]))).toMatchObject([{ code: "ENTRY_VOID_FULL" }]);
      expect(refusalsIn(writer.receive([late]))).toEqual([]);
      expect(writer.replica.graph.voidCount).toBe(1);
    });

    test("what stands on it is refused too, though both were tried before", () => {
      const device = holding(admin);
      const [below, above] = [accepted(device.write()), accepted(device.write())];
      const { replica } = full();
      expect(replica.isProved([below, above], (id) => id === above.id, startMs)).toBe(true);
      const effects = replica.step({ type: "received", entries: [below, above], nowMs: startMs });
      expect(refusalsIn(effects)).toMatchObject([{ code: "ENTRY_VOID_FULL" }, { code: "ENTRY_VOID_FULL" }]);
    });

    test("it is taken when something waits that may stand on it, with others between them that come with it", () => {
      const device = holding(admin);
      const below = [1, 2, 3].map(() => accepted(device.write()));
      const above = accepted(holding(other, ...below).write());
      const writer = full();
      writer.receive([above]);
      expect(refusalsIn(writer.receive(below))).toEqual([]);
      expect([writer.replica.graph.has(above.id), writer.replica.graph.voidCount]).toEqual([true, 1]);
    });
  });

  test("[REPLICA-14] until all that decided what counts is durable it is not held to be settled", () => {
    const writer = holding(owner, late);
    writer.store();
    expect(writer.replica.isRecountDurable).toBe(true);
    writer.receive([removal]);
    expect(writer.replica.isRecountDurable).toBe(false);
    writer.store();
    expect(writer.replica.isRecountDurable).toBe(true);
    const before = writer.replica.digest();
    const another = accepted(holding(other, late).write());
    writer.receive([another]);
    expect([writer.replica.isRecountDurable, writer.replica.digest()]).toEqual([false, before]);
  });

  test("[REPLICA-3] the digest is of what counts, also when that changes without anything becoming durable", () => {
    const writer = holding(owner, late);
    writer.store();
    const before = writer.replica.digest();
    writer.receive([removal]);
    expect(writer.replica.digest()).not.toBe(before);
    expect([...writer.replica.frontier().keys()]).toEqual([owner]);
  });

  test("[REPLICA-9] a draft on more tips than it can follow knows the latest settings", () => {
    const rows = Array.from({ length: 100 }, (_, i) => seal(holding(admin).draft(rowParts("r", { i })), sha256));
    for (let i = 0; i < 5; i++) {
      const removed = seal(holding(owner).draft(settingsParts(setPower(other, NONE)), startMs + i), sha256);
      const writer = holding(admin, ...rows, removed);
      expect(writer.draft().parents).toHaveLength(parentsMax);
      expect(writer.draft().parents).toContain(removed.id);
    }
  });

  test("[REPLICA-8] what a batch is tried with leaves no trace", () => {
    const writer = holding(owner);
    expect(writer.replica.isProved([removal, rescue], () => false, startMs)).toBe(false);
    expect(writer.replica.authority.power(other)).toBe(WRITE);
    expect(writer.replica.settings.sets()).toHaveLength(2);
    writer.receive([removal]);
    expect(writer.replica.authority.power(other)).toBe(NONE);
    writer.receive([rescue]);
    expect(writer.replica.authority.power(other)).toBe(WRITE);
  });

  test("[REPLICA-8] what is tried on branches that are not here is judged as it is when it is taken", () => {
    const branch = accepted(holding(other).write(rowParts("branch")));
    const knowing = accepted(holding(owner, late, branch).write(settingsParts(setPower(other, NONE))));
    const above = {
      ...holding(admin, late, branch, knowing).draft(),
      parents: [late.id, branch.id, knowing.id].sort(),
    };
    const entry = seal(above, sha256);
    const writer = holding(owner, late);
    expect(writer.replica.isProved([branch, knowing, entry], (id) => id !== entry.id, startMs)).toBe(false);
    expect(refusalsIn(writer.receive([branch, knowing, entry]))).toEqual([]);
  });

  test("[REPLICA-8] a removal that was only tried cuts nothing", () => {
    const writer = holding(owner);
    expect(writer.replica.isProved([removal, rescue], () => false, startMs)).toBe(false);
    const named = accepted(holding(owner).write(settingsParts({ type: "name", name: "x" })));
    writer.receive([named, late]);
    expect(writer.replica.graph.voidCount).toBe(0);
  });
});
