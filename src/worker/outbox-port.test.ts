import { afterEach, expect, test, vi } from "vitest";
import { deleteStored } from "../storage/wipe.ts";
import { openOutbox } from "./outbox-port.ts";

afterEach(() => void vi.unstubAllGlobals());

function refuseBy(name: string): void {
  const refuse = (): never => {
    throw new DOMException("no", name);
  };
  vi.stubGlobal("indexedDB", { open: refuse, deleteDatabase: refuse });
}

test("[CLIENT-49] where IndexedDB is forbidden no tab has left anything, and there is nothing to delete", async () => {
  refuseBy("SecurityError");
  const outbox = openOutbox("notes");
  expect(await outbox.read()).toEqual([]);
  await outbox.clear("ab", 1);
  await deleteStored("notes");
});

test("[CLIENT-49] where it fails for another reason, that is told", async () => {
  refuseBy("UnknownError");
  const outbox = openOutbox("notes");
  const failures = [outbox.read(), outbox.clear("ab", 1), deleteStored("notes")];
  for (const failure of failures) await expect(failure).rejects.toMatchObject({ code: "STORAGE_UNAVAILABLE" });
});
