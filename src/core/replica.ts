/**
 * One database on one device: the one place that decides what enters it and what follows from that.
 *
 * [REPLICA-1] What an entry is refused for depends on the entry, its past and this device's clock, never on the order of arrival.
 * [REPLICA-2] An entry that misses something it follows, or whose time has not come, waits; everything else is accepted or refused at once.
 * [REPLICA-3] An accepted entry is visible to the app at once and to peers only after a `stored` event covers it.
 * [REPLICA-4] An entry that is here already changes nothing.
 * [REPLICA-5] Replicas that accepted the same entries have byte-equal state.
 *
 * Signatures are checked before (`chain.ts`): only a `VouchedEntry` gets in. Storing and sending are effects for the engine.
 */
import { Authority } from "./authority.ts";
import { aheadMs, nextTime } from "./clock.ts";
import { type Entry, type EntryBody, follows, type StorePart, type VouchedEntry } from "./entry.ts";
import { assert, type Failure, type Result, success } from "./errors.ts";
import { digestFrontier, type Frontier } from "./frontier.ts";
import { type EntryIndex, Graph, type Node } from "./graph.ts";
import type { DatabaseId, EntryId, PublicKey, Sha256 } from "./ids.ts";
import { clockAheadMsMax, forksMax, parentsMax, pendingEntriesMax, wantsMax } from "./limits.ts";
import { missingFor, Pending } from "./pending.ts";
import { type DecodedPart, decodePart } from "./store/kinds.ts";
import { type SettingsOp, settingsStoreName } from "./store/settings.ts";
import { DatabaseState, type StoreChange } from "./store/state.ts";

export type ReplicaEvent =
  | { readonly type: "received"; readonly entries: readonly VouchedEntry[]; readonly nowMs: number }
  | { readonly type: "ticked"; readonly nowMs: number }
  /** Everything at positions below `through` is durable. */
  | { readonly type: "stored"; readonly through: number };

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
  wakeMs: number;
}

type Verdict =
  | { readonly type: "accept"; readonly parts: readonly DecodedPart[] }
  | { readonly type: "wait"; readonly missing: readonly EntryId[] }
  | { readonly type: "hold"; readonly aheadMs: number }
  | { readonly type: "refuse"; readonly failure: Failure };

export class Replica {
  readonly database: DatabaseId;
  readonly graph: Graph = new Graph();
  readonly authority: Authority = new Authority(this.graph);
  readonly pending: Pending = new Pending();
  readonly #sha256: Sha256;
  #state: DatabaseState = new DatabaseState();
  #stored = 0;
  #digest: { readonly through: number; readonly digest: string } | undefined;

  constructor(database: DatabaseId, sha256: Sha256) {
    this.database = database;
    this.#sha256 = sha256;
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

  /** Takes up entries and a folded state that storage kept; `decodeSettings` gives the settings of the few entries that have them. */
  restore(
    entries: readonly EntryIndex[],
    state: DatabaseState,
    decodeSettings: (id: EntryId) => Result<readonly SettingsOp[]>,
  ): Result<void> {
    assert(this.graph.size === 0, "a replica is restored when it is new");
    for (const entry of entries) {
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
        return this.#take(this.pending.takeEarly(), event.nowMs);
      case "stored":
        return this.#announce(event.through);
    }
  }

  #take(entries: readonly VouchedEntry[], nowMs: number): readonly ReplicaEffect[] {
    const outcome: Outcome = {
      accepted: [],
      nodes: [],
      changes: [],
      refusals: [],
      missing: new Set(),
      wakeMs: Number.POSITIVE_INFINITY,
    };
    for (const entry of entries) this.#takeOne(entry, nowMs, outcome);
    for (const id of outcome.missing) if (this.graph.has(id) || this.pending.has(id)) outcome.missing.delete(id);
    return effectsOf(outcome);
  }

  /** Judges an entry and then, without recursion, whatever its acceptance released. */
  #takeOne(first: VouchedEntry, nowMs: number, outcome: Outcome): void {
    const queue = [first];
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      if (this.graph.has(entry.id) || this.pending.has(entry.id)) continue;
      const verdict = this.#judge(entry, nowMs);
      switch (verdict.type) {
        case "accept":
          this.#accept(entry, verdict.parts, outcome);
          queue.push(...this.pending.takeReady(entry.id));
          break;
        case "refuse":
          this.#refuse(entry, verdict.failure, outcome);
          break;
        case "wait":
          if (!this.#letWait(entry, outcome, () => this.pending.wait(entry, verdict.missing))) break;
          for (const id of verdict.missing) outcome.missing.add(id);
          break;
        case "hold":
          if (!this.#letWait(entry, outcome, () => this.pending.holdBack(entry))) break;
          outcome.wakeMs = Math.min(outcome.wakeMs, verdict.aheadMs - clockAheadMsMax);
          outcome.refusals.push(
            refusal(entry, { code: "ENTRY_TIME_AHEAD", details: { aheadMs: verdict.aheadMs, maxMs: clockAheadMsMax } }),
          );
          break;
      }
    }
  }

  #judge(entry: VouchedEntry, nowMs: number): Verdict {
    const got = entry.database ?? entry.id;
    if (got !== this.database) return refuse({ code: "ENTRY_DATABASE", details: { got, expected: this.database } });
    const missing = missingFor(entry, (id) => this.graph.has(id));
    if (missing.length > 0) return { type: "wait", missing };
    const followed = follows(entry).map((id) => this.#node(id));
    const misplaced = misplacedIn(entry, followed) ?? this.#chainFailure(entry);
    if (misplaced !== undefined) return refuse(misplaced);
    const ahead = aheadMs(entry.time, nowMs);
    if (ahead > clockAheadMsMax) return { type: "hold", aheadMs: ahead };
    const parts: DecodedPart[] = [];
    for (const part of entry.stores) {
      const decoded = decodePart(part);
      if (!decoded.ok) return refuse(decoded.failure);
      parts.push(decoded.value);
    }
    const denied = this.authority.judge(entry.author, settingsIn(parts), followed);
    return denied === undefined ? { type: "accept", parts } : refuse(denied);
  }

  #chainFailure(entry: Entry): Failure | undefined {
    const prev = entry.prev === undefined ? undefined : this.#node(entry.prev);
    if (prev !== undefined && (prev.author !== entry.author || prev.seq + 1 !== entry.seq)) {
      const got = `seq ${entry.seq} after seq ${prev.seq}${prev.author === entry.author ? "" : " of another author"}`;
      return { code: "ENTRY_CHAIN", details: { got, expected: `seq ${prev.seq + 1} of the same author` } };
    }
    const heads = this.graph.heads(entry.author);
    const isFork = heads.length > 0 && !heads.some((head) => head === prev);
    if (!isFork || heads.length < forksMax) return undefined;
    return { code: "ENTRY_FORKS", details: { author: entry.author, max: forksMax } };
  }

  #accept(entry: Entry, parts: readonly DecodedPart[], outcome: Outcome): void {
    const ops = settingsIn(parts);
    const { id, author, seq, prev, parents, height, time } = entry;
    const node = this.graph.add({
      id,
      author,
      seq,
      prev,
      parents,
      height,
      time,
      size: entry.bytes.length,
      settings: ops.length > 0,
    });
    if (ops.length > 0) this.authority.record(id, ops);
    outcome.changes.push(...this.#state.merge(parts, { time, id }));
    outcome.accepted.push(entry);
    outcome.nodes.push(node);
  }

  /** What stands on a refused entry can never be accepted: it leaves with it. */
  #refuse(entry: Entry, failure: Failure, outcome: Outcome): void {
    outcome.refusals.push(refusal(entry, failure));
    for (const dependent of this.pending.takeDependents(entry.id)) outcome.refusals.push(refusal(dependent, failure));
  }

  #letWait(entry: Entry, outcome: Outcome, wait: () => void): boolean {
    const hasRoom = this.pending.hasRoomFor(entry);
    if (hasRoom) wait();
    else outcome.refusals.push(refusal(entry, { code: "ENTRY_PENDING_FULL", details: { max: pendingEntriesMax } }));
    return hasRoom;
  }

  #announce(through: number): readonly ReplicaEffect[] {
    assert(through >= this.#stored && through <= this.graph.size, "positions become durable in order");
    const nodes: Node[] = [];
    for (let position = this.#stored; position < through; position++) nodes.push(this.graph.at(position));
    this.#stored = through;
    if (nodes.length === 0) return [];
    return [{ type: "announce", nodes, permissionsChanged: nodes.some((node) => node.settings[0] === node) }];
  }

  #node(id: EntryId): Node {
    const node = this.graph.get(id);
    assert(node, "an entry is judged when all it follows is held");
    return node;
  }
}

/** Heights and times against what the entry follows. */
function misplacedIn(entry: Entry, followed: readonly Node[]): Failure | undefined {
  if (followed.length === 0) return undefined;
  const height = 1 + greatest(followed, (node) => node.height);
  if (entry.height !== height) return { code: "ENTRY_HEIGHT", details: { got: entry.height, expected: height } };
  const time = greatest(followed, (node) => node.time);
  if (entry.time <= time) return { code: "ENTRY_TIME", details: { got: entry.time, expected: `more than ${time}` } };
  return undefined;
}

function settingsIn(parts: readonly DecodedPart[]): readonly SettingsOp[] {
  for (const part of parts) if (part.type === "settings" && part.name === settingsStoreName) return part.payload;
  return [];
}

function effectsOf({ accepted, nodes, changes, refusals, missing, wakeMs }: Outcome): readonly ReplicaEffect[] {
  const effects: ReplicaEffect[] = [];
  if (accepted.length > 0) effects.push({ type: "store", entries: accepted, nodes });
  if (changes.length > 0) effects.push({ type: "show", changes });
  if (refusals.length > 0) effects.push({ type: "refuse", refusals });
  if (missing.size > 0) effects.push({ type: "fetch", ids: [...missing].slice(0, wantsMax) });
  if (Number.isFinite(wakeMs)) effects.push({ type: "wake", afterMs: Math.max(1, wakeMs) });
  return effects;
}

function refuse(failure: Failure): Verdict {
  return { type: "refuse", failure };
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

function greatest(nodes: readonly Node[], of: (node: Node) => number): number {
  return nodes.reduce((most, node) => Math.max(most, of(node)), 0);
}
