/**
 * Makes the fixture of the format that this version stores: `node scripts/fixture.mjs`, once, with the last code of a format, before it is
 * changed; src/storage/fixtures has the fixtures of the earlier ones, which are never made again. Whoever makes the next
 * format commits the fixture of the last one first, unless it is there, and adds what is new in it here.
 *
 * The data is made by devices of a cluster, which keep it in memory; then it is stored as it came, entry by entry, through storage on
 * IndexedDB, for which a test double is enough: what stands in the object stores is the same.
 */
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import { WRITE } from "../core/store/power.ts";
import { identityFromSeed } from "../crypto/identity.ts";
import type { CheckpointPart, RecordKind, StoredEntry } from "../ports/storage.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { Cluster, type Device } from "./cluster.ts";
import { soundPart } from "./faulty-document.ts";
import {
  dumpStores,
  type FixtureDatabase,
  type FixtureExpectation,
  fixtureSnapshot,
  type StoredFixture,
  valuesOf,
} from "./stored-fixture.ts";

const kinds: readonly RecordKind[] = [
  "peer",
  "relation",
  "preferences",
  "transport",
  "job",
  "hook",
  "history",
  "request",
];

/** The engine itself takes one after some thousand entries only. */
interface FoldedPart {
  readonly database: DatabaseId;
  readonly part: CheckpointPart;
}

/** IndexedDB must be there, and the name free. */
export async function makeFixture(name: string): Promise<StoredFixture> {
  const cluster = new Cluster(7);
  const { device, part } = await live(cluster);
  const expected = await expectation(device);
  await cluster.settle(device.instance.close());
  await store(name, device, part);
  return { ...(await dumpStores(name)), expected };
}

/** A device that shares a database with another, has others for itself, and waits for one. */
async function live(cluster: Cluster): Promise<{ readonly device: Device; readonly part: FoldedPart }> {
  const [ann, ben, cleo] = [await cluster.addDevice(), await cluster.addDevice(), await cluster.addDevice()];
  const { id: board } = await cluster.settle(ann.instance.createDatabase("Board"));
  for (let i = 0; i < 120; i++) await cluster.settle(ann.write(board, `r${i % 70}`, { n: i, text: `from Ann ${i}` }));
  for (let i = 0; i < 10; i++) await cluster.settle(ann.remove(board, `r${i}`));
  for (let i = 0; i < 20; i++) await cluster.settle(ann.set(board, `key ${i % 7}`, `value ${i}`));
  const text = soundPart(new Uint8Array(16).fill(4), "a text from Ann");
  await cluster.settle(ann.instance.commit(board, () => [text]));
  const { replica } = ann.instance.database(board);
  const folded = { number: 1, through: replica.stored, void: [], stores: replica.state.checkpoint(0, 1) };
  const ticket = await cluster.settle(ann.instance.share(board, { power: WRITE }));
  await cluster.settle(ben.instance.join(ticket));
  await cluster.settle(ben.instance.ready(board));
  for (let i = 0; i < 40; i++) await cluster.settle(ben.write(board, `b${i}`, { n: i, by: "Ben" }));
  await cluster.converge(board, [ann, ben]);
  const { id: own } = await cluster.settle(ann.instance.createDatabase("Own"));
  await cluster.settle(ann.write(own, "only", { n: 1 }));
  const { id: sealed } = await cluster.settle(ann.instance.createDatabase("Sealed", { encrypted: true }));
  await cluster.settle(ann.write(sealed, "secret", { n: 2 }));
  const { id: awaited } = await cluster.settle(cleo.instance.createDatabase("Awaited"));
  const toCleo = await cluster.settle(cleo.instance.share(awaited, { power: WRITE }));
  cleo.crash();
  await cluster.settle(ann.instance.join(toCleo));
  await cluster.pass(5_000);
  return { device: ann, part: { database: board, part: folded } };
}

async function expectation(device: Device): Promise<FixtureExpectation> {
  const identity = await identityFromSeed(device.secret);
  const databases = device.instance.records().map(({ id, name, ticket }): FixtureDatabase => {
    const index = device.disk.databases.get(id)?.index ?? [];
    const ids = encodeHex(device.sha256(new TextEncoder().encode(index.map((entry) => entry.id).join())));
    const digest = index.length === 0 ? undefined : device.stateDigest(id);
    return {
      id,
      name,
      ticket: ticket !== undefined,
      entries: index.length,
      ids,
      digest,
      values: valuesOf(device, id),
      rows: [...device.rows(id)],
    };
  });
  const records = Object.fromEntries(kinds.map((kind) => [kind, device.disk.records.get(kind)?.size ?? 0]));
  return { secret: encodeHex(device.secret), key: identity.publicKey, databases, records };
}

async function store(name: string, { disk, secret }: Device, { database, part }: FoldedPart): Promise<void> {
  const storage = await openIdbStorage(name);
  await storage.claim();
  await storage.putValueOnce("identity", { type: "seed", seed: secret });
  for (const [key, value] of disk.values) await storage.putValueOnce(key, value);
  for (const [kind, records] of disk.records)
    await storage.putRecords([...records].map(([key, value]) => ({ kind, key, value })));
  for (const [id, { record, index, bytes }] of disk.databases) {
    await storage.putDatabase(record, [{ tab: "t".repeat(32), value: { through: 7 } }]);
    for (const [position, entry] of index.entries()) {
      const stored: StoredEntry = { ...entry, bytes: bytes[position] as Uint8Array };
      await storage.commit({ database: id, position, entries: [stored] });
    }
  }
  await storage.putCheckpoint(database, part, 1);
  await storage.putSnapshot(database, fixtureSnapshot.key, fixtureSnapshot.bytes);
  await storage.close();
}
