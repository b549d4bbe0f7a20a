/**
 * One database on one device: the one place that decides what enters it and what follows from that.
 *
 * [REPLICA-1] Whether an entry is accepted or refused follows from the entry and its past alone (judgement.ts).
 * [REPLICA-2] An entry that misses something it follows, or whose time has not come, waits; everything else is accepted or
 *             refused at once. What stands on a refused entry leaves with it.
 * [REPLICA-3] An accepted entry is visible to the app at once and to peers only after a `stored` event covers it.
 * [REPLICA-4] An entry that is here already changes nothing.
 * [REPLICA-5] Replicas that accepted the same entries have byte-equal state.
 * [REPLICA-9] A draft follows everything known and its author's newest entry, and is accepted by whoever holds the same.
 * [REPLICA-10] A branch of a chain beyond `forksMax` is accepted and reported with ENTRY_FORKS.
 * [REPLICA-11] A replica restored from storage is as it was, or restoring fails.
 *
 * Signatures are checked before (`chain.ts`): only a `VouchedEntry` gets in. Storing and sending are effects for the engine.
 */
import { Authority } from "./authority.ts";
import { aheadMs, nextTime, ticksPerMs } from "./clock.ts";
import { type Entry, type EntryBody, follows, type StorePart, type VouchedEntry } from "./entry.ts";
import { assert, type Failure, failure, type Result, success, unreachable } from "./errors.ts";
import { digestFrontier, type Frontier } from "./frontier.ts";
import { type EntryIndex, Graph, type Node } from "./graph.ts";
import type { DatabaseId, EntryId, PublicKey, Sha256 } from "./ids.ts";
import { decodeParts, greatest, judge, type Surroundings, settingsIn, type Verdict } from "./judgement.ts";
import { clockAheadMsMax, forksMax, parentsMax, pendingEntriesMax, wantsMax } from "./limits.ts";
import { Pending } from "./pending.ts";
import type { DecodedPart } from "./store/kinds.ts";
import type { SettingsOp } from "./store/settings.ts";
import { DatabaseState, type StoreChange } from "./store/state.ts";
import { indexOf, tryEntries } from "./trial.ts";

/** A clock is not trusted to stay as it is for longer, and browsers take no timer above 24 days. */
const wakeMsMax = 3_600_000;

export type ReplicaEvent =
  | { readonly type: "received"; readonly entries: readonly VouchedEntry[]; readonly nowMs: number }
  | { readonly type: "ticked"; readonly nowMs: number }
  /** Everything at positions below `through` is durable. */
  | { readonly type: "stored"; readonly through: number };

/** Why an entry was refused, is held back (ENTRY_TIME_AHEAD), or is remarkable though accepted (ENTRY_FORKS). */
export interface Refusal {
  readonly id: EntryId;
  readonly author: PublicKey;
  readonly failure: Failure;
}

export type ReplicaEffect =
  /** Write these, in this order; answer with `stored`. */
  | { readonly type: "store"; readonly entries: readonly Entry[]; readonly nodes: readonly Node[] }
  | { readonly type: "show"; readonly changes: readonly StoreChange[] }
  /** Durable now: tell the peers. */
  | { readonly type: "announce"; readonly nodes: readonly Node[]; readonly permissionsChanged: boolean }
  | { readonly type: "refuse"; readonly refusals: readonly Refusal[] }
  /** Ask whoever sent them for what is missing. */
  | { readonly type: "fetch"; readonly ids: readonly EntryId[] }
  /** Come back with `ticked` in this many milliseconds. */
  | { readonly type: "wake"; readonly afterMs: number };

/** What one event led to, collected while entries are judged one after the other. */
interface Outcome {
  readonly accepted: Entry[];
  readonly nodes: Node[];
  readonly changes: StoreChange[];
  readonly refusals: Refusal[];
  readonly missing: Set<EntryId>;
  /** Why entries were refused: what stands on them and comes later in the same batch need not wait for them. */
  readonly refused: Map<EntryId, Failure>;
}

export class Replica {
  readonly database: DatabaseId;
  readonly graph: Graph = new Graph();
  readonly authority: Authority = new Authority(this.graph);
  readonly pending: Pending = new Pending();
  readonly #sha256: Sha256;
  readonly #surroundings: Surroundings;
  /** Of entries that are tried before they are taken: payloads are decoded once. */
  readonly #parts = new WeakMap<Entry, Result<readonly DecodedPart[]>>();
  /** Of the batch that was tried last, until it is taken. */
  #tried: ReadonlyMap<EntryId, Verdict> = noVerdicts;
  #state: DatabaseState = new DatabaseState();
  #stored = 0;
  #digest: { readonly through: number; readonly digest: string } | undefined;

  constructor(database: DatabaseId, sha256: Sha256) {
    this.database = database;
    this.#sha256 = sha256;
    this.#surroundings = {
      database,
      authority: this.authority,
      find: (id) => this.graph.get(id),
      root: () => this.graph.root,
      partsOf: (entry) => this.#partsOf(entry),
    };
  }

  get state(): DatabaseState {
    return this.#state;
  }

  /** How many entries are durable, and so visible to peers. */
  get stored(): number {
    return this.#stored;
  }

  /** The frontier of the durable entries: what peers are told. */
  frontier(): Frontier {
    return this.graph.frontier(this.#stored);
  }

  /** SHA-256 of `frontier()`, as hex. */
  digest(): string {
    if (this.#digest?.through !== this.#stored) {
      this.#digest = { through: this.#stored, digest: digestFrontier(this.frontier(), this.#sha256) };
    }
    return this.#digest.digest;
  }

  /**
   * Takes up entries and a folded state that storage kept; `decodeSettings` gives the settings of the few entries that have
   * them. Fails with STORAGE_CORRUPT when they are not in an order in which they can have been accepted.
   */
  restore(
    entries: readonly EntryIndex[],
    state: DatabaseState,
    decodeSettings: (id: EntryId) => Result<readonly SettingsOp[]>,
  ): Result<void> {
    assert(this.graph.size === 0, "a replica is restored when it is new");
    for (const entry of entries) {
      if (this.graph.has(entry.id) || !followsHeld(entry, this.graph))
        return failure("STORAGE_CORRUPT", { where: `entry ${entry.id} out of order` });
      const node = this.graph.add(entry);
      if (!entry.settings) continue;
      const ops = decodeSettings(node.id);
      if (!ops.ok) return ops;
      this.authority.record(node.id, ops.value);
    }
    this.#state = state;
    this.#stored = entries.length;
    return success(undefined);
  }

  /** The next entry of `author`: it follows all tips, and its author's newest entry. */
  draft(author: PublicKey, stores: readonly StorePart[], nowMs: number): EntryBody {
    const prev = newest(this.graph.heads(author));
    const tips = this.graph.tips().slice(0, parentsMax);
    const followed = prev === undefined ? tips : [prev, ...tips];
    const isPlain = tips.length === 1 && tips[0] === prev;
    return {
      database: followed.length === 0 ? undefined : this.database,
      author,
      seq: prev === undefined ? 0 : prev.seq + 1,
      prev: prev?.id,
      parents: isPlain ? [] : tips.map((tip) => tip.id),
      height: followed.length === 0 ? 0 : 1 + greatest(followed, (node) => node.height),
      time: nextTime(
        nowMs,
        greatest(followed, (node) => node.time),
      ),
      stores,
    };
  }

  step(event: ReplicaEvent): readonly ReplicaEffect[] {
    switch (event.type) {
      case "received":
        return this.#take(event.entries, event.nowMs);
      case "ticked":
        return this.#takeEarly(event.nowMs);
      case "stored":
        return this.#announce(event.through);
    }
  }

  /** Whether these entries, of which some were not checked themselves, may be taken as they are: [REPLICA-8]. */
  isProved(entries: readonly VouchedEntry[], isChecked: (id: EntryId) => boolean, nowMs: number): boolean {
    const { isProved, verdicts } = tryEntries(entries, isChecked, this.#surroundings, this.pending, nowMs);
    this.#tried = verdicts;
    return isProved;
  }

  #take(entries: readonly VouchedEntry[], nowMs: number): readonly ReplicaEffect[] {
    const outcome: Outcome = {
      accepted: [],
      nodes: [],
      changes: [],
      refusals: [],
      missing: new Set(),
      refused: new Map(),
    };
    for (const entry of entries) this.#takeOne(entry, nowMs, outcome);
    this.#tried = noVerdicts;
    for (const id of outcome.missing) if (this.graph.has(id) || this.pending.has(id)) outcome.missing.delete(id);
    return effectsOf(outcome, this.#wakeMs(nowMs));
  }

  #takeEarly(nowMs: number): readonly ReplicaEffect[] {
    return this.#take(this.pending.takeEarly((nowMs + clockAheadMsMax + 1) * ticksPerMs - 1), nowMs);
  }

  /** Until the earliest entry that is held back may be judged again. */
  #wakeMs(nowMs: number): number | undefined {
    const { earliest } = this.pending;
    if (earliest === undefined) return undefined;
    return Math.min(wakeMsMax, Math.max(1, aheadMs(earliest, nowMs) - clockAheadMsMax));
  }

  /** Judges an entry and then, without recursion, whatever its acceptance released. */
  #takeOne(first: VouchedEntry, nowMs: number, outcome: Outcome): void {
    const queue = [first];
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      if (this.graph.has(entry.id) || this.pending.has(entry.id)) continue;
      this.#follow(this.#judge(entry, nowMs), entry, outcome);
      if (this.graph.has(entry.id)) queue.push(...this.pending.takeReady(entry.id));
    }
  }

  /** What was tried is not judged again, as long as it stands where it stood: [REPLICA-1]. */
  #judge(entry: VouchedEntry, nowMs: number): Verdict {
    const tried = this.#tried.get(entry.id);
    if (tried?.type === "accept" && follows(entry).every((id) => this.graph.has(id))) return tried;
    return judge(entry, this.#surroundings, nowMs);
  }

  #follow(verdict: Verdict, entry: VouchedEntry, outcome: Outcome): void {
    switch (verdict.type) {
      case "accept":
        return this.#accept(entry, verdict.parts, outcome);
      case "refuse":
        return this.#refuse(entry, verdict.failure, outcome);
      case "wait":
        return this.#wait(entry, verdict.missing, outcome);
      case "hold": {
        if (!this.pending.holdBack(entry)) return this.#refuse(entry, pendingFull, outcome);
        const details = { aheadMs: verdict.aheadMs, maxMs: clockAheadMsMax };
        outcome.refusals.push(refusal(entry, { code: "ENTRY_TIME_AHEAD", details }));
        return;
      }
      default:
        unreachable(verdict);
    }
  }

  #wait(entry: VouchedEntry, missing: readonly EntryId[], outcome: Outcome): void {
    const lost = missing.find((id) => outcome.refused.has(id));
    const why = lost === undefined ? undefined : outcome.refused.get(lost);
    if (why !== undefined) return this.#refuse(entry, why, outcome);
    if (!this.pending.wait(entry, missing, this.authority.mayWrite(entry.author)))
      return this.#refuse(entry, pendingFull, outcome);
    for (const id of missing) outcome.missing.add(id);
  }

  #accept(entry: VouchedEntry, parts: readonly DecodedPart[], outcome: Outcome): void {
    const { id, author, time } = entry;
    const branches = this.graph.countHeads(author);
    const node = this.graph.add(indexOf(entry, parts));
    const ops = settingsIn(parts);
    if (ops.length > 0) this.authority.record(id, ops);
    this.#parts.delete(entry);
    for (const change of this.#state.merge(parts, { time, id })) outcome.changes.push(change);
    outcome.accepted.push(entry);
    outcome.nodes.push(node);
    if (this.graph.countHeads(author) > Math.max(branches, forksMax))
      outcome.refusals.push(refusal(entry, { code: "ENTRY_FORKS", details: { author, max: forksMax } }));
  }

  /** What stands on an entry that is not here now cannot stay: it comes again with it, or never. */
  #refuse(entry: Entry, why: Failure, outcome: Outcome): void {
    for (const each of [entry, ...this.pending.takeDependents(entry.id)]) {
      this.#parts.delete(each);
      outcome.refusals.push(refusal(each, why));
      outcome.refused.set(each.id, why);
    }
  }

  #partsOf(entry: Entry): Result<readonly DecodedPart[]> {
    const known = this.#parts.get(entry);
    if (known !== undefined) return known;
    const parts = decodeParts(entry);
    this.#parts.set(entry, parts);
    return parts;
  }

  #announce(through: number): readonly ReplicaEffect[] {
    assert(through >= this.#stored && through <= this.graph.size, "positions become durable in order");
    const nodes: Node[] = [];
    for (let position = this.#stored; position < through; position++) nodes.push(this.graph.at(position));
    this.#stored = through;
    if (nodes.length === 0) return [];
    return [{ type: "announce", nodes, permissionsChanged: nodes.some((node) => node.settings[0] === node) }];
  }
}

const noVerdicts: ReadonlyMap<EntryId, Verdict> = new Map();

const pendingFull: Failure<"ENTRY_PENDING_FULL"> = { code: "ENTRY_PENDING_FULL", details: { max: pendingEntriesMax } };

function effectsOf(outcome: Outcome, wakeMs: number | undefined): readonly ReplicaEffect[] {
  const { accepted, nodes, changes, refusals, missing } = outcome;
  const effects: ReplicaEffect[] = [];
  if (accepted.length > 0) effects.push({ type: "store", entries: accepted, nodes });
  if (changes.length > 0) effects.push({ type: "show", changes });
  if (refusals.length > 0) effects.push({ type: "refuse", refusals });
  if (missing.size > 0) effects.push({ type: "fetch", ids: [...missing].slice(0, wantsMax) });
  if (wakeMs !== undefined) effects.push({ type: "wake", afterMs: wakeMs });
  return effects;
}

function followsHeld({ prev, parents }: EntryIndex, graph: Graph): boolean {
  return (prev === undefined || graph.has(prev)) && parents.every((id) => graph.has(id));
}

function refusal(entry: Entry, failure: Failure): Refusal {
  return { id: entry.id, author: entry.author, failure };
}

function newest(heads: readonly Node[]): Node | undefined {
  return heads.reduce<Node | undefined>(
    (best, head) => (best === undefined || head.seq > best.seq ? head : best),
    undefined,
  );
}
