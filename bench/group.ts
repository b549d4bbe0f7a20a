/** One instance in this process and peers that agree with whatever it has: for what the engine itself costs. */
import type { DatabaseId, PublicKey } from "../src/core/ids.ts";
import type { Message } from "../src/core/protocol/message.ts";
import { platformRandom } from "../src/crypto/random.ts";
import { loadSha256 } from "../src/crypto/sha256.ts";
import { createMemoryStorage } from "../src/storage/memory.ts";
import { type SimulatedIdentity, SimulatedVerifier, simulatedIdentity } from "../src/testing/simulated-keys.ts";
import { turn } from "../src/testing/turn.ts";
import { Author, rowParts, Subject, storeRoot } from "./engine.ts";
import type { ScriptedPeer } from "./scripted-peer.ts";

export class Group {
  readonly subject: Subject;
  readonly id: DatabaseId;
  readonly #identities: readonly SimulatedIdentity[];
  readonly #peers: AgreeingPeer[] = [];
  #written = 0;

  private constructor(subject: Subject, id: DatabaseId, identities: readonly SimulatedIdentity[]) {
    this.subject = subject;
    this.id = id;
    this.#identities = identities;
  }

  /** An instance on storage in memory with a database that so many others may write; nobody is connected. */
  static async create(peers: number): Promise<Group> {
    const sha256 = await loadSha256();
    const [identity, ...identities] = Array.from({ length: 1 + peers }, () =>
      simulatedIdentity(platformRandom.bytes(32), sha256),
    );
    if (identity === undefined) throw new Error("there is a first");
    const keys = identities.map(({ publicKey }) => publicKey);
    const { root } = await Author.create(identity, keys, sha256);
    const storage = createMemoryStorage();
    await storeRoot(storage, root);
    const subject = await Subject.open({ storage, identity, verifier: new SimulatedVerifier(sha256), sha256 });
    return new Group(subject, root.id, identities);
  }

  /** Of the peers. */
  get keys(): readonly PublicKey[] {
    return this.#identities.map(({ publicKey }) => publicKey);
  }

  /** Everybody comes, and hears what there is. */
  async connect(): Promise<void> {
    for (const identity of this.#identities)
      await this.subject.meet(identity, (peer) => {
        const agreeing = new AgreeingPeer(peer);
        this.#peers.push(agreeing);
        return (message) => agreeing.take(message);
      });
    await this.#until(({ isGreeted }) => isGreeted);
  }

  /** One commit; resolves when it is durable and every peer has confirmed it. */
  async commit(): Promise<void> {
    const i = this.#written++;
    await this.subject.instance.commit(this.id, () => rowParts(i));
    await this.#until(({ entries }) => entries > i);
  }

  /** How many entries came to the first peer; `reached` waits until so many came to each. */
  get received(): number {
    return this.#peers[0]?.entries ?? 0;
  }

  async reached(entries: number): Promise<void> {
    await this.#until((peer) => peer.entries >= entries);
  }

  async #until(isSo: (peer: AgreeingPeer) => boolean): Promise<void> {
    while (!this.#peers.every(isSo)) {
      const gone = this.#peers.find(({ end }) => end !== undefined);
      if (gone !== undefined) throw new Error(gone.end);
      await turn();
    }
  }

  async close(): Promise<void> {
    this.subject.assertWell();
    await this.subject.instance.close();
  }
}

/** Says that it holds the same, and that every batch is stored. Batches have one entry here: each commit is pushed at once. */
class AgreeingPeer {
  readonly #peer: ScriptedPeer;
  #greetings = 0;
  entries = 0;
  /** Set when its channel was closed. */
  end: string | undefined;

  constructor(peer: ScriptedPeer) {
    this.#peer = peer;
    void peer.ended.then((end) => {
      this.end = end;
    });
  }

  get isGreeted(): boolean {
    return this.#greetings > 0;
  }

  take(message: Message): void {
    if (message.type === "digest" && message.digests.length > 0) {
      this.#greetings += 1;
      this.#peer.send({ type: "same", number: this.#greetings, bits: message.digests.map(() => true) });
    } else if (message.type === "entries") {
      this.entries += 1;
      const { database, number, digest } = message;
      this.#peer.send({ type: "stored", database, number, complete: true, digest });
    }
  }
}
