/**
 * Who may do what, as the signed entries say it.
 *
 * [AUTHORITY-1] The author of the root is the owner. Any other key's power is what the latest `set` of that key says; of
 *               concurrent ones the weakest. A key that was never set has none.
 * [AUTHORITY-2] An entry is accepted only if its author was entitled in the entry's own past: power write or stronger.
 * [AUTHORITY-3] Settings are written by admins, and only strictly below themselves: a key weaker than the author is set to a
 *               power weaker than the author's. Anyone stronger than write may lower itself.
 * [AUTHORITY-4] The verdict about an entry depends on its past alone: it is the same on every replica, for ever.
 *
 * Not here yet: cutting what a lowered key wrote without knowing it. A lowering binds the entries that follow it.
 */
import type { Failure } from "./errors.ts";
import { type Graph, latestSettings, type Node, settingsPast } from "./graph.ts";
import type { EntryId, PublicKey } from "./ids.ts";
import { NONE, OWNER, type Power, permissionName, READ, WRITE } from "./store/power.ts";
import type { SettingsOp } from "./store/settings.ts";

export class Authority {
  readonly #graph: Graph;
  readonly #ops = new Map<EntryId, readonly SettingsOp[]>();
  /** By the shared array of latest settings, so the usual question costs two map look-ups. */
  readonly #powers = new WeakMap<readonly Node[], Map<PublicKey, Power>>();

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  /** Must be called for every accepted entry that writes settings, before anything that follows it is judged. */
  record(id: EntryId, ops: readonly SettingsOp[]): void {
    this.#ops.set(id, ops);
  }

  /** A key's power as the whole graph has it now. */
  power(key: PublicKey): Power {
    return this.#powerAt(key, this.#graph.settings(), this.#graph.root?.author);
  }

  mayRead(key: PublicKey): boolean {
    return this.power(key) <= READ;
  }

  mayWrite(key: PublicKey): boolean {
    return this.power(key) <= WRITE;
  }

  /** Whether our key may set `key` to `power` now. */
  maySet(author: PublicKey, key: PublicKey, power: Power): boolean {
    const latest = this.#graph.settings();
    const owner = this.#graph.root?.author;
    const mine = this.#powerAt(author, latest, owner);
    return this.#setFailure(author, mine, { type: "set", key, power }, latest, owner) === undefined;
  }

  /**
   * Undefined when the author was entitled to everything the entry does, given the nodes it follows. `owner` is the author of
   * the root, which may be on trial itself.
   */
  judge(
    author: PublicKey,
    ops: readonly SettingsOp[],
    followed: readonly Node[],
    owner: PublicKey | undefined,
  ): Failure | undefined {
    if (followed.length === 0) return undefined; // The root: whoever wrote it owns the database.
    const latest = latestSettings(followed);
    const power = this.#powerAt(author, latest, owner);
    if (power > WRITE) return denied(author, "write");
    for (const op of ops) {
      const refused = this.#setFailure(author, power, op, latest, owner);
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  #setFailure(
    author: PublicKey,
    power: Power,
    op: SettingsOp,
    latest: readonly Node[],
    owner: PublicKey | undefined,
  ): Failure | undefined {
    if (power >= WRITE) return denied(author, "admin");
    if (op.type === "name" || op.type === "nonce") return undefined;
    if (op.power <= power) return denied(author, `stronger than ${permissionName(op.power)}`);
    if (op.type === "invite" || op.key === author) return undefined;
    return this.#powerAt(op.key, latest, owner) > power ? undefined : denied(author, "stronger than the key it sets");
  }

  #powerAt(key: PublicKey, latest: readonly Node[], owner: PublicKey | undefined): Power {
    if (key === owner) return OWNER;
    const known = this.#powers.get(latest) ?? new Map<PublicKey, Power>();
    this.#powers.set(latest, known);
    const power = known.get(key) ?? this.#findPower(key, latest);
    // Keys without any power are anybody's to make up: remembering them would let a stranger fill the memory.
    if (power !== NONE) known.set(key, power);
    return power;
  }

  #findPower(key: PublicKey, latest: readonly Node[]): Power {
    const sets = new Map<Node, Power>();
    for (const node of settingsPast(latest)) {
      const power = setIn(this.#ops.get(node.id) ?? [], key);
      if (power !== undefined) sets.set(node, power);
    }
    const overruled = settingsPast([...sets.keys()].flatMap((node) => node.settingsBefore));
    const powers = [...sets].filter(([node]) => !overruled.has(node)).map(([, power]) => power);
    return powers.length === 0 ? NONE : (Math.max(...powers) as Power);
  }
}

/** The last set of a key within one entry. */
function setIn(ops: readonly SettingsOp[], key: PublicKey): Power | undefined {
  return ops.reduce<Power | undefined>(
    (power, op) => (op.type === "set" && op.key === key ? op.power : power),
    undefined,
  );
}

function denied(author: PublicKey, need: string): Failure {
  return { code: "ENTRY_PERMISSION", details: { author, need } };
}
