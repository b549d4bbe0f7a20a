/**
 * What has to be so in every message that a device sends.
 *
 * [SIMULATION-11] What a device says that it holds, sends, or confirms is on its disk; entries go to readers only, void ones to nobody, none back to
 *   whom it came from, and none to whoever is blocked or not to have them; no more is under way than the limits say.
 * [SIMULATION-17] Whatever is said of a database is said to a key that may read it as the sender's settings are at
 *   that moment, or that was given the secret of an invite that stands then.
 */
import type { Entry } from "../core/entry.ts";
import { digestFrontier } from "../core/frontier.ts";
import type { EntryId, PublicKey } from "../core/ids.ts";
import { batchesInFlightMax, strangerMessageBytesMax } from "../core/limits.ts";
import { decodeBatch } from "../core/protocol/batch.ts";
import { decodeMessage, type EntriesMessage, type Message } from "../core/protocol/message.ts";
import { prefixOf, shortDigest } from "../core/protocol/short-digest.ts";
import type { Replica } from "../core/replica.ts";
import type { DeviceChecks } from "./device-checks.ts";
import type { ChannelPair } from "./memory-channel.ts";
import type { NetworkTap } from "./memory-network.ts";
import { placeOf } from "./places.ts";
import type { Readers } from "./readers.ts";
import { type Watch, type WatchedDevice, wasVoidAt } from "./watched-device.ts";

/** A channel is not sent to while it is congested, but for what was on its way there: far less than this. */
const queuedBytesMax = 1024 * 1024 + strangerMessageBytesMax;

/** What one end of a channel sent and the other has not confirmed yet, as far as the sender knows. */
interface Flight {
  /** Ids by the number of their batch. */
  readonly sent: Map<number, readonly EntryId[]>;
  confirmed: number;
  /** What the receiver has confirmed, whether the sender knows or not. */
  acknowledged: number;
  /** Entries that came here first from the other end. */
  readonly learned: Set<EntryId>;
  /** A skeleton repeats what it stands for. */
  hasSkeleton: boolean;
}

export class MessageChecks implements NetworkTap {
  readonly #watch: Watch;
  readonly #devices: DeviceChecks;
  readonly #readers: Readers;
  readonly #flights = new WeakMap<ChannelPair, Map<PublicKey, Flight>>();
  readonly #decoded = new WeakMap<Uint8Array, Message>();

  constructor(watch: Watch, devices: DeviceChecks, readers: Readers) {
    this.#watch = watch;
    this.#devices = devices;
    this.#readers = readers;
  }

  sent(from: PublicKey, to: PublicKey, bytes: Uint8Array, channel: ChannelPair): void {
    const sender = this.#watch.devices.get(from);
    const message = this.#decode(bytes);
    if (message?.type === "want" && message.database === this.#watch.database)
      this.#readers.noteAsked(from, message.ids);
    if (sender === undefined) return this.#learn(message);
    // What was written in this very step counts.
    this.#devices.checkDisk(sender);
    const end = channel.left.initiator === from < to ? channel.left : channel.right;
    if (end.underWay > queuedBytesMax) this.#watch.report(from, `${end.underWay} bytes wait for a channel`);
    if (message === undefined) return; // Of the handshake.
    if (message.type === "digest") return this.#checkDigests(sender, to, message);
    if (!("database" in message) || message.database !== this.#watch.database) return;
    this.#checkBars(sender, to, message.type);
    if (message.type === "skeleton")
      for (const { device } of [sender, this.#watch.devices.get(to)].filter((each) => each !== undefined))
        this.#flight(channel, device.key).hasSkeleton = true;
    if (message.type === "frontier") this.#checkFrontier(sender, to, message);
    if (message.type === "entries") this.#checkEntries(sender, to, message, channel);
    if (message.type === "stored") this.#checkStored(sender, to, message, channel);
    if (message.type === "want") for (const id of message.ids) sender.wanted.add(id);
    if (message.type === "presence") this.#checkReader(sender, to, "who is there");
  }

  arrived(from: PublicKey, to: PublicKey, bytes: Uint8Array, channel: ChannelPair): void {
    const message = this.#decode(bytes);
    if (message?.type === "entries" && message.database === this.#watch.database)
      this.#noteLearned(from, to, message.number, channel);
    if (message?.type !== "stored" || message.database !== this.#watch.database) return;
    const flight = this.#flight(channel, to);
    flight.confirmed = Math.max(flight.confirmed, message.number);
  }

  #noteLearned(from: PublicKey, to: PublicKey, number: number, channel: ChannelPair): void {
    const receiver = this.#watch.devices.get(to);
    for (const id of this.#flight(channel, from).sent.get(number) ?? [])
      if (receiver?.durableIds.has(id) === false && receiver.replica?.graph.has(id) !== true)
        this.#flight(channel, to).learned.add(id);
  }

  /** "unavailable" says that there is nothing to be said. */
  #checkBars({ device, bars }: WatchedDevice, to: PublicKey, what: Message["type"]): void {
    for (const bar of bars.get(to) ?? [])
      if (what !== "unavailable")
        this.#watch.report(device.key, `sent ${what} to ${to.slice(0, 6)} in spite of ${bar}`);
  }

  /** What entries follow that a cheat made. */
  #learn(message: Message | undefined): void {
    const batch =
      message?.type === "entries" ? decodeBatch(message.batch, this.#watch.database, this.#watch.sha256) : undefined;
    if (batch?.ok === true) for (const entry of batch.value) this.#watch.places.set(entry.id, placeOf(entry));
  }

  #decode(bytes: Uint8Array): Message | undefined {
    const known = this.#decoded.get(bytes);
    if (known !== undefined) return known;
    const decoded = decodeMessage(bytes);
    if (!decoded.ok) return undefined;
    this.#decoded.set(bytes, decoded.value);
    return decoded.value;
  }

  #checkDigests(
    sender: WatchedDevice,
    to: PublicKey,
    { digests }: Extract<Message, { readonly type: "digest" }>,
  ): void {
    for (const { prefix, digest } of digests) {
      if (prefix !== prefixOf(this.#watch.database)) continue;
      this.#checkReader(sender, to, "a digest");
      this.#checkBars(sender, to, "digest");
      this.#checkDigest(sender, to, digest);
    }
  }

  #checkFrontier(
    sender: WatchedDevice,
    to: PublicKey,
    { frontier }: Extract<Message, { readonly type: "frontier" }>,
  ): void {
    if (frontier.size === 0) return;
    this.#checkReader(sender, to, "a frontier");
    for (const heads of frontier.values())
      for (const { id } of heads)
        if (!sender.durableIds.has(id)) this.#watch.report(sender.device.key, `announced ${id}, which is not durable`);
  }

  #checkEntries(sender: WatchedDevice, to: PublicKey, message: EntriesMessage, channel: ChannelPair): void {
    this.#checkReader(sender, to, "entries");
    if (message.digest !== "") this.#checkDigest(sender, to, message.digest);
    const batch = decodeBatch(message.batch, this.#watch.database, this.#watch.sha256);
    if (!batch.ok) return this.#watch.report(sender.device.key, `sent a batch that is ${batch.failure.code}`);
    for (const entry of batch.value) {
      const { id } = entry;
      this.#watch.places.set(id, placeOf(entry));
      if (!sender.durableIds.has(id)) this.#watch.report(sender.device.key, `sent ${id}, which is not durable`);
      const node = sender.replica?.graph.get(id);
      const isVoid = node !== undefined && sender.replica?.graph.counts(node) === false;
      const wasSaidBefore = !this.#watch.network.isPrompt(sender.device.key, to) && sender.everCounted.has(id);
      if (isVoid && !wasSaidBefore && !this.#readers.hasAsked(to, id))
        this.#watch.report(sender.device.key, `sent ${id}, which is void`);
    }
    const flight = this.#flight(channel, sender.device.key);
    this.#checkLoops(sender, to, batch.value, flight);
    flight.sent.set(
      message.number,
      batch.value.map(({ id }) => id),
    );
    const inFlight = [...flight.sent.keys()].filter((number) => number > flight.confirmed).length;
    if (inFlight > batchesInFlightMax) this.#watch.report(sender.device.key, `${inFlight} batches under way`);
  }

  /** Messages in another order may have said that it was missing after all, and so does whoever takes it for void. */
  #checkLoops(sender: WatchedDevice, to: PublicKey, entries: readonly Entry[], { learned, hasSkeleton }: Flight): void {
    const { device } = sender;
    const receiver = this.#watch.devices.get(to);
    if (receiver === undefined || hasSkeleton) return;
    if (!this.#watch.network.isOrdered(to, device.key) || !this.#watch.network.isOrdered(device.key, to)) return;
    for (const { id } of entries)
      if (learned.has(id) && !receiver.wanted.has(id) && !wasVoidAt(sender, id) && !wasVoidAt(receiver, id))
        this.#watch.report(device.key, `sent ${id} back to ${to.slice(0, 6)}`);
  }

  /** What a device confirms as complete is on its disk. */
  #checkStored(
    sender: WatchedDevice,
    to: PublicKey,
    message: Extract<Message, { readonly type: "stored" }>,
    channel: ChannelPair,
  ): void {
    if (message.digest !== "") this.#checkDigest(sender, to, message.digest);
    const flight = this.#flight(channel, to);
    for (let number = flight.acknowledged + 1; message.complete && number <= message.number; number++) {
      for (const id of flight.sent.get(number) ?? [])
        if (!sender.durableIds.has(id)) this.#watch.report(sender.device.key, `confirmed ${id}, which is not durable`);
    }
    flight.acknowledged = Math.max(flight.acknowledged, message.number);
  }

  #checkReader({ device, replica }: WatchedDevice, to: PublicKey, what: string): void {
    if (replica !== undefined && !this.#readers.mayBeTold(replica, to, this.#watch.clock.now() + device.skewMs))
      this.#watch.report(device.key, `sent ${what} to a key that may not read`);
  }

  /** A digest is of what was durable at some time. What waited before a slow channel may have been said while other things counted. */
  #checkDigest(watched: WatchedDevice, to: PublicKey, digest: string): void {
    const { device, replica, durable } = watched;
    if (replica === undefined) return;
    if (!this.#watch.network.isPrompt(device.key, to) && watched.formerDigests.has(digest)) return;
    for (let through = Math.min(durable.length, replica.graph.size); through >= 0; through--)
      if (this.#digestOf(watched, replica, through) === digest) return;
    this.#watch.report(device.key, "sent a digest of what is not durable");
  }

  #digestOf({ digests }: WatchedDevice, { graph }: Replica, through: number): string {
    const known = digests.get(through);
    if (known !== undefined) return known;
    const digest = shortDigest(digestFrontier(graph.frontier(through), this.#watch.sha256));
    digests.set(through, digest);
    return digest;
  }

  #flight(channel: ChannelPair, from: PublicKey): Flight {
    const ends = this.#flights.get(channel) ?? new Map<PublicKey, Flight>();
    this.#flights.set(channel, ends);
    const flight = ends.get(from) ?? {
      sent: new Map(),
      confirmed: 0,
      acknowledged: 0,
      learned: new Set(),
      hasSkeleton: false,
    };
    ends.set(from, flight);
    return flight;
  }
}
