/**
 * A peer with a writer's key that does whatever it can to harm: forged, misplaced and forbidden entries, floods, lies about what
 * it stored, and bytes that mean nothing. What it says is drawn; every kind of it is counted.
 */
import { ticksPerMs } from "../core/clock.ts";
import { type Entry, type EntryBody, encodeUnsigned, sealEntry } from "../core/entry.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { encodeHex, entryIdFromDigest, publicKeyFromBytes } from "../core/ids.ts";
import { encodeBatch } from "../core/protocol/batch.ts";
import type { Replica } from "../core/replica.ts";
import type { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import type { SeededRandom } from "./random.ts";
import { type RawChannel, RawPeer } from "./raw-peer.ts";
import { rowParts, setPower, settingsParts } from "./writers.ts";

/** Rows of entries that must never be accepted. */
export const forgedRow = "forged";

/** Of each of many messages. More would only take longer. */
const wantsPerTrick = 20;

/** Says nothing about what is held. */
const lastBatch = { type: "entries", left: 0, leftBytes: 0, digest: "" } as const;

/** Tricks whose entries every replica accepts in the end. */
const honestEnough: ReadonlySet<string> = new Set(["good", "fork", "ahead", "goodVoucher"]);

type Trick =
  | "good"
  | "fork"
  | "badSignature"
  | "badVoucher"
  | "goodVoucher"
  | "misplaced"
  | "misnumbered"
  | "forbidden"
  | "stranger"
  | "ahead"
  | "orphan"
  | "otherDatabase"
  | "garbage"
  | "wrongNumber"
  | "wrongConfirmation"
  | "wants"
  | "asks";

export const tricks: readonly Trick[] = [
  "good",
  "fork",
  "badSignature",
  "badVoucher",
  "goodVoucher",
  "misplaced",
  "misnumbered",
  "forbidden",
  "stranger",
  "ahead",
  "orphan",
  "otherDatabase",
  "garbage",
  "wrongNumber",
  "wrongConfirmation",
  "wants",
  "asks",
];

export class Mallory {
  readonly peer: RawPeer;
  readonly played: Map<Trick, number> = new Map();
  readonly #database: DatabaseId;
  readonly #replica: Replica;
  readonly #random: SeededRandom;
  readonly #cluster: Cluster;
  readonly #batches = new Map<RawChannel, number>();

  private constructor(cluster: Cluster, peer: RawPeer, database: DatabaseId, replica: Replica) {
    this.peer = peer;
    this.#cluster = cluster;
    this.#database = database;
    this.#replica = replica;
    this.#random = cluster.random.fork();
    peer.onChannel = (channel) => {
      // Lets the other side send, and so have something to wait for.
      channel.onMessage = (message) => {
        if (message.type === "entries" && this.#random.chance(0.8))
          channel.send({ type: "stored", database, number: message.number, complete: true, digest: "" });
      };
    };
  }

  /** Takes over the key and the knowledge of a device, which is gone by that. */
  static async replace(cluster: Cluster, device: Device, database: DatabaseId): Promise<Mallory> {
    const { replica } = device.instance.database(database);
    device.crash();
    await cluster.pass(1);
    return new Mallory(cluster, await RawPeer.enter(cluster, database, device.identity), database, replica);
  }

  leave(): void {
    this.peer.network.close();
  }

  /** Plays one trick on whoever is connected. */
  act(): void {
    const open = this.peer.channels.filter((channel) => channel.isReady);
    if (open.length === 0) return;
    const channel = this.#random.pick(open);
    const trick = this.#random.pick(tricks);
    this.played.set(trick, 1 + (this.played.get(trick) ?? 0));
    this.#play(trick, channel);
  }

  #play(trick: Trick, channel: RawChannel): void {
    const database = this.#database;
    switch (trick) {
      case "garbage":
        return channel.channel.send(this.#random.bytes(1 + this.#random.int(40)));
      case "wrongNumber":
        return channel.send({ ...lastBatch, database, number: 99, batch: encodeBatch([]) });
      case "wrongConfirmation":
        return channel.send({
          type: "stored",
          database,
          number: this.#random.int(4),
          complete: this.#random.chance(0.5),
          digest: this.#random.chance(0.5) ? "" : encodeHex(this.#random.bytes(12)),
        });
      case "wants": {
        const ids = Array<EntryId>(wantsPerTrick).fill(database);
        return channel.send(...Array(20).fill({ type: "want", database, ids }));
      }
      case "asks":
        return channel.send(
          ...Array(20).fill({ type: "frontier", database, asks: true, since: "", frontier: new Map() }),
        );
      default:
        return this.sendEntries(channel, this.#forge(trick));
    }
  }

  sendEntries(channel: RawChannel, entries: readonly Entry[]): void {
    const number = 1 + (this.#batches.get(channel) ?? 0);
    this.#batches.set(channel, number);
    channel.send({ ...lastBatch, database: this.#database, number, batch: encodeBatch(entries) });
  }

  #forge(trick: Exclude<Trick, "garbage" | "wrongNumber" | "wrongConfirmation" | "wants" | "asks">): readonly Entry[] {
    const draft = this.#draft(honestEnough.has(trick) ? "mallory" : forgedRow);
    switch (trick) {
      case "good":
        return [this.#sign(draft)];
      // Every one on the same entry: each is a branch of its own.
      case "fork":
        return Array.from({ length: 5 }, (_, i) =>
          this.#sign({ ...draft, stores: rowParts("mallory", { i, n: this.#nonce() }) }),
        );
      case "badSignature":
        return [this.#seal(draft, this.#random.bytes(64))];
      // The first has no good signature of its own, and stands on the second's word.
      case "goodVoucher":
        return this.#vouched(draft, 1);
      case "badVoucher":
        return this.#vouched(draft, 9);
      case "misplaced":
        return [this.#sign({ ...draft, height: draft.height + 1 }), this.#sign({ ...draft, time: 0 })];
      case "misnumbered":
        return this.#misnumbered(draft);
      case "forbidden":
        return [
          this.#sign({
            ...draft,
            stores: settingsParts(setPower(this.peer.key, 1), { type: "name", name: forgedRow }),
          }),
        ];
      case "stranger": {
        const author = publicKeyFromBytes(this.#random.bytes(32));
        return [
          this.#seal(
            { ...draft, author, seq: 0, prev: undefined, parents: [this.#database], height: 1 },
            this.#random.bytes(64),
          ),
        ];
      }
      case "ahead":
        return [this.#sign({ ...draft, time: (this.#cluster.clock.now() + 120_000) * ticksPerMs })];
      case "orphan":
        return Array.from({ length: 50 }, () =>
          this.#sign({ ...draft, parents: [entryIdFromDigest(this.#random.bytes(32))] }),
        );
      case "otherDatabase":
        return [this.#sign({ ...draft, database: entryIdFromDigest(this.#random.bytes(32)) })];
    }
  }

  /** A good one, and one after it that leaves out a number. */
  #misnumbered(draft: EntryBody): readonly Entry[] {
    const first = this.#sign(this.#draft("mallory"));
    const { seq, height, time } = first;
    const place = { seq: seq + 2, prev: first.id, parents: [], height: height + 1, time: time + 1 };
    return [first, this.#sign({ ...draft, ...place })];
  }

  #vouched(draft: EntryBody, above: number): readonly Entry[] {
    const first = this.#seal(draft, this.#random.bytes(64));
    const { seq, height, time } = draft;
    const next = { ...draft, seq: seq + 1, prev: first.id, parents: [], height: height + above, time: time + 1 };
    return [first, this.#sign(next)];
  }

  /** On everything known when the key was taken: later entries are not looked at. */
  #draft(row: string): EntryBody {
    return this.#replica.draft(this.peer.key, rowParts(row, { n: this.#nonce() }), this.#cluster.clock.now());
  }

  #nonce(): number {
    return this.#random.int(1_000_000);
  }

  #sign(body: EntryBody): Entry {
    return this.#seal(body, this.peer.identity.signNow(encodeUnsigned(body)));
  }

  #seal(body: EntryBody, signature: Uint8Array): Entry {
    return sealEntry(body, encodeUnsigned(body), signature, this.peer.sha256);
  }
}
