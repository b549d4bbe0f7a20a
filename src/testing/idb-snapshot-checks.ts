/** What storage on IndexedDB does with snapshots on a damaged or full disk. */
import { openIdbStorage } from "../storage/idb.ts";
import { flipsOf } from "./disk-damage.ts";
import { type IdbCheck, Written } from "./idb-subject.ts";
import { abortForQuota, listRaw, putRaw, type RawRecord, WatchedCalls } from "./raw-idb.ts";
import { expect, expectBytes, expectCode } from "./storage-subject.ts";

const bytes: Uint8Array = Uint8Array.from({ length: 40 }, (_, i) => i);

export const idbSnapshotChecks: readonly IdbCheck[] = [
  {
    title: "[STORAGE-49] a snapshot that is damaged in whichever place is as none, and can be put again",
    async check(name) {
      const { id, storage } = await Written.create(name);
      await storage.putSnapshot(id, "text", bytes);
      await storage.close();
      const [record] = (await listRaw(name, "snapshots")) as [RawRecord];
      const others = [null, 7, "text", {}, [], bytes].map((value) => ({ where: "all of it", value }));
      let tried = 0;
      const reader = await openIdbStorage(name);
      for (const { where, value } of [...flipsOf(record.value, "snapshot"), ...others]) {
        await putRaw(name, "snapshots", { key: record.key, value });
        const found = await reader.getSnapshot(id, "text");
        expect(found === undefined, `it is none when ${where} is damaged`);
        tried += 1;
      }
      expect(tried > 40, `every byte, got ${tried}`);
      await reader.putSnapshot(id, "text", bytes);
      expectBytes([(await reader.getSnapshot(id, "text")) ?? new Uint8Array()], [bytes], "put again");
      await reader.close();
    },
  },
  {
    title: "[STORAGE-49] a snapshot for which there is no room is STORAGE_QUOTA, and the last one stays",
    async check(name) {
      const written = await Written.create(name);
      const { id, storage } = written;
      await storage.claim();
      await storage.putSnapshot(id, "text", bytes);
      const puts = new WatchedCalls("put", ["snapshots"], (_number, store) => abortForQuota(store));
      await expectCode("STORAGE_QUOTA", () => storage.putSnapshot(id, "text", Uint8Array.of(1))).finally(() =>
        puts.stop(),
      );
      expect(puts.calls === 1, "it was tried");
      expectBytes([(await storage.getSnapshot(id, "text")) ?? new Uint8Array()], [bytes], "the one before");
      await written.commit(2);
      await written.expectAll();
      await storage.close();
    },
  },
];
