/**
 * The authority rule once more, as the smallest program that says it: an oracle for the real one, which finds out the same little by little.
 *
 * Everything is recomputed from whole sets of whole pasts, so it is slow and has nothing to forget. It knows nothing of graphs, chains,
 * positions, or the order in which entries came.
 */
import { ticksPerMs } from "../core/clock.ts";
import { NONE, OWNER, type Power, WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";

export interface ModelEntry {
  readonly id: string;
  readonly author: string;
  /** Everything that it follows. Empty: the root. */
  readonly parents: readonly string[];
  /** Hybrid time. */
  readonly time: number;
  /** What it does to the settings; empty: it is content. */
  readonly ops: readonly SettingsOp[];
  /** It does something beside that. */
  readonly isMixed?: boolean;
}

export interface Counting {
  /** Entries that are part of the database. */
  readonly counts: ReadonlySet<string>;
  /** Settings entries that have an effect. */
  readonly effective: ReadonlySet<string>;
}

interface Invite {
  readonly from: string;
  readonly key: string;
  readonly power: Power;
  readonly expiresMs: number;
  readonly uses: number;
}

/** Settings entries that have an effect, and for a redemption of which invite. */
type Effective = ReadonlyMap<string, Invite | undefined>;

/** One op of an entry, when it has an effect. */
interface Spoken<Op> {
  readonly from: string;
  readonly op: Op;
}

export class AuthorityModel {
  readonly #entries = new Map<string, ModelEntry>();
  readonly #pasts = new Map<string, ReadonlySet<string>>();
  /** One object for each op, so that redemptions of it can be told from those of another. */
  readonly #terms = new Map<string, Invite>();
  #owner: string | undefined;

  /** Adds an entry after everything that it follows, accepted or not. */
  add(entry: ModelEntry): void {
    if (entry.parents.length === 0) this.#owner = entry.author;
    this.#pasts.set(entry.id, this.pastOf(entry));
    this.#entries.set(entry.id, entry);
  }

  pastOf({ parents }: ModelEntry): ReadonlySet<string> {
    const past = new Set(parents);
    for (const parent of parents) for (const id of this.#past(parent)) past.add(id);
    return past;
  }

  /** For ever, a function of the entry's own past: it stands on nothing void there, and its author was entitled. */
  isAcceptable(entry: ModelEntry): boolean {
    const past = this.pastOf(entry);
    const { counts } = this.counting(past);
    if (counts.size !== past.size) return false;
    const effective = this.#effective(past);
    const [op] = entry.ops;
    if (op?.type === "redeem") {
      const invite = entry.isMixed ? undefined : this.#redeemable(entry, effective);
      if (invite === undefined) return false;
      return [...past].filter((id) => effective.get(id) === invite).length < invite.uses;
    }
    if (entry.ops.length === 0) return this.#power(entry.author, past, effective) <= WRITE;
    return this.#may(entry, effective);
  }

  /** What counts of some entries: the good ones, and everything that they stand on. */
  counting(known: ReadonlySet<string>): Counting {
    const effective = this.#effective(known);
    const counts = new Set<string>();
    for (const id of known) {
      if (!this.#isGood(this.#entry(id), known, effective)) continue;
      counts.add(id);
      for (const below of this.#past(id)) counts.add(below);
    }
    return { counts, effective: new Set(effective.keys()) };
  }

  /** Those of some entries that count by themselves. */
  good(known: ReadonlySet<string>): ReadonlySet<string> {
    const effective = this.#effective(known);
    return new Set([...known].filter((id) => this.#isGood(this.#entry(id), known, effective)));
  }

  power(key: string, known: ReadonlySet<string>): Power {
    return this.#power(key, known, this.#effective(known));
  }

  /** As `power` for each of the keys, in one go. */
  powers(keys: readonly string[], known: ReadonlySet<string>): readonly Power[] {
    const effective = this.#effective(known);
    return keys.map((key) => this.#power(key, known, effective));
  }

  /** Entries that count and that nothing follows which does. */
  tips(counts: ReadonlySet<string>): ReadonlySet<string> {
    const followed = new Set([...counts].flatMap((id) => this.#entry(id).parents));
    return new Set([...counts].filter((id) => !followed.has(id)));
  }

  #isGood(entry: ModelEntry, known: ReadonlySet<string>, effective: Effective): boolean {
    if (entry.parents.length === 0) return true;
    if (entry.ops.length > 0) return effective.has(entry.id);
    const past = this.#past(entry.id);
    if (this.#power(entry.author, past, effective) > WRITE) return false;
    const concurrent = this.#concurrent(entry, known, effective);
    if (this.#ops("set", concurrent).some(({ op }) => op.key === entry.author && op.power > WRITE)) return false;
    const isNamed = (this.#named(entry.author, past, effective)?.power ?? NONE) <= WRITE;
    return (
      isNamed ||
      this.#isOwner(entry.author, past) ||
      !this.#ops("public", concurrent).some(({ op }) => op.power > WRITE)
    );
  }

  /** Decided from strong to weak. What newcomers are given is decided just before what those may do who have it. */
  #effective(known: ReadonlySet<string>): Effective {
    const settings = [...known].map((id) => this.#entry(id)).filter(({ ops }) => ops.length > 0);
    const effective = new Map<string, Invite | undefined>();
    for (const stratum of strataOf(settings)) {
      for (const [id, invite] of this.#admitted(settings, stratum, known, effective)) effective.set(id, invite);
      const here = settings.filter((entry) => {
        const isAdmins = stratum < WRITE && entry.ops[0]?.type !== "redeem" && !effective.has(entry.id);
        if (!isAdmins || this.#authorPower(entry, effective) !== stratum) return false;
        return this.#may(entry, effective) && !this.#isLowered(entry.author, stratum, entry, known, effective);
      });
      for (const { id } of here) effective.set(id, undefined);
    }
    return effective;
  }

  /** Redemptions of invites that give just this power, each invite as often as it may be used. */
  #admitted(
    settings: readonly ModelEntry[],
    stratum: number,
    known: ReadonlySet<string>,
    effective: Effective,
  ): ReadonlyMap<string, Invite> {
    const admitted = new Map<string, Invite>();
    const used = new Map<Invite, number>();
    for (const entry of [...settings].sort((a, b) => a.time - b.time || (a.id < b.id ? -1 : 1))) {
      if (effective.has(entry.id)) continue;
      const invite = this.#redeemable(entry, effective);
      if (invite === undefined || Math.min(invite.power, WRITE) !== stratum) continue;
      if (this.#isCutOff(entry, invite, known, effective)) continue;
      const count = used.get(invite) ?? 0;
      if (count < invite.uses) admitted.set(entry.id, invite);
      used.set(invite, count + 1);
    }
    return admitted;
  }

  /** Something concurrent takes from a newcomer, from whoever made the invite, or from the invite itself. */
  #isCutOff(entry: ModelEntry, invite: Invite, known: ReadonlySet<string>, effective: Effective): boolean {
    const inviter = this.#entry(invite.from).author;
    const inviterPower = this.#power(inviter, this.#past(entry.id), effective);
    if (this.#isLowered(entry.author, Math.max(invite.power, WRITE), entry, known, effective)) return true;
    if (this.#isLowered(inviter, inviterPower, entry, known, effective)) return true;
    const concurrent = this.#concurrent(entry, known, effective);
    return this.#ops("invite", concurrent).some(({ op }) => op.key === invite.key && op.power > invite.power);
  }

  #isLowered(key: string, need: Power, entry: ModelEntry, known: ReadonlySet<string>, effective: Effective): boolean {
    const sets = this.#ops("set", this.#concurrent(entry, known, effective));
    return sets.some(({ op }) => op.key === key && op.power > need);
  }

  /** Effective settings entries that neither know an entry nor are known by it. */
  #concurrent(entry: ModelEntry, known: ReadonlySet<string>, effective: Effective): readonly string[] {
    const past = this.#past(entry.id);
    return [...effective.keys()].filter(
      (id) => id !== entry.id && known.has(id) && !past.has(id) && !this.#past(id).has(entry.id),
    );
  }

  /** Only admins, only strictly below themselves, only what is strictly below themselves; they may step down, and the owner say that it is. */
  #may(entry: ModelEntry, effective: Effective): boolean {
    const past = this.pastOf(entry);
    const mine = this.#authorPower(entry, effective);
    if (mine >= WRITE) return false;
    return entry.ops.every((op) => {
      if (op.type === "redeem") return false;
      if (op.type !== "set" && op.type !== "invite" && op.type !== "public") return true;
      if (op.type === "set" && op.key === entry.author && op.power === OWNER && mine === OWNER) return true;
      if (op.power <= mine) return false;
      if (op.type === "invite") return (this.#invite(op.key, past, effective)?.power ?? NONE) > mine;
      return op.type === "public" || op.key === entry.author || this.#power(op.key, past, effective) > mine;
    });
  }

  /** Whoever wrote the root is the owner there already. */
  #authorPower(entry: ModelEntry, effective: Effective): Power {
    return entry.parents.length === 0 ? OWNER : this.#power(entry.author, this.pastOf(entry), effective);
  }

  /** The invite that an entry redeems, as its own past has it. */
  #redeemable(entry: ModelEntry, effective: Effective): Invite | undefined {
    const [op] = entry.ops;
    if (op?.type !== "redeem") return undefined;
    const past = this.pastOf(entry);
    const invite = this.#invite(op.invite, past, effective);
    if (invite === undefined || invite.power === NONE) return undefined;
    const inviter = this.#power(this.#entry(invite.from).author, past, effective);
    if (inviter >= WRITE || inviter >= invite.power) return undefined;
    if (Math.floor(entry.time / ticksPerMs) > invite.expiresMs) return undefined;
    if (this.#power(entry.author, past, effective) <= invite.power) return undefined;
    return this.#isBarred(entry.author, invite, past, effective) ? undefined : invite;
  }

  /** It was set to none, or to less than an invite gives that does not know of it. */
  #isBarred(key: string, { from, power }: Invite, known: ReadonlySet<string>, effective: Effective): boolean {
    const sets = this.#ops("set", this.#knownOf(known, effective)).filter(({ op }) => op.key === key);
    const isNews = (id: string): boolean => id !== from && !this.#past(from).has(id);
    return this.#latest(sets).some(({ op, from: id }) => op.power === NONE || (op.power > power && isNews(id)));
  }

  #power(key: string, known: ReadonlySet<string>, effective: Effective): Power {
    if (key === this.#owner) return OWNER;
    const named = this.#named(key, known, effective)?.power;
    if (named === NONE) return NONE;
    const open = this.#ops("public", this.#knownOf(known, effective));
    const everybody = this.#latest(open).reduce((weakest, { op }) => Math.max(weakest, op.power), 0);
    return Math.min(named ?? NONE, everybody === 0 ? NONE : everybody);
  }

  #isOwner(key: string, known: ReadonlySet<string>): boolean {
    return [...known].some((id) => this.#entry(id).parents.length === 0 && this.#entry(id).author === key);
  }

  /** What was said of a key: the latest; of concurrent sets the weakest; a redemption yields to any concurrent set. */
  #named(key: string, known: ReadonlySet<string>, effective: Effective): { readonly power: Power } | undefined {
    const ids = this.#knownOf(known, effective);
    const sets = this.#ops("set", ids).filter(({ op }) => op.key === key);
    const redeemed = this.#ops("redeem", ids).filter(({ from }) => this.#entry(from).author === key);
    const latest = this.#latest<Spoken<SettingsOp>>([...sets, ...redeemed]);
    const set = latest.flatMap(({ op }) => (op.type === "set" ? [op.power] : []));
    if (set.length > 0) return { power: Math.max(...set) };
    const given = latest.flatMap(({ from }) => effective.get(from)?.power ?? []);
    return given.length === 0 ? undefined : { power: Math.min(...given) };
  }

  /** The latest terms of an invite; of concurrent ones the weakest, then those of the lowest id. */
  #invite(key: string, known: ReadonlySet<string>, effective: Effective): Invite | undefined {
    const all = this.#ops("invite", this.#knownOf(known, effective)).filter(({ op }) => op.key === key);
    const [best] = [...this.#latest(all)].sort((a, b) => b.op.power - a.op.power || (a.from < b.from ? -1 : 1));
    return best && this.#termsOf(best.from, best.op);
  }

  #termsOf(from: string, op: Extract<SettingsOp, { readonly type: "invite" }>): Invite {
    const name = `${from} ${op.key}`;
    const { key, power, expiresMs = Number.POSITIVE_INFINITY, uses = Number.POSITIVE_INFINITY } = op;
    const terms = this.#terms.get(name) ?? { from, key, power, expiresMs, uses };
    this.#terms.set(name, terms);
    return terms;
  }

  #knownOf(known: ReadonlySet<string>, effective: Effective): readonly string[] {
    return [...effective.keys()].filter((id) => known.has(id));
  }

  #ops<Type extends SettingsOp["type"]>(
    type: Type,
    ids: readonly string[],
  ): readonly Spoken<Extract<SettingsOp, { readonly type: Type }>>[] {
    const isOfType = (op: SettingsOp): op is Extract<SettingsOp, { readonly type: Type }> => op.type === type;
    return ids.flatMap((from) =>
      this.#entry(from)
        .ops.filter(isOfType)
        .map((op) => ({ from, op })),
    );
  }

  #latest<Said extends { readonly from: string }>(said: readonly Said[]): readonly Said[] {
    return said.filter(({ from }) => !said.some((other) => this.#past(other.from).has(from)));
  }

  #past(id: string): ReadonlySet<string> {
    return this.#pasts.get(id) ?? new Set();
  }

  #entry(id: string): ModelEntry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw new Error(`the model lacks ${id}`);
    return entry;
  }
}

/** Every power below write that somebody may have, the owner's, and write for all that is weaker. */
function strataOf(settings: readonly ModelEntry[]): readonly number[] {
  const powers = new Set<number>([OWNER, WRITE]);
  for (const { ops } of settings)
    for (const op of ops) if ((op.type === "set" || op.type === "invite") && op.power < WRITE) powers.add(op.power);
  return [...powers].sort((a, b) => a - b);
}
