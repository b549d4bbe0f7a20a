/** What storage on IndexedDB makes right by itself beside the log: the rules STORAGE-30, 31 and 33. */
import { equalBytes } from "../core/bytes.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { damaged, damageNth, type IdbCheck, segmented, Written } from "./idb-subject.ts";
import { listRaw, putRaw, type RawRecord, type StoreName } from "./raw-idb.ts";
import { expect, expectCode } from "./storage-subject.ts";

async function damageAll(name: string, store: StoreName, isMeant: (key: string) => boolean): Promise<void> {
  const records = (await listRaw(name, store)).filter(({ key }) => isMeant(String(key)));
  expect(records.length > 0, `${store} holds something to damage`);
  for (const record of records) await putRaw(name, store, damaged(record));
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
    title: "[STORAGE-30] a record in another's place is taken for damaged, and one whose key is no id for none",
    async check(name) {
      const storage = await openIdbStorage(name);
      const ids = ["0", "f"].map((digit) => digit.repeat(64) as DatabaseId);
      for (const id of ids) await storage.putDatabase({ id, name: `of ${id}`, relays: [] });
      const [first, second] = (await listRaw(name, "databases")) as [RawRecord, RawRecord];
      await putRaw(name, "databases", { key: first.key, value: second.value });
      await putRaw(name, "databases", { key: second.key, value: first.value });
      await putRaw(name, "databases", { key: "strange", value: 7 });
      const expectListed = async (expected: readonly string[]): Promise<void> => {
        const listed = (await storage.databases()).map((record) => `${record.id} ${record.name}`);
        expect(listed.join() === expected.join(), `got ${listed}`);
      };
      await expectListed(ids.map((id) => `${id} of ${id}`));
      for (const { key } of await listRaw(name, "spare")) await putRaw(name, "spare", { key, value: undefined });
      await expectListed(ids.map((id) => `${id} `));
      await storage.close();
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
    title: "[STORAGE-32] of what was put aside and is damaged there, the rest is handed out as it was",
    async check(name) {
      const written = await segmented(name);
      await written.reopen(name);
      const { storage, id, entries } = written;
      await storage.repair(id, () => entries[0], 1_020);
      const [lot] = (await listRaw(name, "spare")).filter(({ key }) => String(key).startsWith("aside ")) as [RawRecord];
      await putRaw(name, "spare", damaged(lot, -8));
      const aside = (await storage.nextAside(id, 0))?.entries ?? [];
      const same = aside.filter((bytes, i) => equalBytes(bytes, entries[1_020 + i]?.bytes ?? new Uint8Array()));
      expect(aside.length === 30 && same.length === 29, `got ${aside.length} and ${same.length}`);
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
      expect((await storage.getValue("key")) === 1, "what was sound is as it was");
      // Of what is damaged in both copies nothing is made.
      for (const store of ["databases", "values", "spare"] as const) await damageAll(name, store, () => true);
      await expectSaid(id, "25 checkpoint,database,index 0");
      await expectSaid(undefined, "24 local,value 0");
      await storage.close();
    },
  },
  {
    title: "[STORAGE-33] what is looked at for one database is nothing of another",
    async check(name) {
      const written = await segmented(name);
      await written.reopen(name);
      const { storage, id, source } = written;
      const others = ["0", "f"].map((digit) => digit.repeat(64) as DatabaseId);
      for (const other of others) {
        await storage.putDatabase({ id: other, name: "other", relays: [] });
        await storage.commit({ database: other, position: 0, entries: source.take(1) });
      }
      const stores = [{ name: "s", type: "table", bytes: Uint8Array.of(1) }];
      for (const each of [...others, id])
        for (let number = 1; number <= 10; number++)
          await storage.putCheckpoint(each, { number, through: 1, void: [], stores }, number);
      for (const store of ["databases", "indexes", "checkpoints"] as const)
        await damageAll(name, store, (key) => !key.startsWith(id));
      const { checked, damaged: bad } = await storage.inspect(id);
      expect(checked === 15 && bad.length === 0, `15 records, all sound, got ${checked} and ${bad}`);
      await storage.close();
    },
  },
  {
    title: "[STORAGE-33] a record of an earlier build, which has no second copy, is whole without it",
    async check(name) {
      const written = await segmented(name);
      await written.reopen(name);
      const { storage, id } = written;
      await storage.putValueOnce("key", 1);
      for (const { key } of await listRaw(name, "spare")) await putRaw(name, "spare", { key, value: undefined });
      for (const [database, checked] of [
        [id, 5],
        [undefined, 1],
      ] as const) {
        const found = await storage.inspect(database);
        expect(found.checked === checked && found.damaged.length === 0, `${checked} sound, got ${found.damaged}`);
      }
      await damageAll(name, "values", () => true);
      const [before] = await listRaw(name, "values");
      const found = await storage.inspect(undefined);
      expect(found.damaged.join() === "value" && found.mended === 0, "damaged, and nothing to mend it from");
      await expectCode("STORAGE_CORRUPT", () => storage.getValue("key"));
      expect(JSON.stringify(await listRaw(name, "values")) === JSON.stringify([before]), "it is left as it is");
      await storage.close();
    },
  },
  {
    title: "[STORAGE-33] what was done for a tab stays when it is written anew while the damage is looked at",
    async check(name) {
      const written = await Written.create(name);
      const { storage, id } = written;
      const put = (): Promise<void> =>
        storage.putDatabase({ id, name: "notes", relays: [] }, [{ tab: "one", value: 1 }]);
      await put();
      await damageAll(name, "writes", () => true);
      const [{ damaged: bad }] = await Promise.all([storage.inspect(undefined), put()]);
      expect(bad.join() === "write", `it was found, got ${bad}`);
      const rows = await storage.writeRows();
      expect(rows.length === 1 && rows[0]?.value === 1, "it is there as it was written last");
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
