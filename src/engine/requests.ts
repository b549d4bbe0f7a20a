/**
 * People who ask to be let in: kept by admins until one of them decides, or for 30 days.
 *
 * [REQUEST-3] An admin's device keeps one request of each key, at most 100 of each database, and each for 30 days; of the same key a later one
 *             takes the place of what was said before, while nothing is decided. With 100 undecided ones no more are kept.
 * [REQUEST-4] A request is pending, then approved or rejected, and by whom and when. Only a pending one can be decided.
 * [REQUEST-5] Whoever lets the key in in any way approves its request, on every device; all devices agree on who it was.
 * [REQUEST-6] Whoever was rejected is told so, at once when connected, and whenever it asks again.
 *
 * Deliberately not here: what is said in sessions (core/protocol/joining.ts), and the asker's side (joins.ts).
 */
import { millisecondsOf } from "../core/clock.ts";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { memberNameBytesMax, requestAgeMsMax, requestsMax } from "../core/limits.ts";
import { isRemoved } from "../core/protocol/admission.ts";
import type { Knock } from "../core/protocol/knock.ts";
import { NONE, permissionName, WRITE } from "../core/store/power.ts";
import type { SettingsView } from "../core/store/settings-view.ts";
import type { Clock } from "../ports/clock.ts";
import type { OpenDatabase } from "./database.ts";
import { isLabel } from "./label.ts";
import type { LocalStore } from "./local-store.ts";
import type { RequestInfo } from "./permissions-info.ts";
import type { RequestRecord, RequestState } from "./records.ts";
import type { WriteId } from "./writes.ts";

export interface RequestsOptions {
  readonly store: LocalStore;
  readonly clock: Clock;
  /** What `list` answers is different now. */
  readonly changed: (database: DatabaseId) => void;
}

type Decision = Required<Pick<RequestRecord, "decidedBy" | "decidedMs">>;

export class Requests {
  readonly #options: RequestsOptions;
  readonly #byDatabase = new Map<DatabaseId, Map<PublicKey, RequestRecord>>();
  /** An approval of these is being written. */
  readonly #claimed = new Set<string>();

  constructor(options: RequestsOptions) {
    this.#options = options;
    for (const record of options.store.all("request")) this.#of(record.database).set(record.key, record);
  }

  /** Somebody asks. Tells what it has to be told: that an admin said no before. */
  heard(database: OpenDatabase, key: PublicKey, knock: Knock): "rejected" | undefined {
    if (!mayDecide(database) || database.record.requests === false || isRemoved(database.replica, key))
      return undefined;
    this.#forgetOld(database.id);
    const known = this.#of(database.id).get(key);
    if (known?.state === "rejected") return "rejected";
    if (known?.state === "approved" || !this.#makeRoom(database.id, known)) return undefined;
    const { note, sealKey } = knock;
    const power = knock.power < NONE ? knock.power : WRITE;
    const name = isLabel(knock.name, memberNameBytesMax) ? knock.name : "";
    if (known?.name === name && known.note === note && known.power === power) return undefined;
    const askedMs = known?.askedMs ?? this.#options.clock.now();
    const held = known?.held ?? database.replica.authority.power(key);
    const said = { name, note, power, sealKey };
    this.#put({ database: database.id, key, ...said, askedMs, held, state: "pending", ...undecided });
    return undefined;
  }

  /** The latest first; of the same moment in the order of the keys. */
  list(database: DatabaseId): readonly RequestInfo[] {
    this.#forgetOld(database);
    const records = [...this.#of(database).values()];
    records.sort((a, b) => b.askedMs - a.askedMs || (a.key < b.key ? -1 : 1));
    return records.map(({ key, name, note, power, askedMs, state, decidedBy, decidedMs }) => ({
      ...{ key, name, note, state, decidedBy },
      permission: permissionName(power),
      askedAtMs: askedMs,
      decidedAtMs: decidedMs,
    }));
  }

  /** Throws REQUEST_UNKNOWN or REQUEST_DECIDED. */
  pending(database: DatabaseId, key: PublicKey): RequestRecord {
    this.#forgetOld(database);
    const record = this.#of(database).get(key);
    if (record === undefined) throw new TidemarkError("REQUEST_UNKNOWN", { key });
    const isClaimed = this.#claimed.has(keyOf(record));
    if (record.state === "pending" && !isClaimed) return record;
    throw new TidemarkError("REQUEST_DECIDED", { key, got: isClaimed ? "approved" : record.state });
  }

  /** Nobody else decides while `approve` runs. Rejects as `pending` and `approve` do. */
  async approving(
    database: OpenDatabase,
    key: PublicKey,
    approve: (of: RequestRecord) => Promise<void>,
  ): Promise<void> {
    const record = this.pending(database.id, key);
    this.#claimed.add(keyOf(record));
    try {
      await approve(record);
    } finally {
      this.#claimed.delete(keyOf(record));
    }
    this.settle(database);
  }

  /** Throws REQUEST_UNKNOWN or REQUEST_DECIDED, unless this very write rejected it. */
  reject(database: OpenDatabase, key: PublicKey, write?: WriteId): void {
    const decidedBefore = this.#of(database.id).get(key)?.decidedWrite;
    if (write !== undefined && decidedBefore === nameOf(write)) return;
    const record = this.pending(database.id, key);
    const decision: Decision = { decidedBy: database.identity.publicKey, decidedMs: this.#options.clock.now() };
    const decidedWrite = write === undefined ? {} : { decidedWrite: nameOf(write) };
    this.#put({ ...record, state: "rejected", ...decision, ...decidedWrite });
  }

  /** Who may do what changed: whose request was decided by that. */
  settle({ id, replica }: OpenDatabase): void {
    for (const record of this.#of(id).values()) {
      if (record.state === "rejected") continue;
      const isStronger = replica.authority.power(record.key) < record.held;
      const grant = isStronger ? grantOf(replica.settings, record) : undefined;
      if (grant !== undefined) this.#decide(record, "approved", grant);
      // What let it in does not count any more. A key that was removed has had its answer.
      else if (!isRemoved(replica, record.key)) this.#decide(record, "pending", undecided);
    }
  }

  /** The database is gone from here. */
  forget(database: DatabaseId): void {
    for (const record of [...this.#of(database).values()]) this.#delete(record);
    this.#byDatabase.delete(database);
  }

  /** Makes sure that it is on disk. Rejects with a STORAGE_ code. */
  async flush(): Promise<void> {
    await this.#options.store.flush();
  }

  #decide(record: RequestRecord, state: RequestState, { decidedBy, decidedMs }: Decision): void {
    if (record.state === state && record.decidedBy === decidedBy && record.decidedMs === decidedMs) return;
    this.#put({ ...record, state, decidedBy, decidedMs });
  }

  #forgetOld(database: DatabaseId): void {
    const since = this.#options.clock.now() - requestAgeMsMax;
    for (const record of this.#of(database).values()) if (record.askedMs < since) this.#delete(record);
  }

  /** What was decided makes room for what was not, oldest first. */
  #makeRoom(database: DatabaseId, known: RequestRecord | undefined): boolean {
    const records = this.#of(database);
    if (known !== undefined || records.size < requestsMax) return true;
    const decided = [...records.values()].filter(({ state }) => state !== "pending");
    const oldest = decided.sort((a, b) => a.askedMs - b.askedMs)[0];
    if (oldest !== undefined) this.#delete(oldest);
    return oldest !== undefined;
  }

  #put(record: RequestRecord): void {
    this.#of(record.database).set(record.key, record);
    this.#options.store.put("request", keyOf(record), record);
    this.#options.changed(record.database);
  }

  #delete(record: RequestRecord): void {
    this.#of(record.database).delete(record.key);
    this.#options.store.delete("request", keyOf(record));
    this.#options.changed(record.database);
  }

  #of(database: DatabaseId): Map<PublicKey, RequestRecord> {
    const records = this.#byDatabase.get(database) ?? new Map<PublicKey, RequestRecord>();
    this.#byDatabase.set(database, records);
    return records;
  }
}

const undecided: Decision = { decidedBy: undefined, decidedMs: undefined };

function mayDecide({ power }: OpenDatabase): boolean {
  return power < WRITE;
}

/** What made a key stronger: the earliest that counts since it was last as weak as before, as every device sees it. */
function grantOf(settings: SettingsView, { key, held }: RequestRecord): Decision | undefined {
  let grant: Decision | undefined;
  for (const each of settings.sets()) {
    if (each.key !== key) continue;
    if (each.via === "set" && each.power >= held) grant = undefined;
    else grant ??= { decidedBy: each.author, decidedMs: millisecondsOf(each.stamp.time) };
  }
  return grant;
}

function nameOf({ tab, number }: WriteId): string {
  return `${tab}/${number}`;
}

function keyOf({ database, key }: Pick<RequestRecord, "database" | "key">): string {
  return `${database}/${key}`;
}
