/**
 * How a database is doing: what is saved here, what has reached others, who is connected; and what the app wants of its
 * sync.
 */
import type { DatabaseId } from "../core/ids.ts";
import { preferencesIntervalMsMin, preferencesPropertiesMax, propertyBytesMax, timerMsMax } from "../core/limits.ts";
import { invalid } from "../core/store/values.ts";
import { checkLabel, isTextOf } from "../engine/label.ts";
import type { PreferencesRecord } from "../engine/records.ts";
import {
  assertBoolean,
  assertFunction,
  assertInteger,
  assertLabel,
  assertObject,
  given,
  toPublicKey,
} from "./input.ts";
import { Job } from "./job.ts";
import type { Line } from "./line.ts";
import { Listeners, type Stop } from "./listeners.ts";
import { PeerSync } from "./peer-sync.ts";
import { type DatabaseStatus, type Exchange, type JobInfo, toStatus, withCid } from "./sync-info.ts";

export interface Progress {
  /** Entries that came in since the comparison with a peer, and how many it is in all. */
  readonly received: number;
  readonly total: number;
  /** The same in bytes. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface SyncEvents {
  /** At most 20 times a second. */
  status: DatabaseStatus;
  /** Once per batch that comes in. */
  progress: Progress;
  /** A job of this database, about once per batch and when its state changes. */
  job: JobInfo;
}

/** What one part of an app wants of a database's sync. */
export interface Preferences {
  /** False: nothing is said about the database to anybody, unless another part of the app wants it. Default: true. */
  readonly enabled?: boolean;
  /** New entries are sent at once; otherwise they wait for the interval. Default: true. */
  readonly onCommit?: boolean;
  /**
   * Compared with every peer this often, in milliseconds, at least 1,000. 0, the default: as often as the settings say.
   */
  readonly intervalMs?: number;
  /** For the app; not interpreted. At most 32 texts of 256 bytes. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** Of all parts of the app together: any that enables, any that sends at once, the shortest interval. */
export type CombinedPreferences = Omit<PreferencesRecord, "user" | "database">;

export class Sync {
  readonly #database: DatabaseId;
  readonly #line: Line;
  readonly #listeners = new Listeners<SyncEvents>(["status", "progress", "job"]);

  /** For `Database`. */
  constructor(database: DatabaseId, line: Line) {
    this.#database = database;
    this.#line = line;
  }

  /** As it is now. */
  async status(): Promise<DatabaseStatus> {
    return toStatus(await this.#line.call("status", (api) => api.status(this.#database)));
  }

  on<E extends keyof SyncEvents>(event: E, listener: (data: SyncEvents[E]) => void): Stop {
    return this.#listeners.on(event, listener);
  }

  /** Calls `listener` with the status: first as it is, then after every change. */
  subscribe(listener: (status: DatabaseStatus) => void): Stop {
    assertFunction(listener, "listener");
    const stop = this.on("status", listener);
    let stopped = false;
    this.status().then(
      (status) => {
        if (!stopped) listener(status);
      },
      () => {}, // Closed: there is nothing to show any more.
    );
    return () => {
      stopped = true;
      stop();
    };
  }

  /** This database and one peer, by its key; it need not be known yet. Throws INPUT_INVALID. */
  peer(key: string): PeerSync {
    return new PeerSync(toPublicKey(key), this.#database, this.#line);
  }

  /** Jobs that run or wait, and those that ended lately. */
  async jobs(): Promise<readonly Job[]> {
    const jobs = await this.#line.command("jobs", { database: this.#database });
    return jobs.map(({ id }) => this.#job(id));
  }

  /**
   * Asks a peer, or whoever is connected, for everything that is missing here. It happens by itself too; this is for
   * those who want to see or steer it. The job is there at once. Rejects with PEER_UNKNOWN when nobody is known to ask.
   *
   * @example
   * const job = await db.sync.start();
   * const stop = job.on("changed", ({ receivedEntries, totalEntries }) => bar(receivedEntries / totalEntries));
   * await job.done();
   */
  async start(options: { readonly peer?: string } = {}): Promise<Job> {
    assertObject(options, "options of start", "{ peer }");
    const peer = options.peer === undefined ? undefined : toPublicKey(options.peer);
    const { id } = await this.#line.command("startJob", given({ database: this.#database, peer }));
    return this.#job(id);
  }

  /**
   * What one part of the app, such as a view, wants of this database's sync; `user` names it, 1 to 64 bytes, and each
   * of its calls replaces the one before. Remembered over restarts. Those of all users are combined. Rejects with
   * INPUT_INVALID.
   */
  async setPreferences(user: string, preferences: Preferences): Promise<void> {
    assertLabel(user, "user");
    assertObject(preferences, "preferences", "{ enabled, onCommit, intervalMs, properties }");
    const { enabled = true, onCommit = true, intervalMs = 0, properties = {} } = preferences;
    assertBoolean(enabled, "enabled");
    assertBoolean(onCommit, "onCommit");
    checkInterval(intervalMs);
    checkProperties(properties);
    const database = this.#database;
    await this.#line.command("setPreferences", { database, user, enabled, onCommit, intervalMs, properties });
  }

  /** Does nothing when that user has none. */
  async removePreferences(user: string): Promise<void> {
    assertLabel(user, "user");
    await this.#line.command("removePreferences", { database: this.#database, user });
  }

  /** Those of all users, combined. */
  preferences(): Promise<CombinedPreferences> {
    return this.#line.command("preferences", { database: this.#database });
  }

  /** Lets the database sync; remembered. Done by itself when it is shared, joined, or somebody else is let in. */
  async enable(): Promise<void> {
    await this.#line.call("sync.enable", (api) => api.setSync(this.#database, true));
  }

  /**
   * Nothing is said about the database to anybody from now on, whatever the preferences say; remembered. Others are answered as if it were not
   * here. A database that was made here and never shared starts like this.
   */
  async disable(): Promise<void> {
    await this.#line.call("sync.disable", (api) => api.setSync(this.#database, false));
  }

  /** Finished exchanges about this database, the newest first. */
  async history(): Promise<readonly Exchange[]> {
    return (await this.#line.command("history", { database: this.#database })).map(withCid);
  }

  /** For `Instance`: another leader serves this page, who is connected to others. */
  async reread(): Promise<void> {
    if (!this.#listeners.has("status")) return;
    const status = await this.status().catch(() => undefined); // Closed, or the database is gone: there is nothing to show.
    if (status !== undefined) this.take("status", status);
  }

  /** For `Instance`: an event of the worker. */
  take<E extends keyof SyncEvents>(event: E, data: SyncEvents[E]): void {
    this.#listeners.emit(event, data);
  }

  #job(id: string): Job {
    return new Job(id, this.#database, this.#line, (listener) => this.on("job", listener));
  }
}

function checkInterval(ms: number): void {
  if (ms !== 0) assertInteger(ms, "intervalMs", preferencesIntervalMsMin, timerMsMax);
}

function checkProperties(properties: Readonly<Record<string, unknown>>): void {
  assertObject(properties, "properties", "an object of texts");
  const entries = Object.entries(properties);
  if (entries.length > preferencesPropertiesMax) {
    throw invalid("properties", `${entries.length} of them`, `at most ${preferencesPropertiesMax}`);
  }
  for (const [name, value] of entries) {
    checkLabel("name of a property", name, propertyBytesMax);
    if (!isTextOf(value, propertyBytesMax))
      throw invalid(`property ${name}`, value, `at most ${propertyBytesMax} bytes of text`);
  }
}
