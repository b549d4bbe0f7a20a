/**
 * One open database: runs its replica on storage, keys and clock.
 *
 * [ENGINE-7] After storage failed nothing more is accepted or shown here, and every call rejects: the owner loads the database anew.
 */
import type { Entry, StorePart } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import type { Replica, ReplicaEffect, ReplicaEvent } from "../core/replica.ts";
import { type Permission, type Power, permissionName, READ, WRITE } from "../core/store/power.ts";
import { type SettingsOp, settingsPart } from "../core/store/settings.ts";
import type { Identity } from "../ports/keys.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { Committing } from "./committing.ts";
import type { DatabaseListener, Recount } from "./database-listener.ts";
import { Encryption } from "./encryption.ts";
import { EpochUpkeep } from "./epoch-upkeep.ts";
import { voidBetween } from "./folding.ts";
import { Healing } from "./healing.ts";
import type { WrittenEntry } from "./hook-reader.ts";
import { Journal } from "./journal.ts";
import { identityOf, missingKeyOf } from "./keys.ts";
import { LateFolding } from "./late-folding.ts";
import type { EnginePorts } from "./ports.ts";
import { decodeStored, readEntries } from "./reading.ts";
import { RecentEntries } from "./recent.ts";
import { type Refolded, Refolding } from "./refolding.ts";
import { Repair } from "./repair.ts";
import { checkByChains, checkEach } from "./signatures.ts";
import type { WriteMark } from "./writes.ts";
import { writtenIn } from "./written.ts";

/** What became of a peer's batch. */
export interface Judged {
  /** Resolves when what was accepted is durable. */
  readonly durable: Promise<void>;
  readonly missing: readonly EntryId[];
  /** Signatures that were checked, and how many of them were bad. */
  readonly checks: number;
  readonly badSignatures: number;
}

export class OpenDatabase {
  readonly replica: Replica;
  record: DatabaseRecord;
  readonly healing: Healing;
  readonly encryption: Encryption;
  readonly #ports: EnginePorts;
  readonly #listener: DatabaseListener;
  readonly #journal: Journal;
  readonly #recent = new RecentEntries();
  readonly #repair: Repair;
  readonly #refolding: Refolding;
  readonly #lateFolding: LateFolding;
  readonly #upkeep: EpochUpkeep;
  readonly #committing: Committing;
  /** Undefined while the state is not whole, or not that of what counts. */
  #checkpoints: Checkpoints | undefined;
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
    encryption: Encryption = new Encryption(ports, replica, record),
  ) {
    this.#ports = ports;
    this.record = record;
    this.replica = replica;
    this.#listener = listener;
    this.encryption = encryption;
    encryption.follow(() => this.record);
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
    this.#checkpoints = checkpoints;
    this.#journal = new Journal({
      database: record.id,
      storage: encryption.guard(ports.storage),
      position: replica.stored,
      stored: (through) => this.#run({ type: "stored", through }),
      checkpoint: (through) =>
        this.#checkpoints?.take(
          replica.state,
          through,
          this.#isFilling,
          (from, to) => voidBetween(replica.graph, from, to),
          () => encryption.unopened.ranges(),
        ),
      failed: (error) => this.#fail(error),
    });
    this.#committing = this.#createCommitting();
    this.#refolding = new Refolding({
      storage: ports.storage,
      sha256: ports.sha256,
      database: record.id,
      graph: replica.graph,
      encryption,
      stored: () => replica.stored,
      checkpointed: () => this.#journal.checkpointed(),
      recall: (position) => this.#recall(position),
      mayLack: checkpoints === undefined,
      done: (refolded) => this.#adopt(refolded, checkpoints !== undefined),
      failed: (error) => this.#fail(error),
    });
    const shared = { ports, replica, encryption, failed: (error: unknown) => listener.notTended(error) };
    this.#lateFolding = new LateFolding({
      ...shared,
      read: (from, to) => this.readCounting(from, to),
      changed: (changes) => listener.changed(changes),
      refused: (refusals) => listener.refused(refusals),
    });
    this.#upkeep = new EpochUpkeep({
      ...shared,
      self: () => this.identity.publicKey,
      commit: (ops) => this.commit(() => [settingsPart(ops)]),
    });
    this.#upkeep.wake();
  }

  #createCommitting(): Committing {
    return new Committing({
      ports: this.#ports,
      replica: this.replica,
      encryption: this.encryption,
      journal: this.#journal,
      listener: this.#listener,
      identity: () => this.identity,
      assertWorks: () => this.#assertWorks(),
      begun: () => {
        this.#isFilling = false;
      },
      run: (event) => this.#run(event),
    });
  }

  get id(): DatabaseId {
    return this.record.id;
  }

  /** What signs for this device here, and what it may do is asked of: the key that the record names, else the device's. */
  get identity(): Identity {
    return identityOf(this.#ports, this.record);
  }

  /** Of the key that is used here. */
  get permission(): Permission {
    return permissionName(this.power);
  }

  /** Of the key that is used here; without it, read at most. */
  get power(): Power {
    const power = this.replica.authority.power(this.identity.publicKey);
    return missingKeyOf(this.#ports, this.record) === undefined ? power : Math.max(power, READ);
  }

  /** Its owner removed it, for everybody and for ever: it can be read. */
  get isRemoved(): boolean {
    return this.replica.settings.removed !== undefined;
  }

  /** Whether the database has arrived: its root is here. */
  get hasRoot(): boolean {
    return this.replica.graph.size > 0;
  }

  /**
   * Signs and accepts one transaction. Resolves when it is durable. Rejects with DATABASE_NOT_READY, DATABASE_REMOVED, PERMISSION_DENIED,
   * ENTRY_TOO_LARGE, a code of the builder, or a STORAGE_ code; then nothing was written. `marks`: the writes that it decides.
   */
  commit(build: () => readonly StorePart[], marks: readonly WriteMark[] = []): Promise<void> {
    return this.#committing.commit(build, () => this.#assertMayWrite(), marks);
  }

  /**
   * The same for a change of settings, together with what it asks of the epochs of an encrypted database. `build` may be called twice.
   * `seeds`: the secrets of the invites that it makes. `marks`: the writes that it decides.
   */
  async commitSettings(
    build: () => readonly SettingsOp[],
    seeds: ReadonlyMap<PublicKey, Uint8Array> = new Map(),
    marks: readonly WriteMark[] = [],
  ): Promise<void> {
    if (!this.encryption.isOn) return this.commit(() => [settingsPart(build())], marks);
    const [first = [], ...others] = await this.#upkeep.plan({ ops: build(), seeds });
    // What the others give is given later, by any admin's device, should this one die in between.
    await this.commit(() => [settingsPart([...build(), ...first])], marks);
    for (const more of others) await this.commit(() => [settingsPart(more)]);
  }

  /** What this device writes is written after that: what it follows may not be here yet. */
  writeAfter(ready: Promise<void>): void {
    this.#committing.waitFor(ready);
  }

  /** Resolves when everything is folded that the keys at hand open. */
  async opened(): Promise<void> {
    await this.#lateFolding.wake();
  }

  /** The same for the redemption of an invite, which its own rule entitles to: rejects with ENTRY_INVITE. */
  redeem(part: StorePart): Promise<void> {
    return this.#committing.commit(
      () => [part],
      () => this.#assertMaySign(),
    );
  }

  #assertWorks(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #assertMaySign(): void {
    if (!this.hasRoot) throw new TidemarkError("DATABASE_NOT_READY", { database: this.id });
    const name = missingKeyOf(this.#ports, this.record);
    if (name !== undefined) throw new TidemarkError("KEY_UNKNOWN", { name });
  }

  #assertMayWrite(): void {
    this.#assertMaySign();
    if (this.isRemoved) throw new TidemarkError("DATABASE_REMOVED", { database: this.id });
    if (this.power > WRITE) throw new TidemarkError("PERMISSION_DENIED", { need: "write", got: this.permission });
  }

  /**
   * Checks and judges entries of a peer, which says that `left` more follow. Never rejects for what they contain, only when storage
   * has failed, or takes nothing.
   */
  async receive(entries: readonly Entry[], left = 0): Promise<Judged> {
    if (this.#listener.storageError !== undefined) throw this.#listener.storageError;
    this.#isFilling = left > 0;
    if (this.healing.damaged > 0) await this.healing.take(entries);
    const unknown = entries.filter((entry) => !this.replica.graph.has(entry.id));
    const { pending } = this.replica;
    const checked = await checkByChains(this.#ports.verifier, unknown, (id, author) => pending.vouchesFor(id, author));
    const opened = await this.encryption.open(checked.vouched);
    this.#assertWorks();
    const nowMs = this.#ports.clock.now();
    // If it is proved, nothing is awaited before `#run`: it has to be so still when it is used.
    const isProved = this.replica.isProved(checked.vouched, (id) => checked.ids.has(id), nowMs);
    const { vouched, refused } = isProved ? checked : await checkEach(this.#ports.verifier, checked);
    this.#assertWorks();
    if (refused.length > 0) {
      this.#listener.refused(refused.map(({ entry, failure }) => ({ id: entry.id, author: entry.author, failure })));
    }
    const effects = this.#run({ type: "received", entries: vouched, nowMs, opened });
    const missing = effects.flatMap((effect) => (effect.type === "fetch" ? effect.ids : []));
    const checks = checked.ids.size + (isProved ? 0 : checked.vouched.filter(({ id }) => !checked.ids.has(id)).length);
    return { durable: this.#journal.durable(this.replica.graph.size), missing, checks, badSignatures: refused.length };
  }

  /** The entries at these nodes, in their order, from memory or storage. */
  async read(nodes: readonly Node[]): Promise<readonly Entry[]> {
    const read = () => readEntries(this.#ports, this.id, nodes, (position) => this.#recent.get(position));
    return read().catch((error: unknown) => this.healing.check(nodes, error).then(read));
  }

  /** For each of the positions `from` ≤ position < `to` its entry, or undefined where it is void. */
  async readCounting(from: number, to: number): Promise<readonly (Entry | undefined)[]> {
    const { graph } = this.replica;
    const nodes = Array.from({ length: to - from }, (_, i) => graph.at(from + i));
    const entries = new Map<Node, Entry>();
    const counting = nodes.filter((node) => graph.counts(node));
    for (const [i, entry] of (await this.read(counting)).entries()) entries.set(counting[i] as Node, entry);
    return nodes.map((node) => (graph.counts(node) ? entries.get(node) : undefined));
  }

  /** For each of these positions what its entry wrote to, or undefined where it is void. */
  async readWritten(from: number, to: number): Promise<readonly (WrittenEntry | undefined)[]> {
    return writtenIn(await this.readCounting(from, to), this.encryption);
  }

  /** Resolves when every commit so far and everything accepted so far is durable; rejects with a STORAGE_ code. */
  async durable(): Promise<void> {
    await this.#committing.settled();
    await this.#journal.durable(this.replica.graph.size);
  }

  /** Resolves when nothing is on its way to storage. */
  async settled(): Promise<void> {
    this.#stopTimers();
    await this.healing.stop();
    await this.#refolding.stop();
    await this.#lateFolding.stop();
    await this.#committing.settled();
    await this.#journal.settled();
  }

  #stopTimers(): void {
    this.#cancelWake();
    this.#repair.stop();
    this.#upkeep.stop();
  }

  #run(event: ReplicaEvent): readonly ReplicaEffect[] {
    if (this.#failure !== undefined) return [];
    const effects = this.replica.step(event);
    for (const effect of effects) this.#perform(effect);
    if (event.type !== "stored") this.#repair.check();
    return effects;
  }

  /** It is no more: whatever would be done with it from now on rejects with `error`. */
  end(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#stopTimers();
    void this.healing.stop();
    void this.#refolding.stop();
    void this.#lateFolding.stop();
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.end(error);
    this.#listener.failed(error);
  }

  #recount(recount: Recount): void {
    const before = this.#listener.recounted(recount);
    if (before !== undefined) this.#journal.storeAfter(before);
    // What the state lacks or has too much must not become part of a checkpoint.
    this.#checkpoints = undefined;
    this.#refolding.begin();
  }

  /** The state that was made anew takes the place of the old one. */
  #adopt({ state, unopened, checkpoints, entries }: Refolded, isWhole: boolean): void {
    this.replica.adoptState(state);
    this.encryption.unopened = unopened;
    if (isWhole) this.#checkpoints = checkpoints;
    this.#journal.writeCheckpoint();
    this.#listener.refolded(entries);
    // A key may have come while entries were read that want it.
    void this.#lateFolding.wake();
  }

  /** An entry that is in memory: every one that is not durable is. */
  #recall(position: number): Entry | undefined {
    const recent = this.#recent.get(position);
    if (recent !== undefined) return recent;
    const pending = this.#journal.pending(position);
    return pending && decodeStored(this.#ports, pending.bytes, pending);
  }

  #perform(effect: ReplicaEffect): void {
    switch (effect.type) {
      case "recounted":
        return this.#recount(effect);
      case "store":
        for (const [i, node] of effect.nodes.entries()) this.#recent.add(node.position, effect.entries[i] as Entry);
        return this.#journal.append(effect.entries, effect.nodes);
      case "show":
        return this.#listener.changed(effect.changes);
      case "sealed":
        for (const { node, keyId } of effect.nodes) this.encryption.unopened.note(keyId, node.position);
        return;
      case "announce":
        if (effect.permissionsChanged) this.#upkeep.wake();
        void this.#lateFolding.wake();
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
