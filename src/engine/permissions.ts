/**
 * Who may do what in the databases of this device, as apps ask for it, and the changes that an admin makes.
 *
 * [PERMISSIONS-1] A change that this key may not make is refused with PERMISSION_DENIED, and nothing is written.
 * [PERMISSIONS-2] Members are the owner and all keys that may do something by a permission of their own, strongest first.
 * [PERMISSIONS-3] Of each database the last 1,000 refusals are remembered, so that what was refused can be explained.
 *
 * Deliberately not here: the rule itself (core/authority), and who comes in by invites and requests (joins.ts, requests.ts).
 */
import { explainEntry, explainKey } from "../core/authority/explain.ts";
import { publicOf, saidOf } from "../core/authority/power-of.ts";
import { millisecondsOf } from "../core/clock.ts";
import { type Failure, TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import { memberNameBytesMax, refusalsRememberedMax } from "../core/limits.ts";
import type { Refusal } from "../core/replica.ts";
import { NONE, type Permission, type Power, permissionName, RELAY, WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import type { OpenDatabase } from "./database.ts";
import type { Recount } from "./database-listener.ts";
import { assertGivesSomething, assertMaySet } from "./invites.ts";
import { isLabel } from "./label.ts";
import type { EntryExplained, KeyExplained, Member, Recounted } from "./permissions-info.ts";
import type { WriteId } from "./writes.ts";

/** What is done with the ops of a change: signed, stored, and sent on. */
export interface PermissionsOwner {
  /** Fails with DATABASE_UNKNOWN. */
  database(id: DatabaseId): OpenDatabase;
  /** Resolves when the entry is durable. `assertMay` throws what it is refused for, as things are then. */
  change(id: DatabaseId, op: SettingsOp, assertMay: () => void, write: WriteId | undefined): Promise<void>;
}

export interface PermissionChange {
  readonly key: PublicKey;
  readonly power: Power;
  readonly name?: string;
  /** What the keys of an encrypted database are wrapped for. */
  readonly sealKey?: Uint8Array;
}

type Grant = Pick<Member, "setBy" | "setAtMs" | "via">;

export class Permissions {
  readonly #owner: PermissionsOwner;
  readonly #recounted = new Map<DatabaseId, Recounted>();
  readonly #refusals = new Map<DatabaseId, Map<EntryId, Refusal>>();

  constructor(owner: PermissionsOwner) {
    this.#owner = owner;
  }

  /** Strongest first; of equals in the order of their keys. Empty while the database has not arrived. */
  members(id: DatabaseId): readonly Member[] {
    return membersOf(this.#owner.database(id));
  }

  /** Rejects with PERMISSION_DENIED, DATABASE_NOT_READY, INPUT_INVALID for what is worth nothing and not 999, or a STORAGE_ code. */
  async set(id: DatabaseId, { key, power, name, sealKey }: PermissionChange, write?: WriteId): Promise<void> {
    const database = this.#owner.database(id);
    const described = { ...(name === undefined ? {} : { name }), ...(sealKey === undefined ? {} : { sealKey }) };
    const assertMay = (): void => {
      assertMaySet(database, key, power);
      // Weaker than that is to be said plainly: only 999 keeps invites from bringing the key back.
      assertGivesSomething(database, power);
    };
    await this.#owner.change(id, { type: "set", key, power, ...described }, assertMay, write);
  }

  /** What every key may do that nobody set; 999: nothing. Rejects as `set` does. */
  async setPublic(id: DatabaseId, power: Power, write?: WriteId): Promise<void> {
    const database = this.#owner.database(id);
    const assertMay = (): void => {
      const { permission } = database;
      if (database.power >= WRITE) throw new TidemarkError("PERMISSION_DENIED", { need: "admin", got: permission });
      assertGivesSomething(database, power);
    };
    await this.#owner.change(id, { type: "public", power }, assertMay, write);
  }

  publicPermission(id: DatabaseId): Permission {
    const view = this.#owner.database(id).replica.authority.view();
    return permissionName(publicOf(view)?.power ?? NONE);
  }

  explainKey(id: DatabaseId, key: PublicKey): KeyExplained {
    return explainKey(this.#owner.database(id).replica, key);
  }

  explainEntry(id: DatabaseId, entry: EntryId): EntryExplained {
    const { replica } = this.#owner.database(id);
    const known = explainEntry(replica, entry);
    if (known.type !== "unknown") return { ...known, entry };
    if (replica.pending.has(entry)) return { type: "waiting", entry };
    const refusal = this.#refusals.get(id)?.get(entry);
    if (refusal === undefined) return { type: "unknown", entry };
    const { author, failure } = refusal;
    return { type: "refused", entry, author, code: failure.code, ...ruleOf(failure) };
  }

  /** What counts has changed; what is read is about to. */
  noteRecounted(id: DatabaseId, { voided, revived, because }: Recount): void {
    const noted = this.#recounted.get(id) ?? nothing;
    this.#recounted.set(id, {
      voided: [...noted.voided, ...voided.map(idOf)],
      revived: [...noted.revived, ...revived.map(idOf)],
      because: [...noted.because, ...because.map(idOf)],
    });
  }

  /** What is read is right again: what was noted since the last time. */
  takeRecounted(id: DatabaseId): Recounted {
    const noted = this.#recounted.get(id) ?? nothing;
    this.#recounted.delete(id);
    return noted;
  }

  /** The database is gone from here. */
  forget(id: DatabaseId): void {
    this.#recounted.delete(id);
    this.#refusals.delete(id);
  }

  /** Remembers why entries were refused. */
  noteRefused(id: DatabaseId, refusals: readonly Refusal[]): void {
    const known = this.#refusals.get(id) ?? new Map<EntryId, Refusal>();
    this.#refusals.set(id, known);
    for (const refusal of refusals) {
      // The latest last, however often it came.
      known.delete(refusal.id);
      known.set(refusal.id, refusal);
    }
    for (const entry of known.keys()) {
      if (known.size <= refusalsRememberedMax) break;
      known.delete(entry);
    }
  }
}

function membersOf({ replica, identity }: OpenDatabase): readonly Member[] {
  const { authority, graph, settings } = replica;
  const view = authority.view();
  const ownerOf = ({ author, time }: Node): Grant => ({ setBy: author, setAtMs: millisecondsOf(time), via: "root" });
  const grantOf = (key: PublicKey): Grant | undefined => {
    if (key === graph.root?.author) return ownerOf(graph.root);
    const said = saidOf(key, view);
    if (said === undefined || said.power > RELAY) return undefined;
    const by = said.via === "redeem" ? authority.rulingOf(said.node)?.invite?.node : said.node;
    return { setBy: (by ?? said.node).author, setAtMs: millisecondsOf(said.node.time), via: said.via };
  };
  const keys = new Set(settings.members().map(({ key }) => key));
  if (graph.root !== undefined) keys.add(graph.root.author);
  const members = [...keys].flatMap((key): readonly Member[] => {
    const grant = grantOf(key);
    const power = authority.power(key);
    const called = settings.member(key)?.name ?? "";
    // Whoever writes entries by hand writes any text.
    const name = isLabel(called, memberNameBytesMax) ? called : "";
    const isYou = key === identity.publicKey;
    return grant === undefined ? [] : [{ key, name, permission: permissionName(power), power, isYou, ...grant }];
  });
  return members.sort((a, b) => a.power - b.power || (a.key < b.key ? -1 : 1));
}

const nothing: Recounted = { voided: [], revived: [], because: [] };

function idOf({ id }: Node): EntryId {
  return id;
}

/** What was wrong with it, and because of which entries, as far as the failure says. */
function ruleOf({ details }: Failure): Pick<EntryExplained, "rule" | "by" | "follows"> {
  return {
    ...("need" in details ? { rule: `needs ${details.need}` } : {}),
    ...("reason" in details ? { rule: details.reason } : {}),
    ...("follows" in details ? { follows: details.follows as EntryId } : {}),
    ...("by" in details && details.by !== undefined ? { by: details.by as EntryId } : {}),
  };
}
