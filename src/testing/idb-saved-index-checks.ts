/** What storage on IndexedDB does with the index of a log that it saved as a whole. */
import { openIdbStorage } from "../storage/idb.ts";
import { savedIndexStep } from "../storage/saved-index.ts";
import { type IdbCheck, Written } from "./idb-subject.ts";
import { listRaw, putRaw, type RawRecord } from "./raw-idb.ts";
import { expect, expectCode } from "./storage-subject.ts";

async function savedIndex(name: string, { id }: Written): Promise<RawRecord | undefined> {
  return (await listRaw(name, "spare")).find(({ key }) => key === `index ${id}`);
}

/** Its index was saved, and some entries came after that. */
async function saved(name: string): Promise<Written> {
  const written = await Written.create(name);
  await written.commit(1, 4_000, 4_000, 4_000, savedIndexStep);
  await written.reopen(name);
  expect((await written.storage.load(written.id)) !== undefined, "it is there");
  while ((await savedIndex(name, written)) === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
  await written.commit(1, 300);
  await written.reopen(name);
  return written;
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ 0x10;
  return copy;
}

interface Stored {
  readonly value: { readonly log: { readonly ids: Uint8Array } };
}

export const savedIndexChecks: readonly IdbCheck[] = [
  {
    title: "[STORAGE-48] a log whose index was saved is as it was written, with what came after, by position and by id",
    async check(name) {
      const written = await saved(name);
      await written.expectAll();
      for (const position of [0, 1, 4_001, savedIndexStep, written.entries.length - 301, written.entries.length - 1]) {
        const entry = written.entries[position];
        const bytes = entry && (await written.storage.readById(written.id, entry.id));
        expect(bytes?.length === entry?.size, `entry ${position} is found by its id`);
      }
      await written.commit(20);
      await written.expectAll();
      await written.storage.close();
    },
  },
  {
    title:
      "[STORAGE-48] what the saved index stands for is not read, until verifying finds it damaged and takes the saved one away",
    async check(name) {
      const written = await saved(name);
      const [first] = await listRaw(name, "indexes");
      await putRaw(name, "indexes", { ...(first as RawRecord), value: 7 });
      await written.reopen(name);
      const loaded = await written.storage.load(written.id);
      expect(loaded?.index.length === written.entries.length, "it opens");
      const found = await written.storage.inspect(written.id);
      expect(found.damaged.join() === "index" && found.mended === 0, `one index is damaged, got ${found.damaged}`);
      expect((await savedIndex(name, written)) === undefined, "the saved one is gone");
      await expectCode("STORAGE_CORRUPT", () => written.storage.load(written.id));
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-48] verifying finds a damaged saved index, and takes it away",
    async check(name) {
      const written = await saved(name);
      expect((await written.storage.inspect(written.id)).damaged.length === 0, "it is sound");
      await putRaw(name, "spare", { ...((await savedIndex(name, written)) as RawRecord), value: 7 });
      const found = await written.storage.inspect(written.id);
      expect(found.damaged.join() === "index" && found.mended === 0, "found, and from no second copy");
      expect((await savedIndex(name, written)) === undefined, "it is gone");
      await written.expectAll();
      await written.storage.close();
    },
  },
  {
    title:
      "[STORAGE-48] a saved index that is gone, damaged, of another log or of no segment's end makes no difference",
    async check(name) {
      const written = await saved(name);
      const { key, value } = (await savedIndex(name, written)) as RawRecord;
      const stored = value as Stored;
      const { ids } = stored.value.log;
      const damaged = { ...stored, value: { ...stored.value, log: { ...stored.value.log, ids: flipped(ids, 100) } } };
      const other = await saved(`${name}-other`);
      await other.storage.close();
      const foreign = { ...((await savedIndex(`${name}-other`, other)) as RawRecord), key };
      for (const each of [
        { key, value: 7 },
        { key, value: {} },
        { key, value: damaged },
        foreign,
        { key, value: undefined },
      ]) {
        await putRaw(name, "spare", each);
        await written.reopen(name);
        await written.expectAll();
      }
      await written.storage.close();
    },
  },
  {
    title: "[STORAGE-48] repairing a log, and deleting a database, take its saved index away",
    async check(name) {
      const written = await saved(name);
      await written.storage.repair(written.id, () => undefined);
      expect((await savedIndex(name, written)) === undefined, "it is gone after a repair");
      await written.storage.close();
      const other = `${name}-deleted`;
      const deleted = await saved(other);
      await deleted.storage.deleteDatabase(deleted.id);
      expect((await savedIndex(other, deleted)) === undefined, "it is gone with the database");
      await deleted.storage.close();
      expect((await (await openIdbStorage(other)).load(deleted.id)) === undefined, "nothing is left");
    },
  },
];
