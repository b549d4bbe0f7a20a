/**
 * The worker of R1: an instance on real keys and real IndexedDB, and a peer that sends it what was made and encoded before.
 *
 * The window is the one that a real peer keeps to. Everything is in this one thread, so nothing else takes of its time; what the
 * peer does costs a microsecond for each batch.
 */
import type { Entry } from "../src/core/entry.ts";
import { digestFrontier } from "../src/core/frontier.ts";
import type { Sha256 } from "../src/core/ids.ts";
import { batchBytesMax, batchEntriesMax, batchesInFlightMax } from "../src/core/limits.ts";
import { encodeBatch } from "../src/core/protocol/batch.ts";
import { encodeMessage, type Message } from "../src/core/protocol/message.ts";
import { Session } from "../src/core/protocol/session.ts";
import { shortDigest } from "../src/core/protocol/short-digest.ts";
import { Replica } from "../src/core/replica.ts";
import { DatabaseState } from "../src/core/store/state.ts";
import { identityFromSeed, loadIdentity } from "../src/crypto/identity.ts";
import { platformRandom } from "../src/crypto/random.ts";
import { loadSha256 } from "../src/crypto/sha256.ts";
import { createVerifier } from "../src/crypto/verifier.ts";
import { openIdbStorage } from "../src/storage/idb.ts";
import { Author, Subject, storeRoot } from "./engine.ts";
import type { ScriptedPeer } from "./scripted-peer.ts";

export interface Received {
  readonly entries: number;
  readonly batches: number;
  readonly bytesPerEntry: number;
  readonly totalMs: number;
  /** Of `totalMs`, in this thread: decoding and hashing; trying, judging and merging; packing; checkpoints. */
  readonly decodeMs: number;
  readonly judgeMs: number;
  readonly packMs: number;
  readonly checkpointMs: number;
}

/** Batches of what was missing leave two of the window's places to new entries. */
const windowBatches: number = batchesInFlightMax - 2;

globalThis.onmessage = ({ data }: MessageEvent<number>) => {
  receive(data).then(
    (received) => globalThis.postMessage(received),
    (error: unknown) => globalThis.postMessage(String(error)),
  );
};

globalThis.onunhandledrejection = ({ reason }) => globalThis.postMessage(String(reason));

async function receive(count: number): Promise<Received> {
  const [storage, verifier, sha256] = await Promise.all([openIdbStorage("receive"), createVerifier(), loadSha256()]);
  const [self, sender] = await Promise.all([loadIdentity(storage), identityFromSeed(platformRandom.bytes(32))]);
  const author = await Author.create(sender, [self.publicKey], sha256);
  const script = await Script.write(author, count, sha256);
  await storeRoot(storage, author.root);
  const packing = timed(storage, "commit");
  const subject = await Subject.open({ storage, identity: self, verifier, sha256 });
  const [decoding, judging] = [timed(Session.prototype, "step"), timed(Replica.prototype, "step")];
  const [trying, checkpoints] = [timed(Replica.prototype, "isProved"), timed(DatabaseState.prototype, "checkpoint")];
  const peer = await subject.meet(sender, (sending) => {
    script.start(sending);
    return (message) => script.take(message);
  });
  const end = await Promise.race([script.done, peer.ended]);
  subject.assertWell();
  const { replica } = subject.instance.database(author.root.id);
  const rows = [...(replica.state.table("rows")?.all() ?? [])].length;
  if (replica.stored !== count + 1 || rows !== count)
    throw new Error(`${rows} rows, ${replica.stored} entries stored: ${end ?? "the peer has confirmed all"}`);
  await subject.instance.close();
  const { batches, bytes, totalMs } = script;
  return {
    entries: count,
    batches: batches.length,
    bytesPerEntry: bytes / count,
    totalMs,
    decodeMs: decoding.ms,
    judgeMs: trying.ms + judging.ms,
    packMs: packing.ms,
    checkpointMs: checkpoints.ms,
  };
}

/** What the peer says, and when: it asks what is held, for it holds something else, and then keeps the window full. */
class Script {
  readonly batches: Uint8Array[] = [];
  bytes = 0;
  totalMs = 0;
  readonly done: Promise<void>;
  readonly #author: Author;
  readonly #digest: string;
  #peer: ScriptedPeer | undefined;
  #finish: () => void = () => {};
  #sent = 0;
  #stored = 0;
  #startedMs = 0;

  private constructor(author: Author, sha256: Sha256) {
    this.#author = author;
    this.#digest = shortDigest(digestFrontier(author.replica.frontier(), sha256));
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  static async write(author: Author, count: number, sha256: Sha256): Promise<Script> {
    const entries: Entry[] = [];
    for (let i = 0; i < count; i++) entries.push(await author.write(i));
    const script = new Script(author, sha256);
    let leftBytes = entries.reduce((sum, { bytes }) => sum + bytes.length, 0);
    let left = count;
    for (const batch of cut(entries)) {
      left -= batch.length;
      for (const { bytes } of batch) leftBytes -= bytes.length;
      script.#add(batch, left, leftBytes);
    }
    return script;
  }

  #add(batch: readonly Entry[], left: number, leftBytes: number): void {
    const bytes = encodeMessage({
      type: "entries",
      database: this.#author.root.id,
      number: this.batches.length + 1,
      left,
      leftBytes,
      digest: left === 0 ? this.#digest : "",
      batch: encodeBatch(batch),
    });
    this.batches.push(bytes);
    this.bytes += bytes.length;
  }

  start(peer: ScriptedPeer): void {
    this.#peer = peer;
  }

  take(message: Message): void {
    switch (message.type) {
      case "digest":
        return this.#ask();
      case "frontier":
        this.#startedMs = performance.now();
        return this.#fill();
      case "stored":
        return this.#confirm(message.number);
      default:
        return; // What the engine asks beside is not in the script.
    }
  }

  /** What the other side holds is not what we hold. */
  #ask(): void {
    const { root, replica } = this.#author;
    this.#peer?.send({ type: "frontier", database: root.id, asks: true, since: "", frontier: replica.frontier() });
  }

  #confirm(number: number): void {
    this.#stored = number;
    this.#fill();
    if (this.#stored < this.batches.length) return;
    this.totalMs = performance.now() - this.#startedMs;
    this.#finish();
  }

  #fill(): void {
    while (this.#sent < this.batches.length && this.#sent - this.#stored < windowBatches) {
      const batch = this.batches[this.#sent++];
      if (batch !== undefined) this.#peer?.sendBytes(batch);
    }
  }
}

/** As a lane cuts them. */
function* cut(entries: readonly Entry[]): Generator<readonly Entry[]> {
  let [from, bytes] = [0, 0];
  for (const [at, entry] of entries.entries()) {
    if (at > from && (at - from === batchEntriesMax || bytes + entry.bytes.length > batchBytesMax)) {
      yield entries.slice(from, at);
      [from, bytes] = [at, 0];
    }
    bytes += entry.bytes.length;
  }
  yield entries.slice(from);
}

/** Counts the time that calls of a method take until they return, which is not when their promise resolves. */
function timed(owner: object, name: string): { readonly ms: number } {
  const took = { ms: 0 };
  const original = Reflect.get(owner, name) as (...given: unknown[]) => unknown;
  const value = function (this: unknown, ...given: unknown[]): unknown {
    const start = performance.now();
    try {
      return original.apply(this, given);
    } finally {
      took.ms += performance.now() - start;
    }
  };
  Object.defineProperty(owner, name, { value, configurable: true });
  return took;
}
