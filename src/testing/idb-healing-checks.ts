/** What storage on IndexedDB makes right by itself, and what it puts aside: the rules STORAGE-30 to STORAGE-33. */
import { equalBytes } from "../core/bytes.ts";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import type { DatabaseRecord, EntryIndex } from "../ports/storage.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { type IdbCheck, Written } from "./idb-subject.ts";
import { listRaw, putRaw, type RawRecord, type StoreName } from "./raw-idb.ts";
import { expect, expectCode } from "./storage-subject.ts";

/** Of bytes that were written as an entry. */
function indexOfWritten({ entries }: Written): (bytes: Uint8Array) => EntryIndex | undefined {
  const known = new Map(entries.map(({ bytes, ...index }) => [encodeHex(bytes), index]));
  return (bytes) => known.get(encodeHex(bytes));
}

/** One bit of the record differs: of its bytes, or of the first text or number in it. */
function damaged({ key, value }: RawRecord, at = -1): RawRecord {
  if (value instanceof Uint8Array) {
    const copy = value.slice();
    const i = at < 0 ? copy.length + at : at;
    copy[i] = (copy[i] ?? 0) ^ 4;
    return { key, value: copy };
  }
  return { key, value: { ...(value as object), sum: ((value as { sum: number }).sum ^ 4) >>> 0 } };
}

async function damageAll(name: string, store: StoreName, isMeant: (key: string) => boolean): Promise<void> {
  const records = (await listRaw(name, store)).filter(({ key }) => isMeant(String(key)));
  expect(records.length > 0, `${store} holds something to damage`);
  for (const record of records) await putRaw(name, store, damaged(record));
}

/** Several segments; the n-th record of either kind can be damaged. */
async function segmented(name: string): Promise<Written> {
  const written = await Written.create(name);
  await written.commit(20, 1_000, 30, 1_000);
  await written.storage.close();
  return written;
}

async function damageNth(name: string, store: "indexes" | "segments", n: number, at = -1): Promise<void> {
  await putRaw(name, store, damaged((await listRaw(name, store))[n] as RawRecord, at));
}

async function asideOf({ storage, id }: Written): Promise<readonly Uint8Array[]> {
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

export const healingChecks: readonly IdbCheck[] = [
  {
    title: "[STORAGE-30] the record of a database has a second copy; of two damaged ones the id is left",
    async check(name) {
      const written = await segmented(name);
      const record: DatabaseRecord = { id: written.id, name: "notes", relays: [] };
      const expectRecord = async (expected: DatabaseRecord, isTold: boolean): Promise<void> => {
        const storage = await openIdbStorage(name);
        const [listed] = await storage.databases();
        const loaded = await storage.load(written.id);
        for (const got of [listed, loaded?.record])
          expect(JSON.stringify(got) === JSON.stringify(expected), `${JSON.stringify(got)} is ${expected.name}`);
        expect((loaded?.damage ?? []).length > 0 === isTold, "damage is told");
        await storage.close();
      };
      await expectRecord(record, false);
      await damageAll(name, "databases", () => true);
      await expectRecord(record, true);
      await expectRecord(record, false);
      await damageAll(name, "spare", (key) => key.startsWith("database "));
      await expectRecord(record, false);
      await damageAll(name, "databases", () => true);
      // It may have been one that was never shared.
      const left: DatabaseRecord = { ...record, name: "", sync: false };
      await expectRecord(left, true);
      await expectRecord(left, false);
    },
  },
  {
    title: "[STORAGE-30] a value has a second copy; of two damaged ones nothing is answered",
    async check(name) {
      const storage = await openIdbStorage(name);
      await storage.putValueOnce("key", { secret: Uint8Array.of(1, 2, 3) });
      const expectValue = async (): Promise<void> => {
        const values = [
          await storage.getValue("key"),
          await storage.putValueOnce("key", 7),
          (await storage.values("k"))[0]?.[1],
        ] as readonly { secret: Uint8Array }[];
        expect(
          values.every(({ secret }) => equalBytes(secret, Uint8Array.of(1, 2, 3))),
          "the value",
        );
      };
      await expectValue();
      const [original] = (await listRaw(name, "values")) as [RawRecord];
      await damageAll(name, "values", () => true);
      await expectValue();
      await damageAll(name, "spare", () => true);
      await expectCode("STORAGE_CORRUPT", () => storage.getValue("key"));
      await putRaw(name, "values", original);
      await expectValue();
      await storage.deleteValue("key");
      expect((await storage.getValue("key")) === undefined, "both are gone");
      await storage.close();
    },
  },
  {
    title:
      "[STORAGE-30] of a list of values those that are damaged in both copies have none, and the others are as they were",
    async check(name) {
      const storage = await openIdbStorage(name);
      for (const value of ["a", "b", "c"]) await storage.putValueOnce(`key/${value}`, value);
      for (const [store, key] of [
        ["values", "key/b"],
        ["spare", "value key/b"],
        ["values", "key/c"],
      ] as const)
        await damageAll(name, store, (each) => each === key);
      const listed = JSON.stringify(await storage.values("key/"));
      expect(listed === '[["key/a","a"],["key/b",null],["key/c","c"]]', `got ${listed}`);
      await storage.close();
    },
  },
  {
    title:
      "[STORAGE-42] a row of what was done for a tab that is damaged has no value, and the others are as they were",
    async check(name) {
      const written = await Written.create(name);
      const record: DatabaseRecord = { id: written.id, name: "notes", relays: [] };
      await written.storage.putDatabase(record, [
        { tab: "one", value: { ranges: [1, 2] } },
        { tab: "two", value: { ranges: [3] } },
      ]);
      await damageAll(name, "writes", (key) => key === "one");
      const rows = JSON.stringify(await written.storage.writeRows());
      expect(rows === '[{"tab":"one"},{"tab":"two","value":{"ranges":[3]}}]', `got ${rows}`);
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-31] of a damaged part of a checkpoint no part is answered, then or later, and that is told",
    async check(name) {
      const written = await segmented(name);
      await written.reopen(name);
      for (const number of [1, 2, 3]) {
        const stores = [{ name: "s", type: "table", bytes: new Uint8Array(50).fill(number) }];
        await written.storage.putCheckpoint(written.id, { number, through: number, void: [], stores }, number);
      }
      const [, middle] = (await listRaw(name, "checkpoints")) as [RawRecord, RawRecord, RawRecord];
      const { value } = structuredClone(middle) as { value: { value: { stores: { bytes: Uint8Array }[] } } };
      value.value.stores[0]?.bytes.set([9], 20);
      await putRaw(name, "checkpoints", { key: middle.key, value });
      const first = await written.storage.load(written.id);
      expect(first?.checkpoints.length === 0 && first.damage?.length === 1, "none, and told");
      const second = await written.storage.load(written.id);
      expect(second?.checkpoints.length === 0 && second.damage?.length === 0, "none, and not told again");
      expect((await written.storage.checkpoints(written.id)).length === 0, "they are gone");
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-32] a damaged index is made anew from its entries, and the log stays as it was",
    async check(name) {
      const written = await segmented(name);
      for (const n of [0, 1, 3]) await damageNth(name, "indexes", n);
      await written.reopen(name);
      const { storage, id } = written;
      await expectCode("STORAGE_CORRUPT", () => storage.load(id));
      const repaired = await storage.repair(id, indexOfWritten(written));
      expect(repaired.end === undefined && repaired.aside === 0 && repaired.lost === 0, "nothing had to move");
      await written.expectAll();
      expect((await asideOf(written)).length === 0, "nothing is aside");
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
    title: "[STORAGE-33] every record beside the log is looked at, and made right where there is a second copy",
    async check(name) {
      const written = await segmented(name);
      await written.reopen(name);
      const { storage, id } = written;
      const stores = [{ name: "s", type: "table", bytes: Uint8Array.of(1) }];
      for (let number = 1; number <= 20; number++)
        await storage.putCheckpoint(id, { number, through: 1, void: [], stores }, number);
      await storage.putValueOnce("key", 1);
      await storage.putRecords(
        Array.from({ length: 20 }, (_, i) => ({ kind: "peer" as const, key: `${i}`, value: { i } })),
      );
      const rowsOf = Array.from({ length: 5 }, (_, i) => ({ tab: `tab ${i}`, value: i }));
      await storage.putDatabase({ id, name: "notes", relays: [] }, rowsOf);
      const inspect = async (database: DatabaseId | undefined): Promise<string> => {
        const { checked, damaged: bad, mended } = await storage.inspect(database);
        return `${checked} ${[...bad].sort().join()} ${mended}`;
      };
      const expectSaid = async (database: DatabaseId | undefined, said: string): Promise<void> => {
        const got = await inspect(database);
        expect(got === said, `"${said}", got "${got}"`);
      };
      await expectSaid(id, "25  0");
      await expectSaid(undefined, "26  0");
      for (const store of ["databases", "indexes", "checkpoints", "values"] as const)
        await putRaw(name, store, damaged((await listRaw(name, store)).at(-1) as RawRecord));
      await putRaw(name, "_sync", damaged((await listRaw(name, "_sync"))[9] as RawRecord));
      for (const at of [1, 3]) await putRaw(name, "writes", damaged((await listRaw(name, "writes"))[at] as RawRecord));
      await expectSaid(id, "25 checkpoint,database,index 1");
      await expectSaid(undefined, "26 local,value,write,write 1");
      // Of what was done for a tab there is no second copy: it is not there any more, and the others are.
      const rows = await storage.writeRows();
      expect(rows.map(({ tab, value }) => `${tab} ${value}`).join() === "tab 0 0,tab 2 2,tab 4 4", "the others");
      await expectSaid(id, "25 checkpoint,index 0");
      await expectSaid(undefined, "24 local 0");
      await damageAll(name, "spare", () => true);
      await expectSaid(id, "25 checkpoint,database,index 1");
      await expectSaid(undefined, "24 local,value 1");
      await storage.close();
    },
  },
  {
    title: "[STORAGE-33] entries are read from the disk again when that is asked for",
    async check(name) {
      const written = await segmented(name);
      await written.reopen(name);
      const { storage, id } = written;
      await storage.read(id, 0, 10);
      await damageNth(name, "segments", 0);
      await storage.read(id, 0, 10);
      await storage.uncache(id);
      await expectCode("STORAGE_CORRUPT", () => storage.read(id, 0, 10));
      await storage.close();
    },
  },
];
