/** A random history of a few keys, honest and cheating, that write and exchange entries in partitions: for the authority rule. */
import type { EntryBody, VouchedEntry } from "../core/entry.ts";
import { assert, type Failure } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey, Sha256 } from "../core/ids.ts";
import { NONE, OWNER, READ, WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { AuthorityModel, type ModelEntry } from "./authority-model.ts";
import { SeededRandom } from "./random.ts";
import { keyOf, refusalsIn, rowParts, seal, sealRoot, settingsParts, startMs, Writer } from "./writers.ts";

export interface AuthorityTrialOptions {
  readonly seed: number;
  /** Also invites, redemptions, what is open to everybody, and several ops at once. */
  readonly isWhole: boolean;
  readonly sha256: Sha256;
}

/** One attempt of a writer to write. */
export interface Attempt {
  readonly writer: Writer;
  readonly entry: VouchedEntry;
  readonly refused: Failure | undefined;
  /** What the model says. */
  readonly isAcceptable: boolean;
  /** It builds on everything that counts for its author, as it should. */
  readonly isHonest: boolean;
  /** Its author may write, as far as it knew. */
  readonly isEntitled: boolean;
  /** It counted where it was written, at once. */
  readonly countsAtOnce: boolean;
}

export class AuthorityTrial {
  readonly random: SeededRandom;
  readonly model: AuthorityModel = new AuthorityModel();
  readonly database: DatabaseId;
  readonly writers: readonly Writer[];
  /** Keys that never cheat. */
  readonly honest: ReadonlySet<PublicKey>;
  /** Everything that was accepted anywhere, after what it follows. */
  readonly entries: VouchedEntry[] = [];
  readonly attempts: Attempt[] = [];
  readonly #options: AuthorityTrialOptions;
  /** Invited, and no members. */
  readonly #strangers: number;
  #nowMs = startMs;

  constructor(options: AuthorityTrialOptions) {
    this.#options = options;
    this.random = new SeededRandom(options.seed);
    const { random } = this;
    const members = 5;
    this.#strangers = options.isWhole ? 3 : 0;
    const root = sealRoot(keyOf(0), options.sha256, rowParts("r"));
    this.database = root.id;
    this.#accept(root);
    this.writers = Array.from({ length: members + this.#strangers }, (_, i) => this.#writer(i, root));
    const cheats = new Set(Array.from({ length: random.int(4) }, () => 1 + random.int(members - 1)));
    this.honest = new Set(this.writers.filter((_, i) => !cheats.has(i)).map(({ key }) => key));
    for (let i = 1; i < members; i++) this.#grant(i);
    for (const writer of this.writers.slice(1)) this.exchange(this.at(0), writer, false);
    if (options.isWhole) this.#invite(members);
  }

  at(index: number): Writer {
    const writer = this.writers[index];
    assert(writer, "one of the writers");
    return writer;
  }

  /** Something happens. Answers with whoever holds something else now. */
  step(): Writer {
    const { random } = this;
    this.#nowMs += random.int(2_000);
    const writer = random.pick(this.writers);
    if (random.chance(this.#isStranger(writer) && offeredTo(writer).length === 0 ? 0.8 : 0.35))
      this.exchange(random.pick(this.writers), writer, random.chance(0.2));
    else this.#write(writer);
    return writer;
  }

  /** What one holds, or what counts of it, goes to another, in another order and in pieces. */
  exchange(from: Writer, to: Writer, onlyCounting: boolean): void {
    const { graph } = from.replica;
    const given = from.entries.filter(({ id }) => !onlyCounting || isCounting(from, id));
    assert(given.length <= graph.size, "entries that are held");
    for (const batch of piecesOf(shuffled(given, this.random), this.random)) to.receive(batch, this.#nowMs);
  }

  modelEntry(entry: VouchedEntry): ModelEntry {
    const { id, author, time, prev, parents } = entry;
    const followed = [...new Set(prev === undefined ? parents : [...parents, prev])];
    return { id, author, time, parents: followed, ops: this.#ops.get(entry.id) ?? [] };
  }

  readonly #ops = new Map<EntryId, readonly SettingsOp[]>();

  #writer(index: number, root: VouchedEntry): Writer {
    const writer = new Writer(keyOf(index), this.database, this.#options.sha256);
    writer.receive([root]);
    return writer;
  }

  #grant(index: number): void {
    const power = this.random.pick([1, 1, 2, WRITE, WRITE]);
    this.#try(this.at(0), [{ type: "set", key: keyOf(index), power }], false);
  }

  /** Some of the members try it, and some of the strangers hear of it. */
  #invite(members: number): void {
    const { random } = this;
    for (const key of inviteKeys) {
      const member = this.at(random.int(members));
      this.#try(member, [this.#someInvite(key)], false);
      for (const stranger of this.writers.slice(members))
        if (random.chance(0.7)) this.exchange(member, stranger, false);
    }
  }

  #write(writer: Writer): void {
    const { random } = this;
    const isAdminsTurn = random.chance(this.#isStranger(writer) ? 0.6 : 0.4);
    const ops = isAdminsTurn ? this.#someOps(writer) : [];
    const cheats = !this.honest.has(writer.key) && random.chance(0.7);
    this.#try(writer, ops, cheats);
  }

  #someOps(writer: Writer): readonly SettingsOp[] {
    const { random } = this;
    if (!this.#options.isWhole) return [this.#someSet()];
    const offered = offeredTo(writer);
    if (offered.length > 0 && random.chance(this.#isStranger(writer) ? 0.8 : 0.1))
      return [{ type: "redeem", invite: random.pick(offered), proof: new Uint8Array(64) }];
    const ops = [this.#someOp(), ...(random.chance(0.2) ? [this.#someOp()] : [])];
    return new Set(ops.map((op) => op.type)).size < ops.length ? ops.slice(0, 1) : ops;
  }

  #isStranger(writer: Writer): boolean {
    return this.writers.indexOf(writer) >= this.writers.length - this.#strangers;
  }

  #someOp(): SettingsOp {
    const { random } = this;
    const dice = random.fraction();
    if (dice < 0.5) return this.#someSet();
    if (dice < 0.6) return { type: "public", power: random.pick([WRITE, WRITE, READ, NONE, NONE]) };
    return this.#someInvite(random.pick(inviteKeys));
  }

  #someInvite(key: PublicKey): SettingsOp {
    const { random } = this;
    const power = random.pick([2, 3, 3, WRITE, WRITE, WRITE, READ, NONE]);
    return {
      type: "invite",
      key,
      power,
      ...(random.chance(0.5) ? { uses: 1 + random.int(2) } : {}),
      ...(random.chance(0.3) ? { expiresMs: this.#nowMs + random.int(20_000) } : {}),
      ...(random.chance(0.1) ? { label: "x" } : {}),
    };
  }

  #someSet(): SettingsOp {
    const { random } = this;
    const key = keyOf(random.int(this.writers.length));
    const { isWhole } = this.#options;
    if (isWhole && random.chance(0.15)) return { type: "set", key: keyOf(0), power: OWNER };
    const powers = isWhole ? [1, 50, READ, 500] : [];
    return { type: "set", key, power: random.pick([2, 3, WRITE, WRITE, NONE, NONE, ...powers]) };
  }

  #try(writer: Writer, ops: readonly SettingsOp[], cheats: boolean): void {
    const parts = ops.length === 0 ? rowParts("r", { n: this.entries.length }) : settingsParts(...ops);
    const draft = writer.draft(parts, this.#nowMs);
    const entry = seal(
      cheats ? bodyOnSome(writer, draft, this.random) : draft,
      this.#options.sha256,
      this.attempts.length % 256,
    );
    this.#ops.set(entry.id, ops);
    const isAcceptable = this.model.isAcceptable(this.modelEntry(entry));
    const isEntitled = writer.replica.authority.mayWrite(writer.key);
    const [refused] = refusalsIn(writer.receive([entry], this.#nowMs));
    this.attempts.push({
      writer,
      entry,
      refused,
      isAcceptable,
      isHonest: !cheats,
      isEntitled,
      countsAtOnce: isCounting(writer, entry.id),
    });
    if (refused === undefined) this.#accept(entry);
  }

  #accept(entry: VouchedEntry): void {
    this.entries.push(entry);
    this.model.add(this.modelEntry(entry));
  }
}

const inviteKeys: readonly PublicKey[] = [100, 101, 102].map(keyOf);

/** Invites that a writer has heard of. */
function offeredTo({ replica }: Writer): readonly PublicKey[] {
  return inviteKeys.filter((key) => replica.authority.ledger.invites(key).length > 0);
}

export function isCounting({ replica }: Writer, id: EntryId): boolean {
  const node = replica.graph.get(id);
  return node !== undefined && replica.graph.counts(node);
}

/** The same in another order in which everything stands after what it follows. */
export function shuffled(entries: readonly VouchedEntry[], random: SeededRandom): readonly VouchedEntry[] {
  const left = [...entries];
  const given = new Set(entries.map(({ id }) => id));
  const order: VouchedEntry[] = [];
  while (left.length > 0) {
    const ready = left.filter(({ prev, parents }) =>
      [prev, ...parents].every((id) => id === undefined || !given.has(id)),
    );
    const next = random.pick(ready);
    left.splice(left.indexOf(next), 1);
    given.delete(next.id);
    order.push(next);
  }
  return order;
}

/** In order, one by one or several at once. */
export function piecesOf(entries: readonly VouchedEntry[], random: SeededRandom): readonly (readonly VouchedEntry[])[] {
  const pieces: VouchedEntry[][] = [];
  for (let at = 0; at < entries.length; ) {
    const length = random.pick([1, 1, 2, 5, 50]);
    pieces.push(entries.slice(at, at + length));
    at += length;
  }
  return pieces;
}

/** On a few of the entries that a cheat holds, to look more entitled than it is, or to keep what is void alive. */
function bodyOnSome(writer: Writer, body: EntryBody, random: SeededRandom): EntryBody {
  const { graph } = writer.replica;
  const picked = Array.from({ length: random.pick([1, 2, 4]) }, () => graph.at(random.int(graph.size)));
  const own = picked.filter((node) => node.author === writer.key);
  const prev = own.length > 0 ? random.pick(own) : undefined;
  const ids = [...new Set(picked.map((node) => node.id))].sort();
  const followed = prev === undefined ? picked : [...picked, prev];
  const time = Math.max(...followed.map((node) => node.time)) + 1;
  return {
    ...body,
    prev: prev?.id,
    seq: prev === undefined ? 0 : prev.seq + 1,
    parents: ids.length === 1 && ids[0] === prev?.id ? [] : ids,
    height: 1 + Math.max(...followed.map((node) => node.height)),
    time: random.chance(0.5) ? time : Math.max(time, body.time),
  };
}
