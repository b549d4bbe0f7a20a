/**
 * What Mallory does to who may do what: back-dated entries, puppets, entries on void ones, settings beyond its power,
 * invites redeemed more often than they may be, forged proofs, and months of writing after it was removed.
 *
 * Each of its entries is well formed, signed, and stands on what is known: whether it counts is for the authority
 * alone to say.
 */

import { vouchOwn } from "../core/chain.ts";
import { ticksPerMs } from "../core/clock.ts";
import type { ChangeHash } from "../core/document/change-bytes.ts";
import { decodeEntry, type Entry, type EntryBody, encodeUnsigned, type StorePart, sealEntry } from "../core/entry.ts";
import { unreachable } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { redeemMessage } from "../core/invite-proof.ts";
import { decodeBatch } from "../core/protocol/batch.ts";
import type { Message } from "../core/protocol/message.ts";
import { Replica } from "../core/replica.ts";
import { NONE, READ, WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import type { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { Lurker } from "./lurker.ts";
import { forgedRow, type Mallory } from "./mallory.ts";
import type { SeededRandom } from "./random.ts";
import type { RawChannel } from "./raw-peer.ts";
import { type SimulatedIdentity, simulatedIdentity } from "./simulated-keys.ts";
import { rowParts, setPower, settingsParts } from "./writers.ts";

export const cheats = [
  "backdate",
  "backdateSettings",
  "puppets",
  "onVoid",
  "overreach",
  "redeem",
  "forgedProof",
  "stolenProof",
  "months",
  "guest",
] as const;

type CheatName = (typeof cheats)[number];

/** Entries of one chain that nobody has seen before. */
const monthsLong = 30;
const puppetsMax = 3;
/** By so much each of them is later than the one before, as long as that is past. */
const hourTicks: number = 3_600_000 * ticksPerMs;

export class Cheat {
  readonly played: Map<CheatName, number> = new Map();
  /** Somebody it has sent, once it has got hold of a ticket. */
  lurker: Lurker | undefined;
  #hasSent = false;
  #isOver = false;
  /** Of invites that it got hold of. */
  readonly #secrets: Uint8Array[] = [];
  readonly #mallory: Mallory;
  readonly #cluster: Cluster;
  readonly #database: DatabaseId;
  readonly #friend: () => Device | undefined;
  /** Everything that it was ever shown, and what it made itself. */
  readonly #replica: Replica;
  readonly #random: SeededRandom;
  readonly #puppets: readonly SimulatedIdentity[];

  /** Knows what the device knew whose key Mallory has. */
  constructor(
    mallory: Mallory,
    { disk }: Device,
    cluster: Cluster,
    database: DatabaseId,
    friend: () => Device | undefined,
  ) {
    this.#mallory = mallory;
    this.#friend = friend;
    this.#cluster = cluster;
    this.#database = database;
    this.#random = cluster.random.fork();
    this.#puppets = Array.from({ length: puppetsMax }, () => this.#stranger());
    this.#replica = new Replica(database, mallory.peer.sha256);
    for (const bytes of disk.databases.get(database)?.bytes ?? []) this.#takeStored(bytes);
    const { peer } = mallory;
    const { onChannel } = peer;
    peer.onChannel = (channel) => {
      onChannel(channel);
      const { onMessage } = channel;
      channel.onMessage = (message) => {
        onMessage(message);
        this.#learn(message);
      };
    };
  }

  get key(): PublicKey {
    return this.#mallory.peer.key;
  }

  /** Gets hold of a ticket. */
  async learn(secret: Uint8Array): Promise<void> {
    this.#secrets.push(secret);
    if (this.#hasSent || this.#isOver) return;
    this.#hasSent = true;
    const lurker = await Lurker.enter(this.#cluster, this.#database);
    if (this.#isOver) return lurker.leave();
    this.lurker = lurker;
    // They have nothing to say to each other, and take each other's garbage badly.
    this.#cluster.cut(this.key, lurker.key);
  }

  /** Whoever it has sent goes, also who is still on the way. */
  leave(): void {
    this.#isOver = true;
    this.lurker?.leave();
  }

  /** Writes this to whoever is connected. False: nobody is. */
  sendParts(stores: readonly StorePart[]): boolean {
    const open = this.#mallory.peer.channels.filter((channel) => channel.isReady);
    if (open.length === 0) return false;
    if (this.#random.chance(0.5)) this.#spy();
    const followed = this.#random.chance(0.8) ? this.#tips() : [this.#anyNode()];
    return this.#send(this.#random.pick(open), [this.#write(this.#mallory.peer.identity, followed, stores)]);
  }

  /** Of a document, as it knows it. */
  headsOf(store: string): readonly ChangeHash[] {
    return this.#replica.state.doc(store)?.heads() ?? [];
  }

  /** Shows one trick to whoever is connected. */
  act(): void {
    const open = this.#mallory.peer.channels.filter((channel) => channel.isReady);
    if (open.length === 0) return;
    if (this.#random.chance(0.3)) this.#spy();
    const channel = this.#random.pick(open);
    const first = cheats.indexOf(this.#chooseCheat());
    // Not everything can be done at all times.
    for (const cheat of [...cheats.slice(first), ...cheats.slice(0, first)]) {
      const isPlayed = cheat === "guest" ? this.#visit() : this.#send(channel, this.#forge(cheat));
      if (!isPlayed) continue;
      this.played.set(cheat, 1 + (this.played.get(cheat) ?? 0));
      return;
    }
  }

  /** Often what can be done only when it has come to that. */
  #chooseCheat(): CheatName {
    const rare: CheatName[] = [];
    if (this.#replica.graph.voidCount > 0) rare.push("onVoid");
    if (this.#secrets.length > 0) rare.push("redeem", "guest");
    return this.#random.pick(rare.length > 0 && this.#random.chance(0.5) ? rare : cheats);
  }

  /** A friend who may read tells it everything: also how it was lowered. */
  #spy(): void {
    const disk = this.#friend()?.disk.databases.get(this.#database);
    for (const bytes of disk?.bytes ?? []) this.#takeStored(bytes);
  }

  #takeStored(bytes: Uint8Array): void {
    const entry = decodeEntry(bytes, this.#mallory.peer.sha256);
    if (entry.ok) this.#take([entry.value]);
  }

  #send(channel: RawChannel, entries: readonly Entry[]): boolean {
    if (entries.length === 0) return false;
    this.#take(entries);
    this.#mallory.sendEntries(channel, entries);
    return true;
  }

  #learn(message: Message): void {
    if (message.type !== "entries" || message.database !== this.#database) return;
    const batch = decodeBatch(message.batch, this.#database, this.#mallory.peer.sha256);
    if (batch.ok) this.#take(batch.value);
  }

  #take(entries: readonly Entry[]): void {
    const nowMs = this.#cluster.clock.now() + 1e9;
    this.#replica.step({ type: "received", entries: entries.map(vouchOwn), nowMs });
  }

  /** Empty when there is nothing to do it with. */
  #forge(cheat: Exclude<CheatName, "guest">): readonly Entry[] {
    const { identity } = this.#mallory.peer;
    switch (cheat) {
      case "backdate":
        return [this.#write(identity, [this.#anyNode()], this.#row())];
      case "backdateSettings":
        return [this.#write(identity, [this.#anyNode()], settingsParts(this.#wish()))];
      case "puppets":
        return this.#playPuppets(identity);
      case "onVoid":
        return this.#buildOnVoid(identity);
      case "overreach":
        return [this.#write(identity, this.#tips(), settingsParts(...this.#overreach()))];
      case "redeem":
        return this.#redeem(identity);
      case "forgedProof":
        return [this.#redemption(this.#random.pick(this.#puppets), this.key, this.#random.bytes(64))];
      case "stolenProof":
        return this.#stealProof();
      case "months":
        return this.#writeForMonths(identity);
      default:
        return unreachable(cheat);
    }
  }

  /** Grants that others may have to live with, if it was an admin once. */
  #wish(): SettingsOp {
    const keys = [
      ...new Set(this.#nodes().map(({ author }) => author)),
      ...this.#puppets.map((each) => each.publicKey),
    ];
    return setPower(this.#random.pick(keys), this.#random.pick([60, WRITE, READ, NONE, NONE]));
  }

  /** A puppet that it lets in, and what that writes. */
  #playPuppets(identity: SimulatedIdentity): readonly Entry[] {
    const puppet = this.#random.pick(this.#puppets);
    const stands = this.#random.chance(0.5) ? this.#tips() : [this.#anyNode()];
    const grant = this.#write(identity, stands, settingsParts(setPower(puppet.publicKey, WRITE)));
    this.#take([grant]);
    const granted = this.#replica.graph.get(grant.id);
    return granted === undefined ? [grant] : [grant, this.#write(puppet, [granted], this.#row())];
  }

  /** Knowing that it is void or not, by whoever may write. */
  #buildOnVoid(identity: SimulatedIdentity): readonly Entry[] {
    const { graph, authority } = this.#replica;
    const nothing = this.#nodes().filter((node) => !graph.counts(node));
    if (nothing.length === 0) return [];
    const author = [identity, ...this.#puppets].find(({ publicKey }) => authority.mayWrite(publicKey)) ?? identity;
    const known = this.#random.chance(0.5) ? this.#tips() : [];
    return [this.#write(author, [this.#random.pick(nothing), ...known], this.#row())];
  }

  /** Nobody but the owner could. */
  #overreach(): readonly SettingsOp[] {
    const owner = this.#replica.graph.root?.author ?? this.key;
    return [
      { type: "name", name: forgedRow },
      this.#random.pick<SettingsOp>([
        setPower(owner, NONE),
        setPower(this.key, 0),
        { type: "invite", key: this.key, power: 0 },
      ]),
    ];
  }

  /** With one secret, for more keys than one, and for one of them twice. */
  #redeem(identity: SimulatedIdentity): readonly Entry[] {
    if (this.#secrets.length === 0) return [];
    const invite = simulatedIdentity(this.#random.pick(this.#secrets), this.#mallory.peer.sha256);
    const keys = [identity, this.#stranger(), this.#stranger()];
    return [...keys, this.#random.pick(keys)].map((key) =>
      this.#redemption(key, invite.publicKey, invite.signNow(redeemMessage(this.#database, key.publicKey))),
    );
  }

  #redemption(author: SimulatedIdentity, invite: PublicKey, proof: Uint8Array): Entry {
    return this.#write(author, this.#tips(), settingsParts({ type: "redeem", invite, proof }));
  }

  /** What somebody else has proved, for itself. */
  #stealProof(): readonly Entry[] {
    const redemptions = this.#replica.settings.sets().filter(({ via }) => via === "redeem");
    if (redemptions.length === 0) return [];
    const { stamp } = this.#random.pick(redemptions);
    const op = this.#replica.authority.opsOf(stamp.id)[0];
    return op?.type === "redeem" ? [this.#redemption(this.#random.pick(this.#puppets), op.invite, op.proof)] : [];
  }

  /** As if nothing had happened since some moment long ago. */
  #writeForMonths(identity: SimulatedIdentity): readonly Entry[] {
    const first = this.#write(identity, [this.#anyNode()], this.#row());
    const chain = [first];
    while (chain.length < monthsLong) {
      const { id, seq, height, time, author } = chain.at(-1) as Entry;
      const latest = this.#cluster.clock.now() * ticksPerMs;
      chain.push(
        this.#seal(identity, {
          database: this.#database,
          author,
          seq: seq + 1,
          prev: id,
          parents: [],
          height: height + 1,
          time: Math.max(time + 1, Math.min(time + hourTicks, latest)),
          stores: this.#row(),
        }),
      );
    }
    return chain;
  }

  /** Proves a secret, to be told what only guests are told. It says nothing more. */
  #visit(): boolean {
    return this.#secrets.length > 0 && this.lurker?.show(this.#random.pick(this.#secrets)) === true;
  }

  // --- Entries

  /** A key that nobody has heard of. */
  #stranger(): SimulatedIdentity {
    return simulatedIdentity(this.#random.bytes(32), this.#mallory.peer.sha256);
  }

  #nodes(): readonly Node[] {
    const { graph } = this.#replica;
    return Array.from({ length: graph.size }, (_, position) => graph.at(position));
  }

  #anyNode(): Node {
    const { graph } = this.#replica;
    return graph.at(this.#random.int(graph.size));
  }

  #tips(): readonly Node[] {
    return this.#replica.graph.tips();
  }

  #row(): readonly StorePart[] {
    return rowParts("mallory", { n: this.#random.int(1_000_000) });
  }

  /** On exactly these, and often after nothing of its author. */
  #write(author: SimulatedIdentity, followed: readonly Node[], stores: readonly StorePart[]): Entry {
    const prev = followed.find((node) => node.author === author.publicKey);
    const latest = Math.max(...followed.map(({ time }) => time));
    const isOld = this.#random.chance(0.5);
    return this.#seal(author, {
      database: this.#database,
      author: author.publicKey,
      seq: prev === undefined ? 0 : prev.seq + 1,
      prev: prev?.id,
      parents: followed.length === 1 && prev !== undefined ? [] : followed.map(({ id }) => id).sort(),
      height: 1 + Math.max(...followed.map(({ height }) => height)),
      time: isOld ? latest + 1 : Math.max(latest + 1, this.#cluster.clock.now() * ticksPerMs),
      stores,
    });
  }

  #seal(author: SimulatedIdentity, body: EntryBody): Entry {
    const message = encodeUnsigned(body);
    return sealEntry(body, message, author.signNow(message), this.#mallory.peer.sha256);
  }
}
