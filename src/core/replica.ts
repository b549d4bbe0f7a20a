/**
 * One database on one device: the one place that decides what follows from what enters it. What does is in intake.ts.
 *
 * [REPLICA-1] Whether an entry is accepted or refused follows from the entry and its past alone (judgement.ts).
 * [REPLICA-3] An accepted entry that counts is visible to the app at once and to peers only after a `stored` event covers it.
 * [REPLICA-5] Replicas of which the same entries count have byte-equal state.
 * [REPLICA-11] A replica restored from storage is as it was, or restoring fails.
 * [REPLICA-12] A change of what counts is told before the entries that made it, and the state is right once it is folded anew.
 * [REPLICA-14] Agreement is told to peers only when every entry that decided what counts is durable.
 *
 * Signatures are checked before (`chain.ts`): only a `VouchedEntry` gets in. Storing and sending are effects for the engine.
 */
import { Authority } from "./authority/authority.ts";
import { CborWriter } from "./cbor-writer.ts";
import { aheadMs, ticksPerMs } from "./clock.ts";
import { draftOn } from "./draft.ts";
import type { EntryBody, StorePart, VouchedEntry } from "./entry.ts";
import { assert, type Result, success, unreachable } from "./errors.ts";
import { digestFrontier, type Frontier } from "./frontier.ts";
import { Graph, type Node } from "./graph.ts";
import type { DatabaseId, EntryId, PublicKey, Sha256 } from "./ids.ts";
import { Intake } from "./intake.ts";
import { clockAheadMsMax } from "./limits.ts";
import type { LogIndex } from "./log-index.ts";
import { isSettings } from "./node.ts";
import { type Content, contentOf, nothingOpened, type OpenedParts } from "./opened.ts";
import { type Folded, Outcome, type Refusal, type ReplicaEffect, refusal } from "./outcome.ts";
import type { Pending } from "./pending.ts";
import type { StateContext } from "./store/kind.ts";
import { type DecodedPayloads, noneDecoded } from "./store/kinds.ts";
import { type Power, READ, RELAY } from "./store/power.ts";
import { beginsEpoch, type SettingsOp } from "./store/settings.ts";
import { SettingsView } from "./store/settings-view.ts";
import { DatabaseState, type StoreChange } from "./store/state.ts";

/** A clock is not trusted to stay as it is for longer, and browsers take no timer above 24 days. */
const wakeMsMax = 3_600_000;

export type ReplicaEvent =
  /**
   * `opened`: what is in their sealed parts; whether they are accepted does not depend on it. `decoded`: what was found of payloads that this device
   * has made itself.
   */
  | {
      readonly type: "received";
      readonly entries: readonly VouchedEntry[];
      readonly nowMs: number;
      readonly opened?: OpenedParts;
      readonly decoded?: DecodedPayloads;
    }
  | { readonly type: "ticked"; readonly nowMs: number }
  /** Everything at positions below `through` is durable. */
  | { readonly type: "stored"; readonly through: number };

export type { Refusal, ReplicaEffect } from "./outcome.ts";

export class Replica {
  readonly database: DatabaseId;
  readonly graph: Graph = new Graph();
  readonly authority: Authority = new Authority(this.graph);
  readonly #intake: Intake;
  /** What a state of it is made with. */
  readonly context: StateContext;
  readonly #sha256: Sha256;
  #state: DatabaseState;
  #stored = 0;
  #digest: { readonly through: number; readonly digest: string } | undefined;
  /** Of the version of the settings that it was made for. */
  #settings: { readonly version: number; readonly view: SettingsView } | undefined;
  #isRecountTold = true;

  constructor(database: DatabaseId, sha256: Sha256) {
    this.database = database;
    this.#sha256 = sha256;
    this.context = { database, sha256 };
    this.#state = new DatabaseState(this.context);
    this.#intake = new Intake(database, this.graph, this.authority);
  }

  /** What waits for what it follows, or for its time. */
  get pending(): Pending {
    return this.#intake.pending;
  }

  get state(): DatabaseState {
    return this.#state;
  }

  /** Takes up a state that was folded anew: of exactly the entries that count, whatever was accepted meanwhile included. */
  adoptState(state: DatabaseState): void {
    this.#state = state;
  }

  /** Whether every entry that decided what counts is durable: what peers are told of it before a crash can take back. */
  get isRecountDurable(): boolean {
    return this.#stored >= this.#intake.decidedBelow;
  }

  /** What the settings entries that have an effect say. */
  get settings(): SettingsView {
    const { version } = this.authority;
    if (this.#settings?.version !== version) this.#settings = { version, view: this.#viewSettings() };
    return this.#settings.view;
  }

  /** What the root says of its database for ever: content is sealed. */
  get isEncrypted(): boolean {
    const { root } = this.graph;
    return root !== undefined && beginsEpoch(this.authority.opsOf(root.id));
  }

  /** The weakest power that may hold the entries: who cannot open them may have them too. */
  get holderPower(): Power {
    return this.isEncrypted ? RELAY : READ;
  }

  /** Whether a key may be told of the database and sent its entries. */
  mayHold(key: PublicKey): boolean {
    return this.authority.power(key) <= this.holderPower;
  }

  /** Canonical bytes of the settings and all stores: [REPLICA-5]. */
  encodeState(): Uint8Array {
    const writer = new CborWriter();
    writer.array(2);
    writer.raw(this.settings.encode());
    writer.raw(this.#state.encode());
    return writer.finish();
  }

  /** How many entries are durable, and so visible to peers. */
  get stored(): number {
    return this.#stored;
  }

  /** The frontier of the durable entries that count: what peers are told. */
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
   * Takes up entries and a folded state that storage kept; `decodeSettings` gives the settings of the few entries that have them, and its failure is
   * that of all.
   */
  restore(
    index: LogIndex,
    state: DatabaseState,
    decodeSettings: (id: EntryId) => Result<readonly SettingsOp[]>,
  ): Result<void> {
    assert(this.graph.size === 0, "a replica is restored when it is new");
    let undecoded: Result<never> | undefined;
    this.graph.restore(index, (node) => {
      if (undecoded !== undefined) return;
      const ops = decodeSettings(node.id);
      if (ops.ok) this.#recordRestored(node, ops.value);
      else undecoded = ops;
    });
    if (undecoded !== undefined) return undecoded;
    this.graph.regard(this.authority.weighAll());
    this.#state = state;
    this.#stored = index.length;
    return success(undefined);
  }

  #recordRestored(node: Node, ops: readonly SettingsOp[]): void {
    this.authority.record(node, ops);
    this.authority.noteInserted(node);
  }

  /**
   * Folds what could not be opened when it was accepted, as far as it counts. Answers what is seen differently now, and what is
   * no content.
   */
  foldOpened(opened: OpenedParts): {
    readonly changes: readonly StoreChange[];
    readonly refusals: readonly Refusal[];
  } {
    const folded: Folded = { changes: [], sealed: [], refusals: [] };
    for (const [id, result] of opened) {
      const node = this.graph.get(id);
      if (node === undefined || !this.graph.counts(node)) continue;
      if (result.ok) this.#fold(node, { type: "parts", parts: result.value }, folded);
      else this.#fold(node, { type: "broken", failure: result.failure }, folded);
    }
    return folded;
  }

  /** The next entry of `author`: it follows all tips, and its author's newest entry that counts. */
  draft(author: PublicKey, stores: readonly StorePart[], nowMs: number): EntryBody {
    return draftOn(this, author, stores, nowMs);
  }

  step(event: ReplicaEvent): readonly ReplicaEffect[] {
    switch (event.type) {
      case "received":
        return this.#take(event.entries, event.nowMs, event.opened, event.decoded);
      case "ticked":
        return this.#takeEarly(event.nowMs);
      case "stored":
        return this.#announce(event.through);
    }
  }

  /** Whether these entries, of which some were not checked themselves, may be taken as they are: [REPLICA-8]. */
  isProved(entries: readonly VouchedEntry[], isChecked: (id: EntryId) => boolean, nowMs: number): boolean {
    return this.#intake.isProved(entries, isChecked, nowMs);
  }

  #take(
    entries: readonly VouchedEntry[],
    nowMs: number,
    opened: OpenedParts = nothingOpened,
    decoded: DecodedPayloads = noneDecoded,
  ): readonly ReplicaEffect[] {
    const outcome = new Outcome(entries, this.graph.size);
    this.#intake.takeAll(entries, nowMs, outcome, decoded);
    if (outcome.isRecounted) this.#noteRecount();
    this.#foldTaken(outcome, opened);
    return outcome.effects(this.#wakeMs(nowMs));
  }

  /** Folds what counts in the end: what was taken and cut in one step never showed. */
  #foldTaken({ taken, folded }: Outcome, opened: OpenedParts): void {
    for (const { node, parts } of taken)
      if (this.graph.counts(node)) this.#fold(node, contentOf(node.id, parts, opened), folded);
  }

  #fold(node: Node, content: Content, { changes, sealed, refusals }: Folded): void {
    const { id, time, author } = node;
    switch (content.type) {
      case "parts":
        for (const change of this.#state.merge(content.parts, { time, id, author })) changes.push(change);
        return;
      case "broken":
        refusals.push(refusal(node, content.failure));
        return;
      case "sealed":
        sealed.push({ node, keyId: content.keyId });
        return;
      default:
        unreachable(content);
    }
  }

  #noteRecount(): void {
    this.#isRecountTold = false;
    this.#digest = undefined;
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

  #viewSettings(): SettingsView {
    const nodes = this.authority.effective();
    return new SettingsView(nodes.map(({ id, author, time }) => ({ id, author, time, ops: this.authority.opsOf(id) })));
  }

  #announce(through: number): readonly ReplicaEffect[] {
    assert(through >= this.#stored && through <= this.graph.size, "positions become durable in order");
    const nodes: Node[] = [];
    for (let position = this.#stored; position < through; position++) nodes.push(this.graph.at(position));
    this.#stored = through;
    if (nodes.length === 0) return [];
    const permissionsChanged = !this.#isRecountTold || nodes.some(isSettings);
    this.#isRecountTold = true;
    return [{ type: "announce", nodes, permissionsChanged }];
  }
}
