/**
 * What several users of the instance want about the sync of a database, and what comes of it.
 *
 * [PREFERENCES-1] Whoever wants more gets it: nobody's wish is undone by another's.
 */
import { show, TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import {
  peerNameBytesMax,
  preferencesIntervalMsMin,
  preferencesPropertiesMax,
  preferencesUsersMax,
  propertyBytesMax,
  timerMsMax,
} from "../core/limits.ts";
import { checkLabel, isTextOf } from "./label.ts";
import type { LocalStore } from "./local-store.ts";
import type { PreferencesRecord } from "./records.ts";

export type CombinedPreferences = Omit<PreferencesRecord, "database" | "user">;

/** Nobody said anything. */
const unsaid: CombinedPreferences = { enabled: true, onCommit: true, intervalMs: 0, properties: {} };

export class Preferences {
  readonly #store: LocalStore;
  /** Of databases that somebody said something about, by user. */
  readonly #records = new Map<DatabaseId, Map<string, PreferencesRecord>>();
  /** Asked for with every entry; of the same databases. */
  readonly #combined = new Map<DatabaseId, CombinedPreferences>();

  constructor(store: LocalStore) {
    this.#store = store;
    for (const record of store.all("preferences")) this.#take(record);
    for (const database of this.#records.keys()) this.#combine(database);
  }

  /** In place of what this user said about the database before. Fails with INPUT_INVALID, then nothing is changed. */
  set(given: PreferencesRecord): void {
    const record = checked(given);
    const users = this.#records.get(record.database);
    if (users?.size === preferencesUsersMax && !users.has(record.user)) {
      throw invalid("user", `${users.size + 1} users`, `at most ${preferencesUsersMax} of one database`);
    }
    this.#store.put("preferences", keyOf(record), record);
    this.#take(record);
    this.#combine(record.database);
  }

  /** Absent: no error. */
  remove(database: DatabaseId, user: string): void {
    if (this.#records.get(database)?.delete(user) !== true) return;
    this.#store.delete("preferences", keyOf({ database, user }));
    this.#combine(database);
  }

  /**
   * Enabled, and pushed on commit, when anybody wants it; the shortest of the intervals that are not 0; of properties with the same name
   * that of the last user, in the order of their names. Nobody said anything: enabled, on commit, no interval of its own.
   */
  combined(database: DatabaseId): CombinedPreferences {
    return this.#combined.get(database) ?? unsaid;
  }

  forgetDatabase(database: DatabaseId): void {
    for (const user of this.#records.get(database)?.keys() ?? []) {
      this.#store.delete("preferences", keyOf({ database, user }));
    }
    this.#records.delete(database);
    this.#combined.delete(database);
  }

  #take(record: PreferencesRecord): void {
    const users = this.#records.get(record.database) ?? new Map<string, PreferencesRecord>();
    this.#records.set(record.database, users.set(record.user, record));
  }

  #combine(database: DatabaseId): void {
    const records = [...(this.#records.get(database)?.values() ?? [])];
    if (records.length > 0) this.#combined.set(database, combine(records));
    else this.forgetDatabase(database);
  }
}

function combine(records: readonly PreferencesRecord[]): CombinedPreferences {
  const ordered = [...records].sort((a, b) => (a.user < b.user ? -1 : 1));
  const intervals = records.map(({ intervalMs }) => intervalMs).filter((ms) => ms > 0);
  return {
    enabled: records.some(({ enabled }) => enabled),
    onCommit: records.some(({ onCommit }) => onCommit),
    intervalMs: intervals.length === 0 ? 0 : Math.min(...intervals),
    properties: Object.fromEntries(ordered.flatMap(({ properties }) => Object.entries(properties))),
  };
}

function keyOf({ database, user }: Pick<PreferencesRecord, "database" | "user">): string {
  return `${database}/${user}`;
}

/** A copy that nobody else can alter. */
function checked(given: PreferencesRecord): PreferencesRecord {
  const { database, user, enabled, onCommit, intervalMs } = given;
  checkLabel("user", user, peerNameBytesMax);
  if (user === "") throw invalid("user", show(user), "a name");
  checkFlag("enabled", enabled);
  checkFlag("onCommit", onCommit);
  checkInterval(intervalMs);
  return { database, user, enabled, onCommit, intervalMs, properties: checkedProperties(given.properties) };
}

function checkFlag(field: string, value: unknown): void {
  if (typeof value !== "boolean") throw invalid(field, show(value), "true or false");
}

function checkInterval(ms: number): void {
  if (ms === 0 || (Number.isInteger(ms) && ms >= preferencesIntervalMsMin && ms <= timerMsMax)) return;
  throw invalid("intervalMs", show(ms), `0, or a whole number from ${preferencesIntervalMsMin} to ${timerMsMax}`);
}

function checkedProperties(given: unknown): Readonly<Record<string, string>> {
  if (typeof given !== "object" || given === null) throw invalid("properties", show(given), "an object");
  const properties = Object.entries(given);
  if (properties.length > preferencesPropertiesMax) {
    throw invalid("properties", `${properties.length} of them`, `at most ${preferencesPropertiesMax}`);
  }
  for (const [name, value] of properties) {
    checkLabel("property name", name, propertyBytesMax);
    checkText(name, value);
  }
  return Object.fromEntries(properties);
}

/** Values are the app's own: they may have several lines. */
function checkText(name: string, value: unknown): void {
  if (typeof value === "string" && isTextOf(value, propertyBytesMax)) return;
  throw invalid(`property ${show(name)}`, show(value), `well-formed text of at most ${propertyBytesMax} bytes`);
}

function invalid(field: string, got: string, expected: string): TidemarkError {
  return new TidemarkError("INPUT_INVALID", { field, got, expected });
}
