import { expect, test } from "vitest";
import { clearOutbox, deleteOutbox, Outbox, readOutbox } from "./outbox.ts";

test("[OUTBOX-4] where there is no IndexedDB there is no outbox, and nothing fails for it", async () => {
  const outbox = new Outbox("nowhere", "a");
  outbox.warm();
  outbox.put([{ number: 1, edit: undefined }]);
  await outbox.set("fact", 1);
  expect(await outbox.get("fact")).toBeUndefined();
  await outbox.forget(1);
  outbox.doubt();
  outbox.rest();
  expect(await readOutbox("nowhere")).toEqual([]);
  await clearOutbox("nowhere", "a", 1);
  await deleteOutbox("nowhere");
  outbox.close();
});
