/** What each rung of sync costs, counted on the wire between whole devices: messages by kind, and bytes. */
import { afterEach, describe, expect, test } from "vitest";
import type { Entry } from "../core/entry.ts";
import { unwrap } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import { decodeBatch, encodeBatch } from "../core/protocol/batch.ts";
import { decodeHandshakeMessage } from "../core/protocol/handshake-message.ts";
import { decodeMessage, type Message } from "../core/protocol/message.ts";
import { WRITE } from "../core/store/power.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import { storedEntry } from "../engine/journal.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { type RawChannel, RawPeer } from "./raw-peer.ts";
import { simulatedIdentity } from "./simulated-keys.ts";
import { rowParts, sealRoot, setPower, settingsParts, Writer } from "./writers.ts";

/** Everything that passes between devices from now on. */
class Wire {
  readonly messages: (readonly [from: PublicKey, message: Message])[] = [];
  handshakes = 0;
  /** Of all messages, and of those that carry entries. */
  bytes = 0;
  entryBytes = 0;

  constructor(cluster: Cluster) {
    cluster.network.tap = { arrived: () => {}, sent: (from, _to, bytes) => this.#note(from, bytes) };
  }

  /** How many messages of each kind. */
  get counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const [, { type }] of this.messages) counts[type] = 1 + (counts[type] ?? 0);
    return counts;
  }

  /** The entries that a device sent, in order. */
  async sentBy({ key }: Device, database: DatabaseId): Promise<readonly EntryId[]> {
    const sha256 = await loadSha256();
    return this.messages.flatMap(([from, message]) => {
      if (from !== key || message.type !== "entries" || message.database !== database) return [];
      return unwrap(decodeBatch(message.batch, database, sha256)).map(({ id }) => id);
    });
  }

  #note(from: PublicKey, bytes: Uint8Array): void {
    this.bytes += bytes.length;
    if (decodeHandshakeMessage(bytes).ok) {
      this.handshakes += 1;
      return;
    }
    const message = unwrap(decodeMessage(bytes));
    this.messages.push([from, message]);
    if (message.type === "entries") this.entryBytes += bytes.length;
  }
}

interface Pair {
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  readonly a: Device;
  readonly b: Device;
}

const lastBatch = { type: "entries", left: 0, leftBytes: 0, digest: "" } as const;

const open: Device[] = [];

afterEach(() => {
  for (const device of open.splice(0)) device.crash();
});

/** Two connected devices that hold the same. */
async function pairOf(seed: number, rows = 0): Promise<Pair> {
  const cluster = new Cluster(seed);
  const [a, b] = [await cluster.addDevice(), await cluster.addDevice()];
  open.push(a, b);
  const { id } = await cluster.settle(a.instance.createDatabase("Board"));
  await cluster.settle(b.instance.join(await cluster.settle(a.instance.share(id, { power: WRITE }))));
  await cluster.settle(b.instance.ready(id));
  await cluster.settle(Promise.all(Array.from({ length: rows }, (_, i) => a.write(id, `r${i}`, { i }))));
  await cluster.converge(id, [a, b]);
  await cluster.pass(5_000);
  return { cluster, id, a, b };
}

/** Both write while they are apart, and meet again. */
async function meetAgain({ cluster, id, a, b }: Pair, apart: () => Promise<unknown>): Promise<Wire> {
  cluster.cut(a.key, b.key);
  cluster.network.drop(a.key, b.key);
  await cluster.settle(apart());
  await cluster.pass(5_000);
  const wire = new Wire(cluster);
  cluster.heal(a.key, b.key);
  await cluster.converge(id, [a, b]);
  await cluster.pass(5_000);
  return wire;
}

test("[SIMULATION-8] rung 0: 100 idle databases reconnect in one round trip after the handshake, in less than 2,600 bytes", async () => {
  const { cluster, id, a, b } = await pairOf(21);
  const ids = [id];
  while (ids.length < 100) {
    const { id: another } = await cluster.settle(a.instance.createDatabase(`Board ${ids.length}`));
    ids.push(another);
    await cluster.settle(b.instance.join(await cluster.settle(a.instance.share(another, { power: WRITE }))));
  }
  await cluster.until(() =>
    ids.every((each) => b.instance.status(each).ready && a.stateDigest(each) === b.stateDigest(each)),
  );
  await cluster.pass(10_000);
  const wire = new Wire(cluster);
  cluster.network.drop(a.key, b.key);
  await cluster.pass(10_000);
  expect([wire.handshakes, wire.counts]).toEqual([3, { digest: 1, same: 1 }]);
  expect(wire.bytes).toBeLessThan(2_600);
});

describe("[SIMULATION-8] rung 1 and 3: one entry more in a database of 100,000", () => {
  async function large(): Promise<Pair> {
    const cluster = new Cluster(22);
    const sha256 = await loadSha256();
    const secrets = [cluster.random.bytes(32), cluster.random.bytes(32)] as const;
    const [keyA, keyB] = secrets.map((secret) => simulatedIdentity(secret, sha256).publicKey) as [PublicKey, PublicKey];
    const root = sealRoot(keyA, sha256, settingsParts({ type: "name", name: "Board" }, setPower(keyB, WRITE)));
    const writer = new Writer(keyA, root.id, sha256);
    writer.receive([root]);
    for (let i = 1; i < 100_000; i++) writer.write(rowParts(`r${i % 100}`, { i }));
    const disks = [new MemoryDisk(), new MemoryDisk()] as const;
    for (const disk of disks) {
      const storage = createMemoryStorage(disk);
      const entries = writer.entries.map((entry, i) => storedEntry(entry, i === 0));
      await storage.commit({
        database: root.id,
        position: 0,
        entries,
        record: { id: root.id, name: "Board", relays: [] },
      });
    }
    const [a, b] = [
      await cluster.addDevice({ secret: secrets[0], disk: disks[0] }),
      await cluster.addDevice({ secret: secrets[1], disk: disks[1] }),
    ];
    open.push(a, b);
    await cluster.until(() => a.instance.status(root.id).peers[0]?.state === "upToDate");
    await cluster.pass(5_000);
    return { cluster, id: root.id, a, b };
  }

  test("costs two messages live, and less than 1 kB; found after a reconnect less than 1 kB too", {
    timeout: 60_000,
  }, async () => {
    const pair = await large();
    const { cluster, id, a, b } = pair;
    expect(a.instance.status(id).entries).toBe(100_000);
    const live = new Wire(cluster);
    await a.write(id, "live", {});
    await cluster.converge(id, [a, b]);
    await cluster.pass(5_000);
    expect(live.counts).toEqual({ entries: 1, stored: 1 });
    expect(live.bytes).toBeLessThan(1_000);
    const found = await meetAgain(pair, () => a.write(id, "found", {}));
    expect(found.counts).toEqual({ digest: 1, frontier: 2, entries: 1, stored: 1 });
    expect(found.bytes).toBeLessThan(1_000);
    expect(b.rows(id).has("found")).toBe(true);
  });
});

test("[SIMULATION-8] rung 2: two sides with 1,000 shared entries and one new one each send exactly one each", async () => {
  const pair = await pairOf(23, 1_000);
  const { id, a, b } = pair;
  const wire = await meetAgain(pair, () => Promise.all([a.write(id, "from a", {}), b.write(id, "from b", {})]));
  const sent = [await wire.sentBy(a, id), await wire.sentBy(b, id)];
  expect(sent.map((ids) => ids.length)).toEqual([1, 1]);
  const { entries, stored, ...others } = wire.counts;
  expect(others).toEqual({ digest: 1, frontier: 2 });
  expect([entries, (stored ?? 0) <= 4]).toEqual([2, true]);
});

test("[SIMULATION-8] rung 2: two chains that diverged by 1,000 entries each settle in three messages plus the entries", async () => {
  const pair = await pairOf(24, 10);
  const { id, a, b } = pair;
  const wire = await meetAgain(pair, () =>
    Promise.all([a, b].flatMap((device) => Array.from({ length: 1_000 }, (_, i) => device.write(id, `${i}`, { i })))),
  );
  const sent = [await wire.sentBy(a, id), await wire.sentBy(b, id)];
  expect(sent.map((ids) => [ids.length, new Set(ids).size])).toEqual([
    [1_000, 1_000],
    [1_000, 1_000],
  ]);
  const { entries = 0, stored = 0, ...others } = wire.counts;
  expect(others).toEqual({ digest: 1, frontier: 2 });
  // One confirmation for each batch, and at most one more from each side that says what it holds in the end.
  expect(stored).toBeLessThanOrEqual(entries + 2);
});

test("[SIMULATION-8] no side sends an entry twice in a clean session, whoever writes when", async () => {
  const pair = await pairOf(25, 5);
  const { cluster, id, a, b } = pair;
  const wire = new Wire(cluster);
  const random = cluster.random.fork();
  for (let i = 0; i < 200; i++) {
    void random.pick([a, b]).write(id, `r${i % 7}`, { i });
    if (random.chance(0.4)) await cluster.pass(random.int(60));
  }
  await cluster.converge(id, [a, b]);
  await cluster.pass(5_000);
  const sent = [await wire.sentBy(a, id), await wire.sentBy(b, id)].flat();
  expect([sent.length, new Set(sent).size]).toEqual([200, 200]);
  expect(Object.keys(wire.counts).toSorted()).toEqual(["entries", "stored"]);
});

test("[SIMULATION-8] rung 4: a lost parent is asked for, and arrives", async () => {
  const { cluster, id, a, b } = await pairOf(26, 3);
  cluster.cut(a.key, b.key);
  await cluster.settle(a.write(id, "parent", {}));
  await cluster.settle(a.write(id, "child", {}));
  const { graph } = a.instance.database(id).replica;
  const nodes = [graph.at(graph.size - 2), graph.at(graph.size - 1)];
  const [parent, child] = (await a.instance.database(id).log.read(nodes)) as [Entry, Entry];
  a.crash();
  cluster.heal(a.key, b.key);
  // Somebody with the same key says nothing of the parent before it is asked.
  const raw = await RawPeer.enter(cluster, id, a.identity);
  await cluster.until(() => raw.to(b.key) !== undefined);
  const channel = raw.to(b.key) as RawChannel;
  const send = (number: number, entry: Entry): void =>
    channel.send({ ...lastBatch, database: id, number, batch: encodeBatch([entry]) });
  channel.onMessage = ({ type }) => {
    if (type === "want") send(2, parent);
  };
  send(1, child);
  await cluster.until(() => b.rows(id).has("child"));
  expect(channel.received).toContainEqual({ type: "want", database: id, ids: [parent.id] });
  expect(b.rows(id).has("parent")).toBe(true);
});
