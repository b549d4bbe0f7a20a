/**
 * One open database: runs its replica on storage, keys and clock, and does what the replica says.
 *
 * [ENGINE-7] After storage failed nothing more is accepted or shown here, and every call rejects: the owner loads the database anew.
 */
import type { Entry, StorePart } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { Replica, ReplicaEffect, ReplicaEvent } from "../core/replica.ts";
import type { BuiltPart } from "../core/store/kinds.ts";
import { type Permission, type Power, permissionName, READ, WRITE } from "../core/store/power.ts";
import { type SettingsOp, settingsPart } from "../core/store/settings.ts";
import type { Identity } from "../ports/keys.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { Committing } from "./committing.ts";
import type { DatabaseListener } from "./database-listener.ts";
import { DatabaseLog } from "./database-log.ts";
import { Encryption } from "./encryption.ts";
import { EpochUpkeep } from "./epoch-upkeep.ts";
import { FoldedState } from "./folded-state.ts";
import { Healing } from "./healing.ts";
import { Journal } from "./journal.ts";
import { identityOf, missingKeyOf } from "./keys.ts";
import type { EnginePorts } from "./ports.ts";
import { type Judged, Receiving } from "./receiving.ts";
import { Repair } from "./repair.ts";
import type { WriteMark } from "./writes.ts";

export class OpenDatabase {
  readonly replica: Replica;
  record: DatabaseRecord;
  readonly healing: Healing;
  readonly encryption: Encryption;
  readonly log: DatabaseLog;
  readonly #ports: EnginePorts;
  readonly #listener: DatabaseListener;
  readonly #journal: Journal;
  readonly #repair: Repair;
  readonly #state: FoldedState;
  readonly #upkeep: EpochUpkeep;
  readonly #committing: Committing;
  readonly #receiving: Receiving;
  #cancelWake: () => void = () => {};
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
    this.#journal = new Journal({
      database: record.id,
      storage: encryption.guard(ports.storage),
      position: replica.stored,
      stored: (through) => this.#run({ type: "stored", through }),
      checkpoint: (through) => this.#state.checkpoint(through),
      failed: (error) => this.#fail(error),
    });
    const shared = { ports, database: record.id, replica, encryption, journal: this.#journal, listener };
    const judging = {
      ...{ ...shared, healing: this.healing },
      assertWorks: () => this.#assertWorks(),
      run: (event: ReplicaEvent) => this.#run(event),
    };
    this.#committing = new Committing({
      ...judging,
      identity: () => this.identity,
      begun: () => this.#state.fill(false),
    });
    this.#receiving = new Receiving(judging);
    this.log = new DatabaseLog({ ...shared, graph: replica.graph, healing: this.healing });
    this.#state = new FoldedState({ ...shared, log: this.log, checkpoints, failed: (error) => this.#fail(error) });
    this.#upkeep = new EpochUpkeep({
      ...{ ports, replica, encryption, failed: (error) => listener.notTended(error) },
      self: () => this.identity.publicKey,
      commit: (ops) => this.commit(() => [settingsPart(ops)]),
    });
    this.#upkeep.wake();
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
  commit(build: () => readonly BuiltPart[], marks: readonly WriteMark[] = []): Promise<void> {
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
    await this.#state.open();
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
    this.#state.fill(left > 0);
    return await this.#receiving.take(entries);
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
    await this.#state.stop();
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
    void this.#state.stop();
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.end(error);
    this.#listener.failed(error);
  }

  #perform(effect: ReplicaEffect): void {
    switch (effect.type) {
      case "recounted":
        return this.#state.recount(effect);
      case "store":
        for (const [i, node] of effect.nodes.entries()) this.log.note(node, effect.entries[i] as Entry);
        return this.#journal.append(effect.entries, effect.nodes);
      case "show":
        return this.#listener.changed(effect.changes);
      case "sealed":
        for (const { node, keyId } of effect.nodes) this.encryption.unopened.note(keyId, node.position);
        return;
      case "announce":
        if (effect.permissionsChanged) this.#upkeep.wake();
        void this.#state.open();
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
