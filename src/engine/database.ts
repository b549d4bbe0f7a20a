/**
 * One open database: runs its replica on storage, keys and clock.
 *
 * [ENGINE-6] Commits of this device are signed one after the other, each following the one before; entries of peers come in between.
 * [ENGINE-7] After storage failed nothing more is accepted or shown here, and every call rejects: the owner loads the database anew.
 */
import { vouchOwn } from "../core/chain.ts";
import { type Entry, encodeUnsigned, type StorePart, sealEntry, type VouchedEntry } from "../core/entry.ts";
import { TidemarkError, toError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import type { Refusal, Replica, ReplicaEffect, ReplicaEvent } from "../core/replica.ts";
import { type Permission, type Power, permissionName, WRITE } from "../core/store/power.ts";
import type { StoreChange } from "../core/store/state.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { Healing, type HealingEvent } from "./healing.ts";
import { Journal } from "./journal.ts";
import type { EnginePorts } from "./ports.ts";
import { readEntries } from "./reading.ts";
import { RecentEntries } from "./recent.ts";
import { Repair } from "./repair.ts";
import { checkByChains, checkEach } from "./signatures.ts";

export interface DatabaseListener {
  /** Visible to the app now, perhaps not durable yet. */
  changed(changes: readonly StoreChange[]): void;
  /** Durable now: to be pushed. */
  announced(nodes: readonly Node[], permissionsChanged: boolean): void;
  refused(refusals: readonly Refusal[]): void;
  /** Still missing: to be asked for from every peer. */
  missed(ids: readonly EntryId[]): void;
  /** What became of entries that could not be read from storage. */
  healing(event: HealingEvent): void;
  /** Storage failed; this object does no more. */
  failed(error: unknown): void;
}

/** What became of a peer's batch. */
export interface Judged {
  /** Resolves when what was accepted is durable. */
  readonly durable: Promise<void>;
  readonly missing: readonly EntryId[];
}

export class OpenDatabase {
  readonly replica: Replica;
  record: DatabaseRecord;
  readonly healing: Healing;
  readonly #ports: EnginePorts;
  readonly #listener: DatabaseListener;
  readonly #journal: Journal;
  readonly #recent = new RecentEntries();
  readonly #repair: Repair;
  #commits: Promise<unknown> = Promise.resolve();
  #cancelWake: () => void = () => {};
  /** A peer has announced more entries than have come. */
  #isFilling = false;
  #failure: { readonly error: unknown } | undefined;

  /** Without `checkpoints` none is taken: the state is not whole. */
  constructor(
    ports: EnginePorts,
    record: DatabaseRecord,
    replica: Replica,
    checkpoints: Checkpoints | undefined,
    listener: DatabaseListener,
  ) {
    this.#ports = ports;
    this.record = record;
    this.replica = replica;
    this.#listener = listener;
    this.#repair = new Repair({
      clock: ports.clock,
      missing: (from, max) => replica.pending.missing(from, max),
      want: (ids) => listener.missed(ids),
    });
    this.healing = new Healing({
      ...ports,
      database: record.id,
      at: (position) => replica.graph.at(position),
      stored: () => replica.stored,
      want: (ids) => listener.missed(ids),
      reported: (event) => listener.healing(event),
    });
    this.#journal = new Journal({
      database: record.id,
      storage: ports.storage,
      position: replica.stored,
      stored: (through) => this.#run({ type: "stored", through }),
      checkpoint: (through) => checkpoints?.take(replica.state, through, this.#isFilling),
      failed: (error) => {
        this.#failure = { error };
        this.#stopTimers();
        void this.healing.stop();
        listener.failed(error);
      },
    });
  }

  get id(): DatabaseId {
    return this.record.id;
  }

  /** Of this device's key. */
  get permission(): Permission {
    return permissionName(this.#power);
  }

  /** Whether the database has arrived: its root is here. */
  get hasRoot(): boolean {
    return this.replica.graph.size > 0;
  }

  /**
   * Signs and accepts one transaction. Resolves when it is durable. Rejects with DATABASE_NOT_READY, PERMISSION_DENIED,
   * ENTRY_TOO_LARGE, a code of the builder, or a STORAGE_ code; then nothing was written.
   */
  async commit(build: () => readonly StorePart[]): Promise<void> {
    const accepted = this.#commits.then(() => this.#commitNext(build));
    this.#commits = accepted.catch(() => {});
    await this.#journal.durable(await accepted);
  }

  async #commitNext(build: () => readonly StorePart[]): Promise<number> {
    const { identity, clock, sha256 } = this.#ports;
    this.#assertWorks();
    this.#assertMayWrite();
    this.#isFilling = false;
    const body = this.replica.draft(identity.publicKey, build(), clock.now());
    const message = encodeUnsigned(body);
    const entry = sealEntry(body, message, await identity.sign(message), sha256);
    this.#accept(vouchOwn(entry));
    return this.replica.graph.size;
  }

  #assertWorks(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #assertMayWrite(): void {
    if (!this.hasRoot) throw new TidemarkError("DATABASE_NOT_READY", { database: this.id });
    if (this.#power > WRITE) throw new TidemarkError("PERMISSION_DENIED", { need: "write", got: this.permission });
  }

  get #power(): Power {
    return this.replica.authority.power(this.#ports.identity.publicKey);
  }

  /** Accepts an entry of this device; throws what it is refused for. */
  #accept(entry: VouchedEntry): void {
    this.#assertWorks();
    const effects = this.#run({ type: "received", entries: [entry], nowMs: this.#ports.clock.now() });
    const refusals = effects.flatMap((effect) => (effect.type === "refuse" ? effect.refusals : []));
    const refusal = refusals.find(({ id }) => id === entry.id);
    if (refusal !== undefined) throw toError(refusal.failure);
  }

  /**
   * Checks and judges entries of a peer, which says that `left` more follow. Never rejects for what they contain, only when storage
   * has failed.
   */
  async receive(entries: readonly Entry[], left = 0): Promise<Judged> {
    this.#isFilling = left > 0;
    if (this.healing.damaged > 0) await this.healing.take(entries);
    const unknown = entries.filter((entry) => !this.replica.graph.has(entry.id));
    const { pending } = this.replica;
    const checked = await checkByChains(this.#ports.verifier, unknown, (id, author) => pending.vouchesFor(id, author));
    this.#assertWorks();
    const nowMs = this.#ports.clock.now();
    // If it is proved, nothing is awaited before `#run`: it has to be so still when it is used.
    const isProved = this.replica.isProved(checked.vouched, (id) => checked.ids.has(id), nowMs);
    const { vouched, refused } = isProved ? checked : await checkEach(this.#ports.verifier, checked);
    this.#assertWorks();
    if (refused.length > 0) {
      this.#listener.refused(refused.map(({ entry, failure }) => ({ id: entry.id, author: entry.author, failure })));
    }
    const effects = this.#run({ type: "received", entries: vouched, nowMs });
    const missing = effects.flatMap((effect) => (effect.type === "fetch" ? effect.ids : []));
    return { durable: this.#journal.durable(this.replica.graph.size), missing };
  }

  /** The entries at these nodes, in their order, from memory or storage. */
  async read(nodes: readonly Node[]): Promise<readonly Entry[]> {
    const read = () => readEntries(this.#ports, this.id, nodes, (position) => this.#recent.get(position));
    return read().catch((error: unknown) => this.healing.check(nodes, error).then(read));
  }

  /** The entries at positions `from` ≤ position < `to`. */
  readRange(from: number, to: number): Promise<readonly Entry[]> {
    const nodes = Array.from({ length: to - from }, (_, i) => this.replica.graph.at(from + i));
    return this.read(nodes);
  }

  /** Resolves when every commit so far and everything accepted so far is durable; rejects with a STORAGE_ code. */
  async durable(): Promise<void> {
    await this.#commits;
    await this.#journal.durable(this.replica.graph.size);
  }

  /** Resolves when nothing is on its way to storage. */
  async settled(): Promise<void> {
    this.#stopTimers();
    await this.healing.stop();
    await this.#commits;
    await this.#journal.settled();
  }

  #stopTimers(): void {
    this.#cancelWake();
    this.#repair.stop();
  }

  #run(event: ReplicaEvent): readonly ReplicaEffect[] {
    if (this.#failure !== undefined) return [];
    const effects = this.replica.step(event);
    for (const effect of effects) this.#perform(effect);
    if (event.type !== "stored") this.#repair.check();
    return effects;
  }

  #perform(effect: ReplicaEffect): void {
    switch (effect.type) {
      case "store":
        for (const [i, node] of effect.nodes.entries()) this.#recent.add(node.position, effect.entries[i] as Entry);
        return this.#journal.append(effect.entries, effect.nodes);
      case "show":
        return this.#listener.changed(effect.changes);
      case "announce":
        return this.#listener.announced(effect.nodes, effect.permissionsChanged);
      case "refuse":
        return this.#listener.refused(effect.refusals);
      case "wake":
        return this.#wake(effect.afterMs);
      case "fetch":
        return this.#repair.found(); // The answer to the peer's batch asks for them first.
    }
  }

  #wake(afterMs: number): void {
    this.#cancelWake();
    this.#cancelWake = this.#ports.clock.after(afterMs, () =>
      this.#run({ type: "ticked", nowMs: this.#ports.clock.now() }),
    );
  }
}
