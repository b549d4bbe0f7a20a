/**
 * The settings of a database as the merged ops have them.
 *
 * [SETTINGS-4] The name, and the invite of each key, is what was written last. An invite of power 999 is withdrawn.
 * [SETTINGS-5] Every set is kept and listed by stamp: what a key may do depends on more than the last one (authority.ts).
 * [SETTINGS-7] A checkpoint is a list of [time, entry id, op]: invites by key, the name, then sets by key and entry id.
 *              Nonces are not kept.
 */

import { CborReader } from "../cbor-reader.ts";
import { CborWriter } from "../cbor-writer.ts";
import { hybridTimeMax } from "../clock.ts";
import { assert, attempt, type Result, success } from "../errors.ts";
import { decodeHex, entryIdFromDigest, type PublicKey } from "../ids.ts";
import { isLater, type Stamp, type StoreKind, type StoreState } from "./kind.ts";
import { isAfter, PartCounts, unsaved } from "./part-counts.ts";
import { payloadError } from "./payload.ts";
import { NONE, type Power } from "./power.ts";
import {
  decodeSettings,
  readSettingsOp,
  type SettingsOp,
  type SettingsPayload,
  settingsRegister,
  settingsType,
  writeSettingsOp,
} from "./settings.ts";

/** The ops that took effect on the state, in the order in which they were written. */
export type SettingsChange = readonly SettingsOp[];

export interface Invite {
  readonly key: PublicKey;
  readonly power: Power;
  readonly label: string | undefined;
  readonly stamp: Stamp;
}

export interface PowerSet {
  readonly key: PublicKey;
  readonly power: Power;
  readonly stamp: Stamp;
}

interface SettingsRecord {
  op: SettingsOp;
  stamp: Stamp;
  /** The checkpoint part that holds it as it is. */
  part: number;
}

interface SavedOp {
  readonly op: SettingsOp;
  readonly stamp: Stamp;
}

export class SettingsState implements StoreState<SettingsPayload, SettingsChange> {
  readonly #records = new Map<string, SettingsRecord>();
  readonly #parts = new PartCounts();

  /** True when nothing was merged yet. */
  get isEmpty(): boolean {
    return this.#records.size === 0;
  }

  get name(): string | undefined {
    const op = this.#records.get("name")?.op;
    return op?.type === "name" ? op.name : undefined;
  }

  /** Invites that are not withdrawn, in the order of their keys. */
  invites(): readonly Invite[] {
    const invites = this.#sorted().flatMap(([, { op, stamp }]) =>
      op.type === "invite" && op.power !== NONE ? [{ key: op.key, power: op.power, label: op.label, stamp }] : [],
    );
    return invites;
  }

  /** All sets of all keys, void ones left out, earliest first; of one entry by key. */
  sets(): readonly PowerSet[] {
    const sets = this.#sorted().flatMap(([, { op, stamp }]) =>
      op.type === "set" ? [{ key: op.key, power: op.power, stamp }] : [],
    );
    return sets.sort((a, b) => (a.stamp.id === b.stamp.id ? 0 : isLater(a.stamp, b.stamp) ? 1 : -1));
  }

  merge(ops: SettingsPayload, stamp: Stamp): SettingsChange | undefined {
    const changed = ops.filter((op) => this.#write({ op, stamp }, unsaved));
    return changed.length === 0 ? undefined : changed;
  }

  checkpoint(since: number, number: number): Uint8Array | undefined {
    assert(number > since, "checkpoints are numbered upwards");
    const due = this.#sorted().filter(([, record]) => isAfter(record.part, since));
    for (const [, record] of due) this.#move(record, number);
    return due.length === 0 ? undefined : encodeRecords(due);
  }

  restore(bytes: Uint8Array, number: number): Result<void> {
    const saved = decodeRecords(bytes);
    if (!saved.ok) return saved;
    for (const each of saved.value) this.#write(each, number);
    return success(undefined);
  }

  sizeSince(since: number): number {
    return this.#parts.sizeSince(since);
  }

  encode(): Uint8Array {
    return encodeRecords(this.#sorted());
  }

  /** Says whether the op took effect. */
  #write(saved: SavedOp, part: number): boolean {
    const { op, stamp } = saved;
    if (op.type === "nonce") return false;
    const register = recordKey(saved);
    const record = this.#records.get(register);
    if (record === undefined) {
      this.#records.set(register, { op, stamp, part });
      this.#parts.add(part);
      return true;
    }
    if (!isLater(stamp, record.stamp)) return false;
    record.op = op;
    record.stamp = stamp;
    this.#move(record, part);
    return true;
  }

  #move(record: SettingsRecord, part: number): void {
    this.#parts.move(record.part, part);
    record.part = part;
  }

  #sorted(): readonly (readonly [string, SettingsRecord])[] {
    return [...this.#records].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

export const settingsKind: StoreKind<SettingsPayload, SettingsChange, SettingsState> = {
  type: settingsType,
  decode: decodeSettings,
  createState: () => new SettingsState(),
};

/** Sets are told apart by their entries, so that none overwrites another. */
function recordKey({ op, stamp }: SavedOp): string {
  return op.type === "set" ? `${settingsRegister(op)} ${stamp.id}` : settingsRegister(op);
}

function encodeRecords(records: readonly (readonly [string, SettingsRecord])[]): Uint8Array {
  const writer = new CborWriter();
  writer.array(records.length);
  for (const [, { op, stamp }] of records) {
    writer.array(3);
    writer.uint(stamp.time);
    writer.bytes(decodeHex(stamp.id));
    writeSettingsOp(writer, op);
  }
  return writer.finish();
}

function decodeRecords(bytes: Uint8Array): Result<readonly SavedOp[]> {
  return attempt(() => {
    const reader = new CborReader(bytes);
    const saved: SavedOp[] = [];
    for (let left = reader.array(); left > 0; left--) {
      if (reader.array(3) !== 3) throw payloadError("checkpoint", "another length", "[time, entry id, op]");
      const stamp: Stamp = { time: reader.uint(hybridTimeMax), id: entryIdFromDigest(reader.fixedBytes(32)) };
      saved.push({ stamp, op: readSettingsOp(reader, "checkpoint") });
    }
    reader.end();
    return saved;
  });
}
