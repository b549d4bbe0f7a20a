import { expect, onTestFinished, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { READ } from "../core/store/power.ts";
import { TableChanges } from "../core/store/table-changes.ts";
import { identityFromSeed, loadIdentity } from "../crypto/identity.ts";
import { createKeyMaker, openKeyRing } from "../crypto/key-ring.ts";
import { platformRandom } from "../crypto/random.ts";
import { loadSealingKeys } from "../crypto/sealing-keys.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import { createVerifier } from "../crypto/verifier.ts";
import { Instance } from "../engine/instance.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { deafListener } from "../testing/deaf-listener.ts";
import { MemoryNetwork } from "../testing/memory-network.ts";
import { holdsText } from "../testing/plaintext.ts";
import { SeededRandom } from "../testing/random.ts";
import { listRaw, type StoreName } from "../testing/raw-idb.ts";
import type { StoreWrites, WorkerEvent } from "./api.ts";
import { systemClock } from "./clock.ts";
import { TabHost } from "./tab-host.ts";

const { subtle } = globalThis.crypto;
const marker = "zKwqJ-marker";
const stores: readonly StoreName[] = ["databases", "indexes", "segments", "checkpoints", "_sync"];

function rowOf(id: string): StoreWrites {
  const changes = new TableChanges("rows");
  changes.put(id, { text: marker });
  return { type: "table", store: "rows", payload: changes.encode(), updatedRows: [] };
}

async function boot(name: string): Promise<TabHost> {
  const host = new TabHost();
  const { port1, port2 } = new MessageChannel();
  const leads = new Promise<void>((resolve) => {
    port1.onmessage = ({ data }: MessageEvent<WorkerEvent>) => {
      if (data.type === "tab" && data.state.type === "leading") resolve();
    };
  });
  await host.boot({ relays: [], iceServers: [], sync: {}, name, lifeLock: crypto.randomUUID() }, port2);
  await leads;
  await host.attach();
  return host;
}

async function isOnDisk(name: string, text: string): Promise<boolean> {
  const records = await Promise.all(stores.map((store) => listRaw(name, store)));
  return holdsText(records, text);
}

test("[ENCRYPTION-3] in this browser an encrypted database is read after a restart, and is on the disk sealed only", async () => {
  const name = crypto.randomUUID();
  let host = await boot(name);
  const { id } = await host.createDatabase({ name: "Board", encrypted: true });
  await host.commit(id, [rowOf(`${marker}-row`)]);
  expect(await host.status(id)).toMatchObject({ encrypted: true, sealedEntries: 0, entries: 2 });
  await host.close();
  expect([await isOnDisk(name, marker), await isOnDisk(name, "Board")]).toEqual([false, true]);
  host = await boot(name);
  expect(await host.getRow(id, "rows", `${marker}-row`)).toEqual({ text: marker });
  await host.commit(id, [rowOf("again")]);
  await host.close();
  const clear = await boot(name);
  const other = await clear.createDatabase({ name: "Clear" });
  await clear.commit(other.id, [rowOf(`${marker}-row`)]);
  await clear.close();
  // The search finds what is there.
  expect(await isOnDisk(name, marker)).toBe(true);
});

/** With this browser's keys and storage, on a network that is only memory. */
async function open(network: MemoryNetwork): Promise<Instance> {
  const name = crypto.randomUUID();
  const storage = await openIdbStorage(name);
  const identity = await loadIdentity(storage);
  const keys = await openKeyRing({
    storage,
    device: identity,
    clock: systemClock,
    maker: await createKeyMaker(),
    reported: () => {},
  });
  const instance = await Instance.open(
    {
      ...{ name, storage, identity, keys, clock: systemClock, random: platformRandom },
      verifier: await createVerifier(),
      sealing: await loadSealingKeys(storage, subtle),
      sha256: await loadSha256(),
      deriveIdentity: identityFromSeed,
      relays: ["wss://relay.simulated"],
      openNetwork: () => network.join(identity.publicKey),
    },
    { ...deafListener, reported: (error) => expect.fail(String(error)) },
  );
  instance.setOnline(true);
  onTestFinished(() => instance.close());
  return instance;
}

function shown(instance: Instance, id: DatabaseId): readonly string[] {
  return [...(instance.find(id)?.replica.state.table("rows")?.all() ?? [])].map(([row]) => row).sort();
}

function write(instance: Instance, id: DatabaseId, row: string): Promise<void> {
  const { payload } = rowOf(row);
  return instance.commit(id, () => [{ name: "rows", type: "table", payload }]);
}

test("[ENCRYPTION-13] [ENCRYPTION-18] in this browser a guest opens what its ticket gives, and nothing after it was removed", async () => {
  const network = new MemoryNetwork({ clock: systemClock, random: new SeededRandom(1) });
  const [owner, guest] = [await open(network), await open(network)];
  const { id } = await owner.createDatabase("Board", { encrypted: true });
  await write(owner, id, "before");
  await guest.join(await owner.share(id, { power: READ }), { name: "Guest" });
  await guest.ready(id);
  await expect.poll(() => shown(guest, id)).toEqual(["before"]);
  await expect.poll(() => owner.permissions.members(id).map(({ name }) => name)).toContain("Guest");
  await owner.permissions.set(id, { key: guest.publicKey, power: 999 });
  await write(owner, id, "after");
  const [mine, theirs] = [owner.database(id), guest.database(id)];
  const entries = await mine.log.readCounting(0, mine.replica.stored);
  await theirs.receive(entries.filter((entry) => entry !== undefined));
  expect(theirs.replica.graph.size).toBe(mine.replica.graph.size);
  await theirs.opened();
  expect([shown(guest, id), guest.status(id).sealedEntries]).toEqual([["before"], 1]);
  expect(shown(owner, id)).toEqual(["after", "before"]);
});
