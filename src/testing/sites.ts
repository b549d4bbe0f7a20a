/**
 * Sessions without an engine: sites hold replicas and talk, but nothing arrives and nothing becomes durable until a test says so.
 * What has to hold at every moment is checked at every moment.
 */
import { vouchOwn } from "../core/chain.ts";
import type { Entry, StorePart, VouchedEntry } from "../core/entry.ts";
import { assert, type Failure, unwrap } from "../core/errors.ts";
import { digestFrontier } from "../core/frontier.ts";
import type { DatabaseId, EntryId, PublicKey, Sha256 } from "../core/ids.ts";
import { batchBytesMax, batchEntriesMax, batchesInFlightMax } from "../core/limits.ts";
import { decodeBatch, encodeBatch } from "../core/protocol/batch.ts";
import { features } from "../core/protocol/features.ts";
import { decodeMessage, encodeMessage, type Message } from "../core/protocol/message.ts";
import {
  type Cursor,
  Session,
  type SessionEffect,
  type SessionEvent,
  type SessionOptions,
} from "../core/protocol/session.ts";
import type { Replica, ReplicaEffect } from "../core/replica.ts";
import { keyOf, refusalsIn, rowParts, seal, startMs, Writer } from "./writers.ts";

/** Everything is shared, nothing remembered, and sent at once. */
export const openHanded: Omit<SessionOptions, "self" | "peer" | "replicas" | "sha256"> = {
  transcript: new Uint8Array(32),
  features,
  initiator: true,
  shares: () => true,
  cursor: () => undefined,
  settings: () => ({
    flushEntries: 1,
    flushBytes: 1,
    flushAgeMs: 0,
    queueRanges: 100,
    batchEntries: batchEntriesMax,
    batchBytes: batchBytesMax,
  }),
  windowBytes: () => batchesInFlightMax * batchBytesMax,
  isIntact: () => true,
  nowMs: () => startMs,
  onCommit: () => true,
};

/** One side of a conversation. */
export class Line {
  readonly from: Site;
  readonly to: Site;
  readonly session: Session;
  /** Sent and not delivered yet. */
  readonly out: Uint8Array[] = [];
  /** Everything that was ever sent. */
  readonly sent: Message[] = [];
  readonly sentEntries: EntryId[] = [];
  /** What came the other way. */
  readonly receivedEntries: Set<EntryId> = new Set();
  bytes = 0;
  failure: Failure | undefined;
  isOver = false;
  readonly happened: SessionEffect["type"][] = [];
  /** How much of each database the peer is said to hold. */
  readonly held: Map<DatabaseId, number> = new Map();
  #inFlight = 0;
  /** Of the latest batch. Databases are counted together: enough for tests with one. */
  #number = 0;
  #back: Line | undefined;

  private constructor(from: Site, to: Site, initiator: boolean) {
    this.from = from;
    this.to = to;
    const { key: self, replicas, sha256 } = from;
    const cursor = (database: DatabaseId): Cursor | undefined => from.cursors.get(database + to.key);
    this.session = new Session({
      ...openHanded,
      ...from.options,
      self,
      peer: to.key,
      replicas,
      sha256,
      initiator,
      cursor,
      nowMs: () => from.nowMs,
    });
  }

  /** Both ends of a new line; the first site is the initiator. */
  static pair(one: Site, other: Site): readonly [Line, Line] {
    const lines = [new Line(one, other, true), new Line(other, one, false)] as const;
    for (const line of lines) line.from.lines.push(line);
    lines[0].#back = lines[1];
    lines[1].#back = lines[0];
    return lines;
  }

  get back(): Line {
    assert(this.#back, "lines come in pairs");
    return this.#back;
  }

  step(event: SessionEvent): void {
    if (this.isOver) return;
    if (event.type === "recounted" && event.from !== undefined)
      this.held.set(event.database, Math.min(event.from, this.held.get(event.database) ?? 0));
    for (const effect of this.session.step(event)) this.#perform(effect);
  }

  send(bytes: Uint8Array): void {
    const message = unwrap(decodeMessage(bytes));
    this.bytes += bytes.length;
    this.sent.push(message);
    this.out.push(bytes);
    if (message.type === "stored")
      this.back.#inFlight = Math.min(this.back.#inFlight, this.back.#number - message.number);
    if (message.type !== "entries") return;
    this.#number = message.number;
    this.#inFlight += 1;
    assert(this.#inFlight <= batchesInFlightMax, "the window is respected");
    const entries = unwrap(decodeBatch(message.batch, message.database, this.from.sha256));
    for (const { id } of entries) {
      assert(this.#mayRepeat || !this.receivedEntries.has(id), "nothing goes back to where it came from");
      this.sentEntries.push(id);
    }
  }

  /**
   * Where a fork left is only known about: what a skeleton repeats may have come from there. And whoever does not say what it holds because that
   * is void there gets it again from somebody where it counts.
   */
  get #mayRepeat(): boolean {
    return [this.from, this.to].some((site) => site.hasVoid) || this.back.sent.some(({ type }) => type === "skeleton");
  }

  deliver(): void {
    const bytes = this.out.shift();
    if (bytes !== undefined) this.back.step({ type: "received", bytes });
  }

  /** Delivers what is no batch before the batches that were sent earlier, as engines do. */
  overtake(): void {
    const at = this.out.findIndex((bytes) => unwrap(decodeMessage(bytes)).type !== "entries");
    const [bytes] = at < 0 ? [] : this.out.splice(at, 1);
    if (bytes !== undefined) this.back.step({ type: "received", bytes });
  }

  #perform(effect: SessionEffect): void {
    this.happened.push(effect.type);
    switch (effect.type) {
      case "send":
        return this.send(effect.bytes);
      case "serve": {
        const { database, nodes } = effect;
        const replica = this.from.replica(database);
        assert(
          nodes.every((node) => node.position < replica.stored),
          "only durable entries are sent",
        );
        const batch = encodeBatch(nodes.map((node) => this.from.entry(node.id)));
        return this.send(encodeMessage({ ...effect, type: "entries", batch }));
      }
      case "check":
        for (const { id } of effect.entries) this.receivedEntries.add(id);
        return this.from.take(this, effect.database, effect.number, effect.entries);
      case "held":
        return this.#expectHeld(effect.database, effect.through);
      case "agreed":
        this.from.cursors.set(effect.database + this.to.key, effect);
        return this.#expectAgreed(effect.database, effect);
      case "fail":
        this.failure = effect.failure;
        return this.close();
      case "end":
        return this.close();
      case "checkJoin": {
        const { commitment, invite, signature } = effect;
        return this.step({ type: "joinChecked", commitment, invite, valid: signature[0] === 1 });
      }
      case "checkKey": {
        const { commitment, key, signature } = effect;
        return this.step({ type: "keyChecked", commitment, key, valid: signature[0] === 1 });
      }
      default:
        return;
    }
  }

  #expectHeld(database: DatabaseId, through: number): void {
    assert(through > (this.held.get(database) ?? 0), "what is held grows");
    this.held.set(database, through);
    const { graph, isRecountDurable } = this.from.replica(database);
    const theirs = this.to.replica(database);
    assert(isRecountDurable, "what a crash would make count again is not taken to be held");
    for (let position = 0; position < through; position++) {
      if (!graph.counts(graph.at(position))) continue;
      const node = theirs.graph.get(graph.at(position).id);
      assert(node !== undefined && node.position < theirs.stored, "what is said to be held is durable at the peer");
    }
  }

  #expectAgreed(database: DatabaseId, { digest, position }: Cursor): void {
    const { graph, isRecountDurable } = this.from.replica(database);
    assert(isRecountDurable && digestFrontier(graph.frontier(position), this.from.sha256) === digest, "agreed");
  }

  close(): void {
    this.isOver = true;
    this.back.isOver = true;
  }
}

interface Unconfirmed {
  readonly line: Line;
  readonly database: DatabaseId;
  readonly number: number;
  readonly ids: readonly EntryId[];
  readonly missing: readonly EntryId[];
  readonly through: number;
}

export class Site {
  readonly key: PublicKey;
  readonly sha256: Sha256;
  readonly replicas: Map<DatabaseId, Replica> = new Map();
  readonly lines: Line[] = [];
  /** What its sessions begin with otherwise than usual. */
  options: Partial<SessionOptions> = {};
  /** What sessions remember, by database and peer. */
  readonly cursors: Map<string, Cursor> = new Map();
  /** Its clock. */
  nowMs: number = 2 * startMs;
  /** How often entries became void or counted again. */
  recounts = 0;
  /** Entries that are lost when they come, as if they had been refused. */
  refuses: (id: EntryId) => boolean = () => false;
  readonly #writers = new Map<DatabaseId, Writer>();
  #unconfirmed: Unconfirmed[] = [];

  constructor(number: number, sha256: Sha256) {
    this.key = keyOf(number);
    this.sha256 = sha256;
  }

  /** Opens a database with what is durable in it. */
  open(database: DatabaseId, entries: readonly VouchedEntry[] = []): Replica {
    const writer = new Writer(this.key, database, this.sha256);
    this.#writers.set(database, writer);
    writer.receive(entries, 2 * startMs);
    writer.store();
    this.replicas.set(database, writer.replica);
    for (const line of this.lines) line.step({ type: "offered", database });
    return writer.replica;
  }

  replica(database: DatabaseId): Replica {
    return this.#writer(database).replica;
  }

  entry(id: EntryId): VouchedEntry {
    const [entry] = [...this.#writers.values()].flatMap(({ replica, entries }) => {
      const node = replica.graph.get(id);
      return node === undefined ? [] : [entries[node.position]];
    });
    assert(entry, "an entry that is held");
    return entry;
  }

  holds(database: DatabaseId): ReadonlySet<EntryId> {
    return new Set(this.#writer(database).entries.map(({ id }) => id));
  }

  /** Accepts an own entry; it is not durable yet. */
  write(database: DatabaseId, stores: readonly StorePart[] = rowParts("r")): void {
    const writer = this.#writer(database);
    const entry = seal(writer.draft(stores, this.nowMs), this.sha256);
    const refused = refusalsIn(this.#receive(database, [entry]))[0];
    assert(refused === undefined, "the site may write");
  }

  /** Accepts an entry from nowhere. */
  add(database: DatabaseId, entry: VouchedEntry): void {
    this.#receive(database, [entry]);
  }

  /** Its clock says something else: what was held back may be accepted. */
  tick(database: DatabaseId, nowMs: number): void {
    this.nowMs = nowMs;
    this.#recount(database, this.#writer(database).step({ type: "ticked", nowMs }));
  }

  #receive(database: DatabaseId, entries: readonly VouchedEntry[]): readonly ReplicaEffect[] {
    return this.#recount(database, this.#writer(database).receive(entries, this.nowMs));
  }

  /** Sessions hear at once of what is void or counts again, as from an engine. */
  #recount(database: DatabaseId, effects: readonly ReplicaEffect[]): readonly ReplicaEffect[] {
    for (const effect of effects) {
      if (effect.type !== "recounted") continue;
      this.recounts += 1;
      const first = effect.revived.reduce((least, { position }) => Math.min(least, position), Number.POSITIVE_INFINITY);
      const from = Number.isFinite(first) ? first : undefined;
      for (const line of this.lines) line.step({ type: "recounted", database, from });
    }
    return effects;
  }

  take(line: Line, database: DatabaseId, number: number, entries: readonly Entry[]): void {
    const writer = this.#writer(database);
    const taken = entries.filter(({ id }) => !this.refuses(id));
    const effects = this.#receive(database, taken.map(vouchOwn));
    const missing = effects.flatMap((effect) => (effect.type === "fetch" ? effect.ids : []));
    const ids = entries.map(({ id }) => id);
    this.#unconfirmed.push({ line, database, number, ids, missing, through: writer.replica.graph.size });
    if (writer.replica.stored === writer.replica.graph.size) this.#confirm();
  }

  /** Whether something is void here, or was. */
  get hasVoid(): boolean {
    return this.recounts > 0 || [...this.replicas.values()].some(({ graph }) => graph.voidCount > 0);
  }

  /** Whether something is accepted and not durable. */
  get isDirty(): boolean {
    return [...this.replicas.values()].some((replica) => replica.stored < replica.graph.size);
  }

  /** Makes everything durable. */
  store(): void {
    for (const [database, writer] of this.#writers) this.#announce(database, writer.store());
    this.#confirm();
  }

  #announce(database: DatabaseId, effects: readonly ReplicaEffect[]): void {
    for (const effect of effects) {
      if (effect.type !== "announce") continue;
      for (const line of this.lines) line.step({ type: "announced", database, nodes: effect.nodes });
      if (effect.permissionsChanged) for (const line of this.lines) line.step({ type: "offered", database });
    }
  }

  #confirm(): void {
    const ready = this.#unconfirmed.filter(({ database, through }) => through <= this.replica(database).stored);
    this.#unconfirmed = this.#unconfirmed.filter((each) => !ready.includes(each));
    for (const { line, database, number, ids, missing } of ready) {
      const { pending } = this.replica(database);
      line.step({ type: "batchStored", database, number, ids: ids.filter((id) => !pending.has(id)), missing });
    }
  }

  #writer(database: DatabaseId): Writer {
    const writer = this.#writers.get(database);
    assert(writer, "a database that is open");
    return writer;
  }
}

export class Conversation {
  readonly sites: readonly Site[];

  constructor(...sites: readonly Site[]) {
    this.sites = sites;
  }

  /** Two sites meet; both start. */
  connect(one: Site, other: Site): readonly [Line, Line] {
    const lines = Line.pair(one, other);
    for (const line of lines) line.step({ type: "started" });
    return lines;
  }

  /** What can happen next. */
  actions(): readonly (() => void)[] {
    const lines = this.sites.flatMap((site) => site.lines).filter((line) => line.out.length > 0 && !line.isOver);
    const dirty = this.sites.filter((site) => site.isDirty);
    return [
      ...lines.map((line) => () => line.deliver()),
      ...dirty.map((site) => () => site.store()),
      ...lines.map((line) => () => line.overtake()),
    ];
  }

  /** Lets things happen until nothing is left to happen; `pick` chooses among them. Throws when there is no end to it. */
  run(pick: (count: number) => number = () => 0, stepsMax = 20_000): void {
    for (let steps = 0; ; steps++) {
      const actions = this.actions();
      if (actions.length === 0) return;
      assert(steps < stepsMax, "a conversation comes to an end");
      actions[pick(actions.length)]?.();
    }
  }
}
