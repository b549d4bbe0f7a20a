/**
 * Which epochs an admin's device has to begin or to give, as the settings are or are about to be.
 *
 * [ENCRYPTION-12] Whoever may read and has a sealing key is given the key of every epoch, the earlier ones too.
 * [ENCRYPTION-13] Once somebody who has the key of the current epoch may not read any more, or the invite that was given it is
 *   withdrawn, another epoch begins, whose key is given to those who may read.
 * [ENCRYPTION-21] So it does when an admin's device was given a current key that does not open, or was given none and whoever began it is no
 *   admin any more: else whoever made it up could keep everybody from writing for ever.
 *
 * Nothing depends on who changed what: any admin's device comes to the same plan, and doing it twice does no harm.
 * Deliberately not here: when it is done (epoch-upkeep.ts).
 */
import { equalBytes } from "../core/bytes.ts";
import type { PublicKey } from "../core/ids.ts";
import { epochKeysMax, settingsOpsMax } from "../core/limits.ts";
import type { Replica } from "../core/replica.ts";
import { OWNER, type Power, READ, WRITE } from "../core/store/power.ts";
import type { SettingsOp, WrappedKey } from "../core/store/settings.ts";
import type { SealingKeys } from "../ports/payload-keys.ts";
import type { EpochKeys, HeldEpoch, KnownEpoch } from "./epochs.ts";

type EpochOp = Extract<SettingsOp, { readonly type: "epoch" }>;

export interface PlanOptions {
  readonly replica: Replica;
  readonly keys: EpochKeys;
  readonly sealing: SealingKeys;
  readonly self: PublicKey;
  /** 32 bytes that nobody can guess. */
  readonly newSecret: () => Uint8Array;
}

/** What is about to be written, and the seeds of the invites in it. */
export interface PlannedChange {
  readonly ops: readonly SettingsOp[];
  readonly seeds: ReadonlyMap<PublicKey, Uint8Array>;
}

export const epochSecretBytesLength = 32;
/** About 1.6 MB: far below what an entry may hold. */
const wrapsPerEntryMax = 10_000;
/** Half of `settingsOpsMax`: the other half is the change's own. */
const epochsPerEntryMax: number = settingsOpsMax / 2;

interface Reader {
  readonly key: PublicKey;
  readonly sealKey: Uint8Array;
}

/** What is to be wrapped for whom. */
interface Gift {
  readonly epoch: Pick<HeldEpoch, "number" | "secret">;
  readonly key: PublicKey;
  readonly wrap: () => Promise<Uint8Array | undefined>;
}

/**
 * The ops to write, one list for each entry, in their order; the first belongs into the entry of the change itself. Empty when
 * nothing is to be done.
 */
export async function planEpochs(
  options: PlanOptions,
  change: PlannedChange = { ops: [], seeds: new Map() },
): Promise<readonly (readonly EpochOp[])[]> {
  const { keys, self } = options;
  await keys.learn();
  const after = new Settings(options, change.ops);
  if (after.power(self) > READ) return [];
  const known = keys.known();
  const held = keys.held();
  const begun = isSpoilt(options, known, after) ? [beginEpoch(options, known)] : [];
  const gifts = [
    ...begun.flatMap((epoch) => giveTo(options, epoch, after.readers())),
    ...held.flatMap((epoch) => giveTo(options, epoch, lackers(epoch, known, after))),
    ...(await giveToInvites(options, [...held, ...begun], change)),
  ];
  return arrange(await wrapAll(gifts));
}

/** Who may do what once the ops have been written. */
class Settings {
  readonly #replica: Replica;
  readonly #powers = new Map<PublicKey, Power>();
  readonly #sealKeys = new Map<PublicKey, Uint8Array>();
  readonly #invites: ReadonlySet<PublicKey>;
  /** By newcomer, the invites that it redeemed. */
  readonly #redeemed = new Map<PublicKey, PublicKey[]>();

  constructor({ replica }: PlanOptions, ops: readonly SettingsOp[]) {
    this.#replica = replica;
    const { settings } = replica;
    const invites = new Set(settings.invites().flatMap(({ key, power }) => (power <= READ ? [key] : [])));
    for (const { key, sealKey } of settings.members()) if (sealKey !== undefined) this.#sealKeys.set(key, sealKey);
    for (const set of settings.sets())
      if (set.via === "redeem") this.#redeemed.set(set.key, [...(this.#redeemed.get(set.key) ?? []), set.invite]);
    for (const op of ops) {
      if (op.type === "set") {
        this.#powers.set(op.key, op.power);
        if (op.sealKey !== undefined) this.#sealKeys.set(op.key, op.sealKey);
      } else if (op.type === "invite") {
        if (op.power <= READ) invites.add(op.key);
        else invites.delete(op.key);
      }
    }
    this.#invites = invites;
  }

  power(key: PublicKey): Power {
    const { authority, graph } = this.#replica;
    return key === graph.root?.author ? OWNER : (this.#powers.get(key) ?? authority.power(key));
  }

  readers(): readonly Reader[] {
    const readers = [...this.#sealKeys].filter(([key]) => this.power(key) <= READ);
    return readers.map(([key, sealKey]) => ({ key, sealKey }));
  }

  isSealedFor(key: PublicKey, sealKey: Uint8Array): boolean {
    const known = this.#sealKeys.get(key);
    return known !== undefined && equalBytes(known, sealKey);
  }

  /** Whether it was given the key itself, or as the newcomer of an invite that was. */
  has(key: PublicKey, { given }: KnownEpoch): boolean {
    return given.has(key) || (this.#redeemed.get(key) ?? []).some((invite) => given.has(invite));
  }

  /** Whoever has the key and should not: members who may not read, and invites that are withdrawn. */
  hasIntruder({ given }: KnownEpoch): boolean {
    const members = new Set(this.#replica.settings.sets().map(({ key }) => key));
    const invited = [...this.#redeemed].filter(([, invites]) => invites.some((invite) => given.has(invite)));
    const lowered = [...given].some((key) => (members.has(key) ? this.power(key) > READ : this.#isWithdrawn(key)));
    return lowered || invited.some(([key]) => this.power(key) > READ);
  }

  #isWithdrawn(key: PublicKey): boolean {
    return !this.#invites.has(key) && this.power(key) > READ;
  }
}

/** Somebody has the current key who should not, or perhaps nobody has: this device was given none, by an admin that is none, or one that is none. */
function isSpoilt({ keys, self, sealing }: PlanOptions, known: readonly KnownEpoch[], after: Settings): boolean {
  const current = keys.current();
  const epoch = known.find(({ keyId }) => keyId === current?.keyId);
  if (current === undefined || epoch === undefined) return false;
  // Where others seal for another device, what they began is theirs to open.
  const isLacking = !keys.has(epoch.keyId) && after.isSealedFor(self, sealing.publicKey);
  const isDoubtful = epoch.given.has(self) || after.power(current.author) >= WRITE;
  return (isLacking && isDoubtful) || after.hasIntruder(epoch);
}

function beginEpoch({ newSecret }: PlanOptions, known: readonly KnownEpoch[]): Pick<HeldEpoch, "number" | "secret"> {
  const last = known.reduce((greatest, { number }) => Math.max(greatest, number), 0);
  // No admin can use the numbers up: of several epochs with one number the one begun last is current.
  return { number: Math.min(last + 1, Number.MAX_SAFE_INTEGER), secret: newSecret() };
}

function lackers({ key }: HeldEpoch, known: readonly KnownEpoch[], after: Settings): readonly Reader[] {
  const epoch = known.find(({ keyId }) => keyId === key.id);
  return after.readers().filter((reader) => epoch === undefined || !after.has(reader.key, epoch));
}

function giveTo(
  { sealing }: PlanOptions,
  epoch: Pick<HeldEpoch, "number" | "secret">,
  readers: readonly Reader[],
): readonly Gift[] {
  return readers.map(({ key, sealKey }) => ({ epoch, key, wrap: () => sealing.wrap(epoch.secret, sealKey) }));
}

/** Invites that the change makes: later nobody has their seeds. */
async function giveToInvites(
  { sealing }: PlanOptions,
  epochs: readonly Pick<HeldEpoch, "number" | "secret">[],
  { ops, seeds }: PlannedChange,
): Promise<readonly Gift[]> {
  const gifts: Gift[] = [];
  for (const op of ops) {
    const seed = op.type === "invite" && op.power <= READ ? seeds.get(op.key) : undefined;
    if (op.type !== "invite" || seed === undefined) continue;
    const inviteKey = await sealing.inviteKey(seed);
    for (const epoch of epochs)
      gifts.push({ epoch, key: op.key, wrap: () => sealing.wrapForInvite(epoch.secret, inviteKey) });
  }
  return gifts;
}

interface Wrapped extends WrappedKey {
  readonly number: number;
}

/** Without those whose sealing key is none: they cannot be given anything. */
async function wrapAll(gifts: readonly Gift[]): Promise<readonly Wrapped[]> {
  const wrapped: Wrapped[] = [];
  for (const { epoch, key, wrap } of gifts) {
    const bytes = await wrap();
    if (bytes !== undefined) wrapped.push({ number: epoch.number, key, wrapped: bytes });
  }
  return wrapped;
}

/** What one entry is to hold: by number, what is wrapped for whom. */
interface Planned {
  readonly epochs: Map<number, Map<PublicKey, Uint8Array>>;
  wraps: number;
}

/** One op per number in an entry, and each key once in an op: what is more goes into the next entry. */
function arrange(wraps: readonly Wrapped[]): readonly (readonly EpochOp[])[] {
  const entries: Planned[] = [];
  for (const wrap of wraps) {
    let entry = entries.find((each) => hasRoom(each, wrap));
    if (entry === undefined) {
      entry = { epochs: new Map(), wraps: 0 };
      entries.push(entry);
    }
    const op = entry.epochs.get(wrap.number) ?? new Map<PublicKey, Uint8Array>();
    entry.epochs.set(wrap.number, op.set(wrap.key, wrap.wrapped));
    entry.wraps += 1;
  }
  return entries.map(({ epochs }) => [...epochs].map(toOp));
}

function hasRoom({ epochs, wraps }: Planned, { number, key }: Wrapped): boolean {
  const op = epochs.get(number);
  if (wraps >= wrapsPerEntryMax || (op === undefined && epochs.size >= epochsPerEntryMax)) return false;
  return op === undefined || (op.size < epochKeysMax && !op.has(key));
}

function toOp([number, keys]: readonly [number, ReadonlyMap<PublicKey, Uint8Array>]): EpochOp {
  return { type: "epoch", number, keys: [...keys].map(([key, wrapped]) => ({ key, wrapped })) };
}
