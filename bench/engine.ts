/** An instance on whatever storage and keys a workload gives it, and channels in memory to scripted peers. */
import { vouchOwn } from "../src/core/chain.ts";
import { type Entry, encodeUnsigned, type StorePart, sealEntry } from "../src/core/entry.ts";
import type { TidemarkError } from "../src/core/errors.ts";
import type { DatabaseId, PublicKey, Sha256 } from "../src/core/ids.ts";
import type { Message } from "../src/core/protocol/message.ts";
import { Replica } from "../src/core/replica.ts";
import { WRITE } from "../src/core/store/power.ts";
import { encodeSettings, settingsStoreName, settingsType } from "../src/core/store/settings.ts";
import { TableChanges } from "../src/core/store/table-changes.ts";
import { createKeyMaker, openKeyRing } from "../src/crypto/key-ring.ts";
import { platformRandom } from "../src/crypto/random.ts";
import { Instance } from "../src/engine/instance.ts";
import { storedEntry } from "../src/engine/journal.ts";
import type { EnginePorts } from "../src/engine/ports.ts";
import type { Clock } from "../src/ports/clock.ts";
import type { Identity } from "../src/ports/keys.ts";
import type { Storage } from "../src/ports/storage.ts";
import type { Network, NetworkListener } from "../src/ports/transport.ts";
import { createChannelPair, type MemoryLine } from "../src/testing/memory-channel.ts";
import { turn } from "../src/testing/turn.ts";
import { systemClock } from "../src/worker/clock.ts";
import { benchRow } from "./row.ts";
import { ScriptedPeer } from "./scripted-peer.ts";

/** What is sent arrives as soon as nothing else is to be done: the network takes no time of its own. */
const line: MemoryLine = {
  clock: { now: () => Date.now(), after: (_ms, action) => soon(action) } satisfies Clock,
  latencyMs: () => 0,
  sent: () => {},
  ended: () => {},
};

function soon(action: () => void): () => void {
  let isWanted = true;
  void turn().then(() => {
    if (isWanted) action();
  });
  return () => {
    isWanted = false;
  };
}

/** Somebody's chain in a database, as its author makes it. */
export class Author {
  readonly identity: Identity;
  readonly replica: Replica;
  readonly root: Entry;
  readonly #sha256: Sha256;

  private constructor(identity: Identity, root: Entry, sha256: Sha256) {
    this.identity = identity;
    this.root = root;
    this.#sha256 = sha256;
    this.replica = new Replica(root.id, sha256);
    this.#accept(root);
  }

  /** The owner of a new database in which others may write. */
  static async create(identity: Identity, writers: readonly PublicKey[], sha256: Sha256): Promise<Author> {
    const payload = encodeSettings([
      { type: "nonce", nonce: platformRandom.bytes(16) },
      ...writers.map((key) => ({ type: "set", key, power: WRITE }) as const),
    ]);
    const empty = new Replica("" as DatabaseId, sha256);
    const stores = [{ name: settingsStoreName, type: settingsType, payload }];
    return new Author(identity, await sealNext(empty, identity, stores, sha256), sha256);
  }

  /** The next entry, which puts one row. */
  async write(i: number): Promise<Entry> {
    const entry = await sealNext(this.replica, this.identity, rowParts(i), this.#sha256);
    this.#accept(entry);
    return entry;
  }

  #accept(entry: Entry): void {
    this.replica.step({ type: "received", entries: [vouchOwn(entry)], nowMs: Date.now() });
    this.replica.step({ type: "stored", through: this.replica.graph.size });
  }
}

async function sealNext(
  replica: Replica,
  identity: Identity,
  stores: readonly StorePart[],
  sha256: Sha256,
): Promise<Entry> {
  const body = replica.draft(identity.publicKey, stores, Date.now());
  const message = encodeUnsigned(body);
  return sealEntry(body, message, await identity.sign(message), sha256);
}

export function rowParts(i: number): readonly StorePart[] {
  const changes = new TableChanges("rows");
  changes.put(`row-${i}`, benchRow(i));
  return [{ name: "rows", type: "table", payload: changes.encode() }];
}

/** The beginning of a database as one that is on the disk already. */
export async function storeRoot(storage: Storage, root: Entry): Promise<void> {
  const record = { id: root.id, name: "", relays: [] };
  await storage.commit({ database: root.id, position: 0, entries: [storedEntry(root, true)], record });
}

/** A whole instance that is online, and meets whom `meet` says. */
export class Subject {
  readonly instance: Instance;
  readonly #ports: EnginePorts;
  readonly #network: DirectNetwork;
  readonly #problems: TidemarkError[];

  private constructor(instance: Instance, ports: EnginePorts, network: DirectNetwork, problems: TidemarkError[]) {
    this.instance = instance;
    this.#ports = ports;
    this.#network = network;
    this.#problems = problems;
  }

  static async open(given: Pick<EnginePorts, "storage" | "identity" | "verifier" | "sha256">): Promise<Subject> {
    const network = new DirectNetwork();
    const problems: TidemarkError[] = [];
    const ports: EnginePorts = {
      ...given,
      keys: await openKeyRing({
        storage: given.storage,
        device: given.identity,
        clock: systemClock,
        maker: await createKeyMaker(),
        reported: (error) => void problems.push(error),
      }),
      name: "bench",
      clock: systemClock,
      random: platformRandom,
      relays: ["wss://relay.bench"],
      deriveIdentity: () => Promise.reject(new Error("nobody joins")),
      openNetwork: () => network,
    };
    const listener = {
      changed: () => {},
      statusChanged: () => {},
      progressed: () => {},
      permissionsChanged: () => {},
      requestsChanged: () => {},
      relayChanged: () => {},
      reported: (error: TidemarkError) => void problems.push(error),
      reloaded: () => {},
      peersChanged: () => {},
      jobChanged: () => {},
      logged: () => {},
      storageChanged: () => {},
    };
    const instance = await Instance.open(ports, listener);
    instance.setOnline(true);
    // Transports start in their own time.
    while (network.listener === undefined) await turn();
    return new Subject(instance, ports, network, problems);
  }

  /** A new peer at the other end of a channel of its own, which this side opened. Resolves when both know who the other is. */
  async meet(identity: Identity, answer: (peer: ScriptedPeer) => (message: Message) => void): Promise<ScriptedPeer> {
    const { sha256, verifier, random } = this.#ports;
    const { left, right } = createChannelPair(line, random.bytes(32));
    const peer: ScriptedPeer = new ScriptedPeer({
      channel: right,
      identity,
      verifier,
      expected: this.instance.publicKey,
      sha256,
      nonce: random.bytes(32),
      onMessage: (message) => onMessage(message),
    });
    const onMessage = answer(peer);
    this.#network.listener?.connected(left, identity.publicKey);
    await peer.ready;
    return peer;
  }

  /** Throws the first thing that went wrong. */
  assertWell(): void {
    const [first] = this.#problems;
    if (first !== undefined) throw first;
  }
}

class DirectNetwork implements Network {
  listener: NetworkListener | undefined;

  seek(): () => void {
    return () => {};
  }

  retry(): void {}

  listen(listener: NetworkListener): void {
    this.listener = listener;
  }

  close(): void {
    this.listener = undefined;
  }
}
