/** What storage on IndexedDB does with records that are damaged, missing or not its own: rule STORAGE-15. */
import { equalBytes } from "../core/bytes.ts";
import { TidemarkError } from "../core/errors.ts";
import type { StoredEntry } from "../ports/storage.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { encodeSegment } from "../storage/segment-record.ts";
import { type IdbCheck, Written } from "./idb-subject.ts";
import { listRaw, putRaw, type RawRecord, type StoreName } from "./raw-idb.ts";
import { expect, expectCode } from "./storage-subject.ts";

/** What a stored value may have turned into. */
function damage(value: unknown): readonly unknown[] {
  const others = [
    undefined,
    null,
    7,
    "text",
    {},
    [],
    new Uint8Array(),
    new Uint8Array(8),
    new Uint8Array(4_000).fill(255),
  ];
  if (!(value instanceof Uint8Array)) return others;
  const flipped = [0, 4, 8, 12, 17, 40, value.length >> 1, value.length - 1].map((at) => {
    const copy = value.slice();
    copy[at] = (copy[at] ?? 0) ^ 0x10;
    return copy;
  });
  return [...others, ...flipped, value.slice(0, -4), value.slice(4), value.slice(0, 31), value.buffer];
}

interface Answers {
  /** How many calls rejected with STORAGE_CORRUPT. */
  readonly corrupt: number;
  /** How many answered with something else than what was written. */
  readonly wrong: number;
}

/** Asks for everything that can be read. No call may reject with another code. */
async function readAll(name: string, { id, entries }: Written): Promise<Answers> {
  const storage = await openIdbStorage(name);
  const last = entries.at(-1) as StoredEntry;
  const calls: readonly (() => Promise<boolean>)[] = [
    async () =>
      [...((await storage.load(id))?.index ?? [])].map((entry) => entry.id).join() === entries.map((e) => e.id).join(),
    async () =>
      (await storage.read(id, 0, entries.length)).every((bytes, i) => equalBytes(bytes, entries[i]?.bytes ?? bytes)),
    async () => equalBytes((await storage.readById(id, last.id)) ?? new Uint8Array(), last.bytes),
    async () => (await storage.databases())[0]?.id === id,
  ];
  const answers = { corrupt: 0, wrong: 0 };
  for (const call of calls) {
    const outcome = await call().catch((error: unknown) => (error instanceof TidemarkError ? error.code : error));
    if (outcome === "STORAGE_CORRUPT") answers.corrupt += 1;
    else if (outcome === false) answers.wrong += 1;
    else expect(outcome === true, `it answers or is STORAGE_CORRUPT, got ${String(outcome)}`);
  }
  await storage.close();
  return answers;
}

async function expectUndamaged(name: string, written: Written): Promise<void> {
  const { corrupt, wrong } = await readAll(name, written);
  expect(corrupt + wrong === 0, "everything is read");
}

export const damageChecks: readonly IdbCheck[] = [
  {
    title:
      "[STORAGE-15] damaged, missing and foreign records are STORAGE_CORRUPT or made right, and what is not damaged is read",
    async check(name) {
      const written = await Written.create(name);
      await written.commit(30, 1_200, 40);
      const stores = [{ name: "notes", type: "table", bytes: Uint8Array.of(1) }];
      await written.storage.putCheckpoint(written.id, { number: 1, through: 1, void: [], stores }, 1);
      await written.storage.close();
      await expectUndamaged(name, written);
      for (const store of ["indexes", "segments", "databases", "checkpoints"] as const) {
        await expectNoticed(name, written, store);
      }
      await expectUndamaged(name, written);
    },
  },
  {
    title: "[STORAGE-15] loading notices entries whose bytes are not there, and bytes of which nothing is known",
    async check(name) {
      const written = await Written.create(name);
      await written.commit(1_000, 1_000);
      await written.storage.close();
      const [segments, indexes] = [await listRaw(name, "segments"), await listRaw(name, "indexes")];
      const [firstSegment, lastSegment, lastIndex] = [segments[0], segments[1], indexes[1]] as [
        RawRecord,
        RawRecord,
        RawRecord,
      ];
      for (const [store, record] of [
        ["segments", firstSegment],
        ["segments", lastSegment],
        ["indexes", lastIndex],
      ] as const) {
        await putRaw(name, store, { key: record.key, value: undefined });
        const storage = await openIdbStorage(name);
        await expectCode("STORAGE_CORRUPT", () => storage.load(written.id));
        await storage.close();
        await putRaw(name, store, record);
      }
      await putRaw(name, "segments", { key: firstSegment.key, value: undefined });
      await putRaw(name, "segments", { key: [written.id, 999], value: firstSegment.value });
      const storage = await openIdbStorage(name);
      await expectCode("STORAGE_CORRUPT", () => storage.load(written.id));
      await storage.close();
    },
  },
  {
    title: "[STORAGE-15] records in each other's place are STORAGE_CORRUPT",
    async check(name) {
      const written = await Written.create(name);
      await written.commit(1_000, 1_000);
      await written.storage.close();
      for (const store of ["indexes", "segments"] as const) {
        const [one, other] = (await listRaw(name, store)) as [RawRecord, RawRecord];
        await putRaw(name, store, { key: one.key, value: other.value });
        await putRaw(name, store, { key: other.key, value: one.value });
        const storage = await openIdbStorage(name);
        const load = (): Promise<unknown> => storage.load(written.id);
        const read = (): Promise<unknown> => storage.read(written.id, 0, 2_000);
        await expectCode("STORAGE_CORRUPT", store === "indexes" ? load : read);
        await storage.close();
        for (const record of [one, other]) await putRaw(name, store, record);
      }
    },
  },
  {
    title: "[STORAGE-19] of a damaged segment all but the damaged entry can be salvaged, and put back in any order",
    async check(name) {
      const written = await Written.create(name);
      await written.commit(30, 1_200, 40);
      await written.storage.close();
      const [, large] = (await listRaw(name, "segments")) as [RawRecord, RawRecord, RawRecord];
      const bytes = (large.value as Uint8Array).slice();
      const at = bytes.length - 300;
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      await putRaw(name, "segments", { key: large.key, value: bytes });
      await written.reopen(name);
      await expectCode("STORAGE_CORRUPT", () => written.storage.read(written.id, 100, 101));
      const there = await written.storage.salvage(written.id, 20, 1_260);
      const wrong = there.flatMap((each, i) => (isSame(each, written.entries[20 + i]) ? [] : [20 + i]));
      expect(wrong.length === 1 && (wrong[0] ?? 0) > 1_200, `one entry is damaged, got ${wrong.join()}`);
      for (const [from, to] of [
        [700, 1_000],
        [25, 300],
        [1_000, 1_200],
        [wrong[0] ?? 0, 1_270],
        [300, 700],
        [1_200, wrong[0] ?? 0],
      ] as const)
        await expectHealed(name, written, from, to);
      await written.expectAll();
      await written.storage.close();
      await expectUndamaged(name, written);
    },
  },
  {
    title: "[STORAGE-19] whatever a segment has turned into, its entries can be put back, all of them or one by one",
    async check(name) {
      const written = await Written.create(name);
      await written.commit(20, 6, 20);
      await written.storage.close();
      const [, small] = (await listRaw(name, "segments")) as [RawRecord, RawRecord, RawRecord];
      for (const value of damage(small.value)) {
        for (const step of [6, 1]) {
          const [indexes, segments] = [await listRaw(name, "indexes"), await listRaw(name, "segments")];
          await putRaw(name, "segments", { key: small.key, value });
          await written.reopen(name);
          expect((await written.storage.salvage(written.id, 0, 46)).length === 46, "as many as there should be");
          for (let from = 20; from < 26; from += step) await expectHealed(name, written, from, from + step);
          await written.expectAll();
          await written.storage.close();
          await expectUndamaged(name, written);
          // The next damage needs the six in one segment again.
          for (const [store, records] of [
            ["indexes", indexes],
            ["segments", segments],
          ] as const) {
            for (const { key } of await listRaw(name, store)) await putRaw(name, store, { key, value: undefined });
            for (const record of records) await putRaw(name, store, record);
          }
        }
      }
    },
  },
  {
    title: "[STORAGE-19] sound bytes that do not belong beside an index are not taken for what it says",
    async check(name) {
      const bytes = Array.from({ length: 15 }, (_, i) => new Uint8Array(40).fill(i));
      const shorter = bytes.map((each, i) => each.subarray(i % 2));
      const records = [
        encodeSegment(10, bytes.slice(10, 15)),
        encodeSegment(5, bytes.slice(5, 8)),
        encodeSegment(5, bytes.slice(5, 12)),
        encodeSegment(7, bytes.slice(7, 10)),
        encodeSegment(5, shorter.slice(5, 10)),
      ];
      for (const [i, value] of records.entries()) {
        const { storage, id, source } = await Written.create(`${name}-${i}`);
        const entries = bytes.map((each) => source.next(each));
        for (const position of [0, 5, 10])
          await storage.commit({ database: id, position, entries: entries.slice(position, position + 5) });
        await putRaw(`${name}-${i}`, "segments", { key: [id, 10], value });
        await storage.uncache(id);
        await storage.replace(id, 5, entries.slice(5, 6));
        expect(isSame((await storage.read(id, 5, 6))[0], entries[5]), "what was put back is read");
        await expectCode("STORAGE_CORRUPT", () => storage.read(id, 6, 7));
        await storage.close();
      }
    },
  },
  {
    title: "[STORAGE-19] entries whose index is damaged cannot be put back: STORAGE_CORRUPT",
    async check(name) {
      const written = await Written.create(name);
      await written.commit(20, 30);
      const [, index] = (await listRaw(name, "indexes")) as [RawRecord, RawRecord];
      for (const value of damage(index.value)) {
        await putRaw(name, "indexes", { key: index.key, value });
        const { storage, entries, id } = written;
        await expectCode("STORAGE_CORRUPT", () => storage.replace(id, 20, entries.slice(20)));
        await expectCode("STORAGE_CORRUPT", () => storage.salvage(id, 20, 30));
      }
      await written.storage.close();
    },
  },
];

function isSame(got: Uint8Array | undefined, entry: StoredEntry | undefined): boolean {
  return got !== undefined && entry !== undefined && equalBytes(got, entry.bytes);
}

/** What is put back is read at once, and by whoever opens next. */
async function expectHealed(name: string, written: Written, from: number, to: number): Promise<void> {
  const entries = written.entries.slice(from, to);
  await expectCode("STORAGE_CORRUPT", () => written.storage.read(written.id, 0, written.entries.length));
  await written.storage.replace(written.id, from, entries);
  for (let i = 0; i < 2; i++) {
    const read = await written.storage.read(written.id, from, to);
    expect(
      read.every((bytes, at) => isSame(bytes, entries[at])),
      `${from} to ${to} is read`,
    );
    await written.reopen(name);
  }
}

async function expectNoticed(name: string, written: Written, store: StoreName): Promise<void> {
  // Of these there is another copy, or they only save work: see idb-healing-checks.ts.
  const isMended = store === "checkpoints" || store === "databases";
  for (const record of await listRaw(name, store)) {
    for (const value of damage(record.value)) {
      await putRaw(name, store, { key: record.key, value });
      const { corrupt, wrong } = await readAll(name, written);
      const isRight = isMended ? corrupt === 0 : corrupt > 0;
      const isNoticed = value === undefined ? isMended || corrupt + wrong > 0 : isRight && wrong === 0;
      expect(isNoticed, `${store} with ${String(value).slice(0, 20)} is noticed, got ${corrupt} and ${wrong}`);
    }
    await putRaw(name, store, record);
  }
}
