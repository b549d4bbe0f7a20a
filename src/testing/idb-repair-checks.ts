/** What storage on IndexedDB does with a log whose records are damaged, in each other's place, or gone: rule STORAGE-32. */
import { equalBytes } from "../core/bytes.ts";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import type { EntryIndex, RepairedLog, StoredEntry } from "../ports/storage.ts";
import { damageNth, exchange, type IdbCheck, remove, segmented, Written } from "./idb-subject.ts";
import { listRaw, putRaw, type RawRecord } from "./raw-idb.ts";
import { expect, expectCode } from "./storage-subject.ts";

/** Of bytes that were written as an entry, and not at `without`. */
function indexOfWritten(
  { entries }: Pick<Written, "entries">,
  without = -1,
): (bytes: Uint8Array) => EntryIndex | undefined {
  const known = new Map(
    entries.filter((_, i) => i !== without).map(({ bytes, ...index }) => [encodeHex(bytes), index]),
  );
  return (bytes) => known.get(encodeHex(bytes));
}

async function asideOf({ storage, id }: Pick<Written, "storage" | "id">): Promise<readonly Uint8Array[]> {
  const all: Uint8Array[] = [];
  for (let lot = await storage.nextAside(id, 0); lot !== undefined; lot = await storage.nextAside(id, lot.number))
    all.push(...lot.entries);
  return all;
}

function expectEntries(got: readonly Uint8Array[], written: Written, from: number, to: number): void {
  const wanted = written.entries.slice(from, to);
  expect(got.length === wanted.length, `${wanted.length} entries, got ${got.length}`);
  expect(
    got.every((bytes, i) => equalBytes(bytes, wanted[i]?.bytes ?? new Uint8Array())),
    "each as it was committed",
  );
}

async function expectRepaired(
  name: string,
  written: Written,
  expected: RepairedLog,
  indexOf: ReturnType<typeof indexOfWritten> = indexOfWritten(written),
): Promise<void> {
  await written.reopen(name);
  const { end, aside, lost } = await written.storage.repair(written.id, indexOf);
  const isSame = end === expected.end && aside === expected.aside && lost === expected.lost;
  expect(isSame, `${Object.values(expected)}, got ${end},${aside},${lost}`);
  expect((await asideOf(written)).length === aside, "so many are aside");
  const loaded = await written.storage.load(written.id);
  expect(loaded?.index.length === (end ?? written.entries.length), "the log can be loaded, and ends there");
}

/** In any order. */
async function expectAside(written: Written, from: number, to: number): Promise<void> {
  const aside = new Set((await asideOf(written)).map(encodeHex));
  const wanted = written.entries.slice(from, to);
  expect(aside.size === wanted.length && wanted.every(({ bytes }) => aside.has(encodeHex(bytes))), "these are aside");
}

export const repairChecks: readonly IdbCheck[] = [
  {
    title: "[STORAGE-32] a damaged index is made anew from its entries, and the log stays as it was",
    async check(name) {
      const written = await segmented(name);
      for (const n of [0, 3]) await damageNth(name, "indexes", n);
      const [, second] = (await listRaw(name, "indexes")) as [RawRecord, RawRecord];
      await putRaw(name, "indexes", { key: second.key, value: undefined });
      await written.reopen(name);
      const { storage, id } = written;
      const stores = [{ name: "s", type: "table", bytes: Uint8Array.of(1) }];
      await storage.putCheckpoint(id, { number: 1, through: 1, void: [], stores }, 1);
      await expectCode("STORAGE_CORRUPT", () => storage.load(id));
      const repaired = await storage.repair(id, indexOfWritten(written));
      expect(repaired.end === undefined && repaired.aside === 0 && repaired.lost === 0, "nothing had to move");
      await written.expectAll();
      expect((await asideOf(written)).length === 0, "nothing is aside");
      expect((await storage.checkpoints(id)).length === 1, "the checkpoint is as good as before");
      await written.reopen(name);
      await written.expectAll();
      const [more] = written.source.take(1);
      if (more !== undefined) await written.storage.commit({ database: id, position: 2_050, entries: [more] });
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-32] missing bytes stand as damaged ones, and can be put back",
    async check(name) {
      const written = await segmented(name);
      const [, second] = (await listRaw(name, "segments")) as [RawRecord, RawRecord];
      await putRaw(name, "segments", { key: second.key, value: undefined });
      await written.reopen(name);
      const { storage, id } = written;
      expect((await storage.repair(id, indexOfWritten(written))).end === undefined, "nothing had to move");
      expect((await storage.load(id))?.index.length === 2_050, "all positions are there");
      await expectCode("STORAGE_CORRUPT", () => storage.read(id, 20, 21));
      await storage.replace(id, 20, written.entries.slice(20, 1_020));
      await written.expectAll();
      await written.storage.close();
    },
  },
  {
    title:
      "[STORAGE-32] where index and bytes are damaged the log ends, and whatever is an entry from there on is put aside",
    async check(name) {
      const written = await segmented(name);
      await damageNth(name, "indexes", 1);
      // The last byte is in the last entry.
      await damageNth(name, "segments", 1, -8);
      await written.reopen(name);
      const { storage, id } = written;
      const stores = [{ name: "s", type: "table", bytes: Uint8Array.of(1) }];
      await storage.putCheckpoint(id, { number: 1, through: 2_050, void: [], stores }, 1);
      const repaired = await storage.repair(id, indexOfWritten(written));
      expect(repaired.end === 20, `it ends at 20, got ${repaired.end}`);
      expect(repaired.aside === 2_029 && repaired.lost === 1, `got ${repaired.aside} and ${repaired.lost}`);
      const loaded = await storage.load(id);
      expect(loaded?.index.length === 20 && loaded.checkpoints.length === 0, "20 entries, no checkpoint");
      expect(loaded?.hasAside === true, "something is aside");
      const aside = await asideOf(written);
      const wrong = written.entries.slice(20).filter(({ bytes }) => !aside.some((each) => equalBytes(each, bytes)));
      expect(wrong.length === 1 && aside.length === 2_029, "all but one");
      // Those that follow nothing that is gone take their places again.
      const gone = written.entries.findIndex((entry) => entry.id === wrong[0]?.id);
      await storage.commit({ database: id, position: 20, entries: written.entries.slice(20, gone) });
      for (let lot = await storage.nextAside(id, 0); lot !== undefined; lot = await storage.nextAside(id, 0))
        await storage.deleteAside(id, lot.number);
      expect((await storage.load(id))?.hasAside === false, "nothing is aside any more");
      await storage.close();
    },
  },
  {
    title:
      "[STORAGE-32] that the end was lost is known as long as nobody has said to be done with it, also when nothing is left of it",
    async check(name) {
      const written = await segmented(name);
      for (const store of ["indexes", "segments"] as const) {
        const { key } = (await listRaw(name, store)).at(-1) as RawRecord;
        await putRaw(name, store, { key, value: "gone" });
      }
      await written.reopen(name);
      const { storage, id } = written;
      const { end, aside, lost } = await storage.repair(id, indexOfWritten(written));
      expect(end === 1_050 && aside === 0 && lost === 1_000, `got ${end}, ${aside}, ${lost}`);
      expect((await storage.load(id))?.hasAside === true, "it is known");
      const lot = await storage.nextAside(id, 0);
      expect(lot?.entries.length === 0, "a lot of nothing");
      await storage.deleteAside(id, lot?.number ?? 0);
      expect((await storage.load(id))?.hasAside === false, "and not any more");
      await storage.close();
    },
  },
  {
    title: "[STORAGE-32] a log can be ended anywhere; what is put aside comes in its order, and goes with the database",
    async check(name) {
      const written = await segmented(name);
      await written.reopen(name);
      const { storage, id } = written;
      expect((await storage.repair(id, indexOfWritten(written), 2_050)).end === undefined, "it ends there already");
      const { end, aside, lost } = await storage.repair(id, indexOfWritten(written), 1_030);
      expect(end === 1_020 && aside === 1_030 && lost === 0, `got ${end}, ${aside}, ${lost}`);
      expectEntries(await asideOf(written), written, 1_020, 2_050);
      await storage.repair(id, indexOfWritten(written), 5);
      const entries = await asideOf(written);
      expectEntries(entries.slice(0, 1_030), written, 1_020, 2_050);
      expectEntries(entries.slice(1_030), written, 0, 1_020);
      await expectCode("DATABASE_UNKNOWN", () => storage.repair("0".repeat(64) as DatabaseId, () => undefined));
      await storage.deleteDatabase(id);
      expect((await asideOf(written)).length === 0, "nothing is left");
      expect((await listRaw(name, "spare")).length === 0, "nor a copy of the record");
      await storage.close();
    },
  },
  {
    title: "[STORAGE-32] an index in another's place is made anew from the bytes beside it",
    async check(name) {
      const written = await segmented(name);
      await exchange(name, "indexes", 1, 3);
      await expectRepaired(name, written, { end: undefined, aside: 0, lost: 0 });
      await written.expectAll();
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-32] bytes in another's place never become a part of the log there: they are put aside",
    async check(name) {
      const written = await segmented(name);
      await exchange(name, "segments", 1, 3);
      for (const n of [1, 3]) await damageNth(name, "indexes", n);
      await expectRepaired(name, written, { end: 20, aside: 2_030, lost: 0 });
      await expectAside(written, 20, 2_050);
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-32] of bytes in another's place there may be more than are missing: none is counted as lost",
    async check(name) {
      const written = await segmented(name);
      await exchange(name, "segments", 1, 2);
      for (const n of [1, 2]) await damageNth(name, "indexes", n);
      await expectRepaired(name, written, { end: 20, aside: 2_030, lost: 970 });
      await expectAside(written, 20, 2_050);
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-32] where both records of a run are gone the log ends, though what follows is as it was written",
    async check(name) {
      const written = await segmented(name);
      for (const store of ["indexes", "segments"] as const) await remove(name, store, 1);
      await expectRepaired(name, written, { end: 20, aside: 1_030, lost: 1_000 });
      await expectAside(written, 1_020, 2_050);
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-32] a record that begins where it should and ends elsewhere is none of that place",
    async check(name) {
      const written = await segmented(name);
      const index = await remove(name, "indexes", 1);
      await remove(name, "segments", 1);
      const next = (await listRaw(name, "indexes"))[1] as RawRecord;
      await putRaw(name, "indexes", { key: next.key, value: index.value });
      await expectRepaired(name, written, { end: 20, aside: 1_030, lost: 1_000 });
      await expectAside(written, 1_020, 2_050);
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-32] how many entries there were is known from where the records stand, whatever the bytes say",
    async check(name) {
      const written = await segmented(name);
      await damageNth(name, "indexes", 1);
      // The number of entries.
      await damageNth(name, "segments", 1, 12);
      await expectRepaired(name, written, { end: 20, aside: 2_030, lost: 0 });
      await expectAside(written, 20, 2_050);
      await written.storage.close();
    },
  },
  {
    title:
      "[STORAGE-32] what stands beyond the end beside a sound index is put aside only if it is what that index says",
    async check(name) {
      const written = await segmented(name);
      for (const store of ["indexes", "segments"] as const) await remove(name, store, 1);
      await damageNth(name, "segments", 2, -8);
      await written.reopen(name);
      const known = indexOfWritten(written);
      const { bytes: _, ...other } = written.entries[0] as StoredEntry;
      await expectRepaired(name, written, { end: 20, aside: 1_029, lost: 1_001 }, (bytes) => known(bytes) ?? other);
      await written.storage.close();
    },
  },
  {
    title:
      "[STORAGE-32] however often something is put aside, all of it is there in its order, and none of another database",
    async check(name) {
      const written = await Written.create(name);
      const { storage, id, source } = written;
      const others = ["0", "f"].map((digit) => digit.repeat(64) as DatabaseId);
      for (const other of others) await storage.putDatabase({ id: other, name: "other", relays: [] });
      const putAside = async (database: DatabaseId): Promise<void> => {
        const entries = source.take(1);
        await storage.commit({ database, position: 0, entries });
        if (database === id) written.entries.push(...entries);
        await storage.repair(database, indexOfWritten({ entries: [...entries] }), 0);
      };
      for (let i = 0; i < 12; i++) for (const database of [id, ...others]) await putAside(database);
      expectEntries(await asideOf(written), written, 0, 12);
      await storage.deleteAside(id, (await storage.nextAside(id, 0))?.number ?? 0);
      await putAside(id);
      expectEntries(await asideOf(written), written, 1, 13);
      await storage.deleteDatabase(id);
      expect((await asideOf(written)).length === 0, "nothing is left");
      for (const other of others) expect((await asideOf({ storage, id: other })).length === 12, "the others' are");
      await storage.close();
    },
  },
  {
    title: "[STORAGE-32] bytes of which one is no entry make no index: the log ends, and the others are put aside",
    async check(name) {
      const written = await segmented(name);
      await damageNth(name, "indexes", 1);
      await expectRepaired(name, written, { end: 20, aside: 2_029, lost: 1 }, indexOfWritten(written, 500));
      await written.storage.close();
    },
  },
];
