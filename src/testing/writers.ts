/**
 * Databases without devices: each key writes on a replica of its own, all signatures are 64 equal bytes.
 *
 * Drafts are real, so what a writer accepts every replica has to accept.
 */
import { vouchOwn } from "../core/chain.ts";
import { type EntryBody, encodeEntry, type StorePart, type VouchedEntry } from "../core/entry.ts";
import { type Failure, unwrap } from "../core/errors.ts";
import { type DatabaseId, type PublicKey, publicKeyFromBytes, type Sha256 } from "../core/ids.ts";
import { decodeParts } from "../core/judgement.ts";
import { Replica, type ReplicaEffect, type ReplicaEvent } from "../core/replica.ts";
import type { Power } from "../core/store/power.ts";
import { encodeSettings, type SettingsOp } from "../core/store/settings.ts";
import { DatabaseState } from "../core/store/state.ts";
import { TableChanges } from "../core/store/table-changes.ts";

export const startMs = 1_700_000_000_000;

/** Any number gives a key of its own. */
export function keyOf(number: number): PublicKey {
  const bytes = new Uint8Array(32).fill(1 + (number & 0xff));
  bytes[31] = number >> 8;
  return publicKeyFromBytes(bytes);
}

export function rowParts(row: string, columns: object = { n: 1 }, table = "rows"): readonly StorePart[] {
  const changes = new TableChanges(table);
  changes.put(row, columns);
  return [{ name: table, type: "table", payload: changes.encode() }];
}

export function settingsParts(...ops: readonly SettingsOp[]): readonly StorePart[] {
  return [{ name: "_settings", type: "settings", payload: encodeSettings(ops) }];
}

export function setPower(key: PublicKey, power: Power): SettingsOp {
  return { type: "set", key, power };
}

/** An entry with exactly this body, whether or not anybody would accept it. */
export function seal(body: EntryBody, sha256: Sha256, signature = 0): VouchedEntry {
  return vouchOwn(encodeEntry(body, new Uint8Array(64).fill(signature), sha256));
}

/** The root of a database whose owner is `author`. */
export function sealRoot(
  author: PublicKey,
  sha256: Sha256,
  stores: readonly StorePart[],
  nowMs: number = startMs,
): VouchedEntry {
  const draft = new Replica("" as DatabaseId, sha256).draft(author, stores, nowMs);
  return seal(draft, sha256);
}

export class Writer {
  readonly key: PublicKey;
  readonly replica: Replica;
  /** Accepted here, in that order. */
  readonly entries: VouchedEntry[] = [];
  readonly #sha256: Sha256;

  constructor(key: PublicKey, database: DatabaseId, sha256: Sha256) {
    this.key = key;
    this.replica = new Replica(database, sha256);
    this.#sha256 = sha256;
  }

  receive(entries: readonly VouchedEntry[], nowMs: number = startMs): readonly ReplicaEffect[] {
    return this.step({ type: "received", entries, nowMs });
  }

  /** What is accepted is kept, and after a recount the state is made anew. */
  step(event: ReplicaEvent): readonly ReplicaEffect[] {
    const effects = this.replica.step(event);
    for (const effect of effects) if (effect.type === "store") this.entries.push(...(effect.entries as VouchedEntry[]));
    if (effects.some(({ type }) => type === "recounted")) this.replica.adoptState(this.#fold());
    return effects;
  }

  #fold(): DatabaseState {
    const { graph } = this.replica;
    const state = new DatabaseState(this.replica.context);
    for (const [position, entry] of this.entries.entries())
      if (graph.counts(graph.at(position))) state.merge(unwrap(decodeParts(entry)), entry);
    return state;
  }

  /** The body of this key's next entry here. */
  draft(stores: readonly StorePart[] = rowParts("r"), nowMs: number = startMs): EntryBody {
    return this.replica.draft(this.key, stores, nowMs);
  }

  /** Accepts an own entry, or says what it is refused for. */
  write(stores: readonly StorePart[] = rowParts("r"), nowMs: number = startMs, signature = 0): VouchedEntry | Failure {
    const entry = seal(this.draft(stores, nowMs), this.#sha256, signature);
    const refusal = refusalsIn(this.receive([entry], nowMs))[0];
    return refusal ?? entry;
  }

  /** Makes everything durable. */
  store(): readonly ReplicaEffect[] {
    return this.step({ type: "stored", through: this.replica.graph.size });
  }

  /** The hash of frontier and state: equal for writers that hold the same. */
  get fingerprint(): string {
    this.store();
    const tips = this.replica.graph.tips().map((tip) => tip.id);
    return [this.replica.digest(), ...tips, ...this.#sha256(this.replica.encodeState())].join();
  }
}

export function refusalsIn(effects: readonly ReplicaEffect[]): readonly Failure[] {
  return effects.flatMap((effect) => (effect.type === "refuse" ? effect.refusals.map(({ failure }) => failure) : []));
}
