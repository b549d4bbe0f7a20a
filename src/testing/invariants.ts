/**
 * What has to be so after every single step of a simulation, on every device and in every message.
 *
 * [SIMULATION-11] Graph parent-closed, what counts stands on what counts, tips an antichain; what a device says that
 *   it holds, sends, or confirms is on its disk; entries go to readers only, void ones to nobody, none back to whom
 *   it came from, and none to whoever is blocked or not to have them; numbers and heights are right; what was durable
 *   stays; queues stay within their limits; no clock is run ahead of.
 * [SIMULATION-17] Whatever is said of a database is said to a key that may read it as the sender's settings are at
 *   that moment, or that was given the secret of an invite that stands then.
 *
 * Looks only at what is new, so that it can look after every step. It believes no device: what is durable is what is
 * on the disk, and what an entry follows is what its bytes say.
 */
import { ticksPerMs } from "../core/clock.ts";
import type { Entry } from "../core/entry.ts";
import { digestFrontier } from "../core/frontier.ts";
import type { Graph, Node } from "../core/graph.ts";
import type { DatabaseId, EntryId, PublicKey, Sha256 } from "../core/ids.ts";
import {
  batchesInFlightMax,
  clockAheadMsMax,
  inboundMessagesMax,
  outboundMessagesMax,
  pendingBytesMax,
  pendingEntriesMax,
  strangerMessageBytesMax,
  wantsMax,
} from "../core/limits.ts";
import { decodeBatch } from "../core/protocol/batch.ts";
import { differenceRangesMax } from "../core/protocol/delivery.ts";
import { decodeMessage, type EntriesMessage, type Message } from "../core/protocol/message.ts";
import { prefixOf, shortDigest } from "../core/protocol/short-digest.ts";
import type { Replica } from "../core/replica.ts";
import type { PeerRecord, RelationRecord } from "../engine/records.ts";
import type { SimulatedClock } from "./clock.ts";
import type { Device } from "./device.ts";
import type { ChannelPair } from "./memory-channel.ts";
import type { MemoryNetwork, NetworkTap } from "./memory-network.ts";
import { Readers } from "./readers.ts";

const problemsMax = 20;

/** Why a device keeps the database from another: see bars.ts. */
export type Bar = "block" | "unrelate";

interface Follows {
  readonly author: PublicKey;
  readonly seq: number;
  readonly height: number;
  readonly prev: EntryId | undefined;
  readonly parents: readonly EntryId[];
}

/** One device over all its restarts, and how far it was looked at. */
interface Watched {
  device: Device;
  replica: Replica | undefined;
  /** Entries that the replica had when it was opened. */
  restored: number;
  /** Entries of it that were looked at. */
  size: number;
  stored: number;
  /** Everything that was void at some time. */
  readonly everVoid: Set<EntryId>;
  /** What is durable, in its order. */
  readonly durable: EntryId[];
  readonly durableIds: Set<EntryId>;
  /** How many were durable whenever it was looked at, if any were. */
  readonly lengths: Set<number>;
  /** Short digests of the durable entries, by their number. */
  readonly digests: Map<number, string>;
  /** Short digests of what was durable when it was looked at, whatever counted then. */
  readonly formerDigests: Set<string>;
  /** Everything that counted when it was looked at. */
  readonly everCounted: Set<EntryId>;
  /** The latest time that its clock has shown. */
  latestMs: number;
  /** Everything that it ever asked for by id. */
  readonly wanted: Set<EntryId>;
  /** What it remembers of others, as far as it was looked at. */
  readonly remembered: WeakSet<object>;
  /** From whom it keeps the database. */
  readonly bars: Map<PublicKey, Set<Bar>>;
}

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

export class Invariants implements NetworkTap {
  /** Each with the time at which it was found; at most 20. */
  readonly problems: string[] = [];
  readonly #clock: SimulatedClock;
  readonly #network: MemoryNetwork;
  readonly #database: DatabaseId;
  readonly #sha256: Sha256;
  readonly #startMs: number;
  readonly #watched = new Map<PublicKey, Watched>();
  readonly #follows = new Map<EntryId, Follows>();
  readonly #flights = new WeakMap<ChannelPair, Map<PublicKey, Flight>>();
  readonly #decoded = new WeakMap<Uint8Array, Message>();
  /** Who may be told what. */
  readonly readers: Readers = new Readers();

  constructor(clock: SimulatedClock, network: MemoryNetwork, database: DatabaseId, sha256: Sha256) {
    this.#clock = clock;
    this.#network = network;
    this.#sha256 = sha256;
    this.#database = database;
    this.#startMs = clock.now();
  }

  /** To be called for every device, again after it was opened anew. */
  watch(device: Device): void {
    const known = this.#watched.get(device.key);
    if (known !== undefined) known.device = device;
    else this.#watched.set(device.key, newlyWatched(device));
    // A loss of power may have taken back the last ones.
    const { records } = device.disk;
    for (const value of records.get("peer")?.values() ?? []) {
      const { key, state } = value as PeerRecord;
      if (state === "blocked") this.bar(device.key, key, "block");
    }
    for (const value of records.get("relation")?.values() ?? []) {
      const { peer, state } = value as RelationRecord;
      if (state === "off") this.bar(device.key, peer, "unrelate");
    }
  }

  /** From now on a device says nothing of the database to another. */
  bar(key: PublicKey, other: PublicKey, bar: Bar): void {
    const watched = this.#watched.get(key);
    watched?.bars.set(other, (watched.bars.get(other) ?? new Set()).add(bar));
  }

  unbar(key: PublicKey, other: PublicKey, bar: Bar): void {
    this.#watched.get(key)?.bars.get(other)?.delete(bar);
  }

  /** The device is gone, and whether it remembers is seen when it is back. */
  unbarAll(key: PublicKey): void {
    this.#watched.get(key)?.bars.clear();
  }

  /** From now on it may do what it wants, or has another disk. */
  forget(key: PublicKey): void {
    this.#watched.delete(key);
  }

  /** Whether a device still counts on what another of some had confirmed before that lost its disk. */
  trustsLostDisk(key: PublicKey, others: ReadonlySet<PublicKey>): boolean {
    const relations = this.#watched.get(key)?.device.disk.records.get("relation")?.values() ?? [];
    return [...relations].some((value) => {
      const { peer, epoch, heldThrough } = value as RelationRecord;
      const now = this.#watched.get(peer)?.device.disk.values.get("epoch");
      return others.has(peer) && heldThrough > 0 && now !== undefined && now !== epoch;
    });
  }

  /** Whether some device but one has an entry on its disk. */
  isDurableBeside(key: PublicKey, id: EntryId): boolean {
    return [...this.#watched].some(([other, { durableIds }]) => other !== key && durableIds.has(id));
  }

  /** What a device has made durable, in that order. */
  durable(key: PublicKey): readonly EntryId[] {
    return this.#watched.get(key)?.durable ?? [];
  }

  /** After how many entries its log ended at some time: never in the middle of what goes to the disk in one step. */
  lengths(key: PublicKey): readonly number[] {
    return [...(this.#watched.get(key)?.lengths ?? [])];
  }

  /** Whether an entry was void on some device at some time. */
  wasVoid(id: EntryId): boolean {
    return [...this.#watched.values()].some(({ everVoid }) => everVoid.has(id));
  }

  /** To be called whenever something may have happened. */
  check(): void {
    for (const watched of this.#watched.values()) this.#checkDevice(watched);
  }

  /** How many entries a device has never asked for, though others wait for them there. */
  unasked(key: PublicKey): number {
    const { replica, wanted } = this.#watched.get(key) ?? {};
    return replica?.pending.missing(0, wantsMax).filter((id) => wanted?.has(id) !== true).length ?? 0;
  }

  // --- Devices

  #checkDevice(watched: Watched): void {
    const { device } = watched;
    watched.latestMs = Math.max(watched.latestMs, this.#clock.now() + device.skewMs);
    this.#checkDisk(watched);
    const replica = device.instance.find(this.#database)?.replica;
    if (replica !== watched.replica) this.#startOver(watched, replica);
    if (replica !== undefined && replica.graph.size > watched.size) this.#checkNodes(watched, replica);
    // After that: what was accepted, made durable and remembered in one step may have been void all along.
    this.#checkMemory(watched);
    if (replica === undefined) return;
    if (replica.stored > watched.stored && replica.stored > watched.durable.length)
      this.#report(device.key, `takes ${replica.stored} entries for durable, ${watched.durable.length} are`);
    watched.stored = replica.stored;
    watched.formerDigests.add(shortDigest(replica.digest()));
    if (replica.pending.size > pendingEntriesMax || replica.pending.bytes > pendingBytesMax)
      this.#report(device.key, `${replica.pending.size} entries wait`);
    this.#checkBacklog(device);
  }

  #checkBacklog({ instance, key }: Device): void {
    const { ranges, pushedRanges, queueRanges, inbound, outbound, unwritten } = instance.backlog(this.#database);
    if (ranges > 2 * differenceRangesMax) this.#report(key, `${ranges} ranges wait to be sent`);
    if (pushedRanges > queueRanges) this.#report(key, `${pushedRanges} ranges of new entries wait to be sent`);
    if (inbound > inboundMessagesMax) this.#report(key, `${inbound} messages wait to be taken`);
    if (outbound > outboundWaitingMax) this.#report(key, `${outbound} messages wait for a channel`);
    if (unwritten > unwrittenMax) this.#report(key, `${unwritten} records wait to be written`);
  }

  #checkDisk({ device, durable, durableIds, lengths }: Watched): void {
    const index = device.disk.databases.get(this.#database)?.index ?? [];
    if (index.length < durable.length || (durable.length > 0 && index[durable.length - 1]?.id !== durable.at(-1))) {
      this.#report(device.key, `${durable.length} entries were durable, and are not any more`);
      durable.length = 0;
      durableIds.clear();
    }
    for (let i = durable.length; i < index.length; i++) {
      const entry = index[i] as (typeof index)[number];
      const { id, prev, parents } = entry;
      // What its bytes said, where it was seen on its way, is believed rather.
      if (!this.#follows.has(id)) this.#follows.set(id, entry);
      durable.push(id);
      durableIds.add(id);
      if (!followsOf({ prev, parents }).every((each) => durableIds.has(each)))
        this.#report(device.key, `stored ${id} before what it follows`);
    }
    if (durable.length > 0) lengths.add(durable.length);
  }

  /**
   * What it remembers that others hold is on their disks, unless these were lost. Confirmations have no numbers of
   * their own: where
   * one overtook another, which no channel allows, it may have been taken for more than it said.
   */
  #checkMemory({ device, durable, remembered, everVoid }: Watched): void {
    for (const value of device.disk.records.get("relation")?.values() ?? []) {
      if (remembered.has(value as object)) continue;
      remembered.add(value as object);
      const { database, peer, epoch, heldThrough, cursor } = value as RelationRecord;
      const other = this.#watched.get(peer);
      if (database !== this.#database || other?.device.disk.values.get("epoch") !== epoch) continue;
      if (!this.#network.isOrdered(peer, device.key)) continue;
      const through = Math.max(heldThrough, cursor?.position ?? 0);
      // What is void here is kept from everybody, and what was void may have begun to count a moment ago.
      const lacking = durable.slice(0, through).find((id) => !other.durableIds.has(id) && !everVoid.has(id));
      if (lacking !== undefined || through > durable.length)
        this.#report(device.key, `believes that ${peer.slice(0, 6)} holds ${through} entries, ${lacking} it does not`);
    }
  }

  #startOver(watched: Watched, replica: Replica | undefined): void {
    watched.replica = replica;
    watched.restored = replica?.stored ?? 0;
    watched.size = 0;
    watched.stored = 0;
    watched.digests.clear();
    const { device, durable } = watched;
    if (replica !== undefined && replica.stored < durable.length)
      this.#report(device.key, `opened with ${replica.stored} of ${durable.length} durable entries`);
  }

  #checkNodes(watched: Watched, { graph }: Replica): void {
    const { device } = watched;
    // What counts may have changed.
    watched.digests.clear();
    for (; watched.size < graph.size; watched.size++) {
      const node = graph.at(watched.size);
      const follows = this.#follows.get(node.id) ?? declared(node);
      for (const id of followsOf(follows))
        if ((graph.get(id)?.position ?? Number.POSITIVE_INFINITY) >= node.position)
          this.#report(device.key, `accepted ${node.id} without what it follows`);
      this.#checkPlace(device.key, node.id, follows);
      const isLater = node.time > 1 + Math.max(node.prev?.time ?? 0, ...node.parents.map(({ time }) => time));
      if (
        node.position >= watched.restored &&
        isLater &&
        node.time / ticksPerMs > watched.latestMs + clockAheadMsMax + 1
      )
        this.#report(device.key, `accepted ${node.id} too early`);
    }
    this.#checkTips(watched, graph);
  }

  /** Tips are what counts and nothing that counts follows. */
  #checkTips({ device, everVoid, everCounted }: Watched, graph: Graph): void {
    const tips = new Set<EntryId>();
    for (let position = 0; position < graph.size; position++) {
      const node = graph.at(position);
      if (!graph.counts(node)) {
        everVoid.add(node.id);
        continue;
      }
      everCounted.add(node.id);
      for (const id of followsOf(this.#follows.get(node.id) ?? declared(node))) {
        tips.delete(id);
        const before = graph.get(id);
        if (before !== undefined && !graph.counts(before))
          this.#report(device.key, `counts ${node.id}, and not ${id}, which it follows`);
      }
      tips.add(node.id);
    }
    const found = graph.tips();
    if (found.length !== tips.size || found.some(({ id }) => !tips.has(id)))
      this.#report(device.key, `${found.length} tips instead of ${tips.size}`);
  }

  /** Its number in its chain, and its height, follow from what it follows. */
  #checkPlace(key: PublicKey, id: EntryId, entry: Follows): void {
    const prev = entry.prev === undefined ? undefined : this.#follows.get(entry.prev);
    if (prev !== undefined && (prev.author !== entry.author || prev.seq + 1 !== entry.seq))
      this.#report(key, `accepted ${id} with a wrong number`);
    const heights = followsOf(entry).map((each) => this.#follows.get(each)?.height ?? Number.NaN);
    const height = heights.length === 0 ? 0 : 1 + Math.max(...heights);
    if (!Number.isNaN(height) && height !== entry.height) this.#report(key, `accepted ${id} with a wrong height`);
  }

  // --- Messages

  sent(from: PublicKey, to: PublicKey, bytes: Uint8Array, channel: ChannelPair): void {
    const sender = this.#watched.get(from);
    const message = this.#decode(bytes);
    if (message?.type === "want" && message.database === this.#database) this.readers.noteAsked(from, message.ids);
    if (sender === undefined) return this.#learn(message);
    // What was written in this very step counts.
    this.#checkDisk(sender);
    const end = channel.left.initiator === from < to ? channel.left : channel.right;
    if (end.underWay > queuedBytesMax) this.#report(from, `${end.underWay} bytes wait for a channel`);
    if (message === undefined) return; // Of the handshake.
    if (message.type === "digest") return this.#checkDigests(sender, to, message);
    if (!("database" in message) || message.database !== this.#database) return;
    this.#checkBars(sender, to, message.type);
    if (message.type === "skeleton")
      for (const { device } of [sender, this.#watched.get(to)].filter((each) => each !== undefined))
        this.#flight(channel, device.key).hasSkeleton = true;
    if (message.type === "frontier") this.#checkFrontier(sender, to, message);
    if (message.type === "entries") this.#checkEntries(sender, to, message, channel);
    if (message.type === "stored") this.#checkStored(sender, to, message, channel);
    if (message.type === "want") for (const id of message.ids) sender.wanted.add(id);
  }

  arrived(from: PublicKey, to: PublicKey, bytes: Uint8Array, channel: ChannelPair): void {
    const message = this.#decode(bytes);
    if (message?.type === "entries" && message.database === this.#database)
      this.#noteLearned(from, to, message.number, channel);
    if (message?.type !== "stored" || message.database !== this.#database) return;
    const flight = this.#flight(channel, to);
    flight.confirmed = Math.max(flight.confirmed, message.number);
  }

  #noteLearned(from: PublicKey, to: PublicKey, number: number, channel: ChannelPair): void {
    const receiver = this.#watched.get(to);
    for (const id of this.#flight(channel, from).sent.get(number) ?? [])
      if (receiver?.durableIds.has(id) === false && receiver.replica?.graph.has(id) !== true)
        this.#flight(channel, to).learned.add(id);
  }

  /** "unavailable" says that there is nothing to be said. */
  #checkBars({ device, bars }: Watched, to: PublicKey, what: Message["type"]): void {
    for (const bar of bars.get(to) ?? [])
      if (what !== "unavailable") this.#report(device.key, `sent ${what} to ${to.slice(0, 6)} in spite of ${bar}`);
  }

  /** What entries follow that a cheat made. */
  #learn(message: Message | undefined): void {
    const batch = message?.type === "entries" ? decodeBatch(message.batch, this.#database, this.#sha256) : undefined;
    if (batch?.ok === true) for (const entry of batch.value) this.#follows.set(entry.id, placeOf(entry));
  }

  #decode(bytes: Uint8Array): Message | undefined {
    const known = this.#decoded.get(bytes);
    if (known !== undefined) return known;
    const decoded = decodeMessage(bytes);
    if (!decoded.ok) return undefined;
    this.#decoded.set(bytes, decoded.value);
    return decoded.value;
  }

  #checkDigests(sender: Watched, to: PublicKey, { digests }: Extract<Message, { readonly type: "digest" }>): void {
    for (const { prefix, digest } of digests) {
      if (prefix !== prefixOf(this.#database)) continue;
      this.#checkReader(sender, to, "a digest");
      this.#checkBars(sender, to, "digest");
      this.#checkDigest(sender, to, digest);
    }
  }

  #checkFrontier(sender: Watched, to: PublicKey, { frontier }: Extract<Message, { readonly type: "frontier" }>): void {
    if (frontier.size === 0) return;
    this.#checkReader(sender, to, "a frontier");
    for (const heads of frontier.values())
      for (const { id } of heads)
        if (!sender.durableIds.has(id)) this.#report(sender.device.key, `announced ${id}, which is not durable`);
  }

  #checkEntries(sender: Watched, to: PublicKey, message: EntriesMessage, channel: ChannelPair): void {
    this.#checkReader(sender, to, "entries");
    if (message.digest !== "") this.#checkDigest(sender, to, message.digest);
    const batch = decodeBatch(message.batch, this.#database, this.#sha256);
    if (!batch.ok) return this.#report(sender.device.key, `sent a batch that is ${batch.failure.code}`);
    for (const entry of batch.value) {
      const { id } = entry;
      this.#follows.set(id, placeOf(entry));
      if (!sender.durableIds.has(id)) this.#report(sender.device.key, `sent ${id}, which is not durable`);
      const node = sender.replica?.graph.get(id);
      const isVoid = node !== undefined && sender.replica?.graph.counts(node) === false;
      const wasSaidBefore = !this.#network.isPrompt(sender.device.key, to) && sender.everCounted.has(id);
      if (isVoid && !wasSaidBefore && !this.readers.hasAsked(to, id))
        this.#report(sender.device.key, `sent ${id}, which is void`);
    }
    const flight = this.#flight(channel, sender.device.key);
    this.#checkLoops(sender, to, batch.value, flight);
    flight.sent.set(
      message.number,
      batch.value.map(({ id }) => id),
    );
    const inFlight = [...flight.sent.keys()].filter((number) => number > flight.confirmed).length;
    if (inFlight > batchesInFlightMax) this.#report(sender.device.key, `${inFlight} batches under way`);
  }

  /** Messages in another order may have said that it was missing after all, and so does whoever takes it for void. */
  #checkLoops(sender: Watched, to: PublicKey, entries: readonly Entry[], { learned, hasSkeleton }: Flight): void {
    const { device } = sender;
    const receiver = this.#watched.get(to);
    if (receiver === undefined || hasSkeleton) return;
    if (!this.#network.isOrdered(to, device.key) || !this.#network.isOrdered(device.key, to)) return;
    for (const { id } of entries)
      if (learned.has(id) && !receiver.wanted.has(id) && !wasVoidAt(sender, id) && !wasVoidAt(receiver, id))
        this.#report(device.key, `sent ${id} back to ${to.slice(0, 6)}`);
  }

  /** What a device confirms as complete is on its disk. */
  #checkStored(
    sender: Watched,
    to: PublicKey,
    message: Extract<Message, { readonly type: "stored" }>,
    channel: ChannelPair,
  ): void {
    if (message.digest !== "") this.#checkDigest(sender, to, message.digest);
    const flight = this.#flight(channel, to);
    for (let number = flight.acknowledged + 1; message.complete && number <= message.number; number++) {
      for (const id of flight.sent.get(number) ?? [])
        if (!sender.durableIds.has(id)) this.#report(sender.device.key, `confirmed ${id}, which is not durable`);
    }
    flight.acknowledged = Math.max(flight.acknowledged, message.number);
  }

  #checkReader({ device, replica }: Watched, to: PublicKey, what: string): void {
    if (replica !== undefined && !this.readers.mayBeTold(replica, to, this.#clock.now() + device.skewMs))
      this.#report(device.key, `sent ${what} to a key that may not read`);
  }

  /** A digest is of what was durable at some time. What waited before a slow channel may have been said while other things counted. */
  #checkDigest(watched: Watched, to: PublicKey, digest: string): void {
    const { device, replica, durable } = watched;
    if (replica === undefined) return;
    if (!this.#network.isPrompt(device.key, to) && watched.formerDigests.has(digest)) return;
    for (let through = Math.min(durable.length, replica.graph.size); through >= 0; through--)
      if (this.#digestOf(watched, replica, through) === digest) return;
    this.#report(device.key, "sent a digest of what is not durable");
  }

  #digestOf({ digests }: Watched, { graph }: Replica, through: number): string {
    const known = digests.get(through);
    if (known !== undefined) return known;
    const digest = shortDigest(digestFrontier(graph.frontier(through), this.#sha256));
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

  #report(key: PublicKey, problem: string): void {
    if (this.problems.length < problemsMax)
      this.problems.push(`${this.#clock.now() - this.#startMs} ms, device ${key.slice(0, 6)}: ${problem}`);
  }
}

/** A channel is not sent to while it is congested, but for what was on its way there: far less than this. */
const queuedBytesMax = 1024 * 1024 + strangerMessageBytesMax;

function newlyWatched(device: Device): Watched {
  return {
    device,
    replica: undefined,
    restored: 0,
    size: 0,
    stored: 0,
    everVoid: new Set(),
    durable: [],
    durableIds: new Set(),
    lengths: new Set(),
    digests: new Map(),
    formerDigests: new Set(),
    everCounted: new Set(),
    latestMs: 0,
    wanted: new Set(),
    remembered: new WeakSet(),
    bars: new Map(),
  };
}

/** At some time, or now. */
function wasVoidAt({ everVoid, replica }: Watched, id: EntryId): boolean {
  const node = replica?.graph.get(id);
  return everVoid.has(id) || (node !== undefined && replica?.graph.counts(node) === false);
}

/** Of a message that is taken others may follow, and what was on its way when taking stopped. A guess. */
const outboundWaitingMax = 2 * outboundMessagesMax;
/** One for each record that there is, and was a moment ago: here there are some hundred. */
const unwrittenMax = 500;

/** What its bytes say: it may be altered later. */
function placeOf({ author, seq, height, prev, parents }: Entry): Follows {
  return { author, seq, height, prev, parents };
}

function declared({ author, seq, height, prev, parents }: Node): Follows {
  return { author, seq, height, prev: prev?.id, parents: parents.map(({ id }) => id) };
}

function followsOf({ prev, parents }: Pick<Follows, "prev" | "parents">): readonly EntryId[] {
  return prev === undefined ? parents : [prev, ...parents];
}
