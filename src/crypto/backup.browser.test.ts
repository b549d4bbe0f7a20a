import { expect, onTestFinished, test } from "vitest";
import { openIdbStorage } from "../storage/idb.ts";
import { systemClock } from "../worker/clock.ts";
import { openBackup, prepareBackup } from "./backup.ts";
import { loadIdentity } from "./identity.ts";
import { createKeyMaker, openKeyRing } from "./key-ring.ts";
import { createVerifier } from "./verifier.ts";

test("[KEYS-19] in this browser a backup with the usual figures is sealed and opened", async () => {
  const contents = {
    name: "recovery",
    createdMs: 5,
    seed: new Uint8Array(32).fill(3),
    sealing: undefined,
    databases: [],
  };
  const text = await (await prepareBackup("correct horse"))(contents);
  expect(await openBackup(text, "correct horse")).toEqual(contents);
  await expect(openBackup(text, "correct house")).rejects.toMatchObject({ code: "BACKUP_PASSPHRASE" });
});

test("[KEYS-14] in this browser named keys are kept in IndexedDB, made and added ones, and sign after reopening", async () => {
  const name = crypto.randomUUID();
  const open = async () => {
    const storage = await openIdbStorage(name, { onLost: () => {} });
    onTestFinished(() => storage.close());
    const device = await loadIdentity(storage);
    const maker = await createKeyMaker();
    return openKeyRing({ storage, device, clock: systemClock, maker, reported: () => {} });
  };
  const ring = await open();
  await ring.create("made");
  await ring.add("added", new Uint8Array(32).fill(8));
  await ring.create("deleted");
  await ring.delete("deleted");
  const again = await open();
  expect(again.list()).toEqual(ring.list());
  expect(again.list().map((key) => key.name)).toEqual(["device", "added", "made"]);
  const verifier = await createVerifier();
  const message = Uint8Array.of(1);
  for (const { name, publicKey } of again.list()) {
    const signature = await again.identity(name)?.sign(message);
    expect(await verifier.verify(publicKey, message, signature ?? message)).toBe(true);
  }
});
