/**
 * The settings of a database as the effective settings entries say them: what is shown to people and asked by sessions.
 *
 * [SETTINGS-4] The name, the public power, and the invite of each key are what was written last. An invite of power
 *   999 is withdrawn.
 * [SETTINGS-5] Every set and every redemption is kept and listed by stamp: what a key may do depends on more than the
 *   last one.
 * [DELETION-6] A database that was removed once stays removed.
 * [SETTINGS-7] A member is a key that was ever set or has redeemed an invite. Its name and its sealing key are those
 *   written last.
 *
 * It is a function of the set of entries, in whatever order they are given. It never changes: another set makes
 * another view.
 * Deliberately not here: which entries are effective, and which power a key has (authority.ts).
 */
import { CborWriter } from "../cbor-writer.ts";
import type { HybridTime } from "../clock.ts";
import { decodeHex, type EntryId, type PublicKey } from "../ids.ts";
import { isLater, type Stamp } from "./kind.ts";
import { NONE, type Power } from "./power.ts";
import { type SettingsOp, type SettingsPayload, settingsRegister, type WrappedKey } from "./settings.ts";
import { writeSettingsOp } from "./settings-op.ts";

/** An effective entry that writes settings. */
export interface SettingsEntry {
  readonly id: EntryId;
  readonly author: PublicKey;
  readonly time: HybridTime;
  readonly ops: SettingsPayload;
}

/** Who wrote something, and when. */
export interface Origin {
  readonly author: PublicKey;
  readonly stamp: Stamp;
}

export interface Invite extends Origin {
  readonly key: PublicKey;
  readonly power: Power;
  readonly label: string | undefined;
  readonly expiresMs: number | undefined;
  readonly uses: number | undefined;
}

/** What gave or took a power: an admin's set, or a newcomer's own redemption, whose power is that of the invite. */
export type PowerSet =
  | (Origin & { readonly via: "set"; readonly key: PublicKey; readonly power: Power })
  | (Origin & { readonly via: "redeem"; readonly key: PublicKey; readonly invite: PublicKey });

export interface MemberDescription {
  readonly key: PublicKey;
  readonly name: string | undefined;
  readonly sealKey: Uint8Array | undefined;
}

export interface PublicPower extends Origin {
  readonly power: Power;
}

/** One op that gives keys of an epoch; several of one number add up. */
export interface Epoch extends Origin {
  readonly number: number;
  readonly keys: readonly WrappedKey[];
}

type Written<Type> = Origin & { readonly op: Extract<SettingsOp, { readonly type: Type }> };

export class SettingsView {
  /** Earliest first. */
  readonly #entries: readonly SettingsEntry[];
  /** By register, what was written last. */
  readonly #latest: ReadonlyMap<string, Written<SettingsOp["type"]>>;
  #members: ReadonlyMap<PublicKey, MemberDescription> | undefined;

  constructor(entries: Iterable<SettingsEntry>) {
    this.#entries = [...entries].sort((a, b) => (isLater(stampOf(a), stampOf(b)) ? 1 : -1));
    this.#latest = new Map(this.#written().map((written) => [settingsRegister(written.op), written]));
  }

  get name(): string | undefined {
    const op = this.#latest.get("name")?.op;
    return op?.type === "name" ? op.name : undefined;
  }

  /** Who removed the database, and when. Nothing takes it back. */
  get removed(): Origin | undefined {
    const written = this.#latest.get("remove");
    return written && originOf(written);
  }

  /** What every key may do that nobody set. Undefined when nothing was ever said; power 999 when it was taken back. */
  get public(): PublicPower | undefined {
    const written = this.#latest.get("public");
    return written?.op.type === "public" ? { ...originOf(written), power: written.op.power } : undefined;
  }

  /** Invites that are not withdrawn, expired and used ones among them, in the order of their keys. */
  invites(): readonly Invite[] {
    const written = this.#registers("invite").filter(({ op }) => op.power !== NONE);
    const invites = written.map(({ op: { key, power, label, expiresMs, uses }, ...origin }) => {
      return { ...origin, key, power, label, expiresMs, uses };
    });
    return invites.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /**
   * All of all keys, those that something later overruled among them, earliest first; of one entry in the order
   * written.
   */
  sets(): readonly PowerSet[] {
    return this.#written().flatMap(({ op, author, stamp }): readonly PowerSet[] => {
      if (op.type === "set") return [{ via: "set", key: op.key, power: op.power, author, stamp }];
      return op.type === "redeem" ? [{ via: "redeem", key: author, invite: op.invite, author, stamp }] : [];
    });
  }

  /** Every key ever set or admitted by an invite, whatever it may do now, in the order of the keys. */
  members(): readonly MemberDescription[] {
    return [...this.#described().values()];
  }

  /** Undefined for a key that is no member. */
  member(key: PublicKey): MemberDescription | undefined {
    return this.#described().get(key);
  }

  /** By number, then earliest first. */
  epochs(): readonly Epoch[] {
    const epochs = this.#written().flatMap((written): readonly Epoch[] => {
      const { op } = written;
      return op.type === "epoch" ? [{ ...originOf(written), number: op.number, keys: op.keys }] : [];
    });
    return epochs.sort((a, b) => a.number - b.number);
  }

  /** Canonical bytes, equal for equal sets of entries. */
  encode(): Uint8Array {
    const writer = new CborWriter();
    writer.array(this.#entries.length);
    for (const { id, author, time, ops } of this.#entries) {
      writer.array(4);
      writer.uint(time);
      writer.bytes(decodeHex(id));
      writer.publicKey(author);
      writer.array(ops.length);
      for (const op of ops) writeSettingsOp(writer, op);
    }
    return writer.finish();
  }

  #written(): readonly Written<SettingsOp["type"]>[] {
    return this.#entries.flatMap(({ id, author, time, ops }) => {
      const stamp: Stamp = { time, id };
      return ops.map((op) => ({ op, author, stamp }));
    });
  }

  #registers<Type extends SettingsOp["type"]>(type: Type): readonly Written<Type>[] {
    return [...this.#latest.values()].filter((written): written is Written<Type> => written.op.type === type);
  }

  #described(): ReadonlyMap<PublicKey, MemberDescription> {
    this.#members ??= describeMembers(this.#written());
    return this.#members;
  }
}

function describeMembers(written: readonly Written<SettingsOp["type"]>[]): ReadonlyMap<PublicKey, MemberDescription> {
  const members = new Map<PublicKey, MemberDescription>();
  for (const { op, author } of written) {
    if (op.type !== "set" && op.type !== "redeem") continue;
    const key = op.type === "set" ? op.key : author;
    const known = members.get(key);
    members.set(key, { key, name: op.name ?? known?.name, sealKey: op.sealKey ?? known?.sealKey });
  }
  return new Map([...members].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function stampOf({ time, id }: SettingsEntry): Stamp {
  return { time, id };
}

function originOf({ author, stamp }: Origin): Origin {
  return { author, stamp };
}
