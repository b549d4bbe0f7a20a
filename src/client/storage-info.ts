/** What the device makes of what it is given to keep: whether it stays, how much there is, and whether it is whole. */
import { TidemarkError } from "../core/errors.ts";
import { persistTimeoutMs } from "../core/limits.ts";
import { healthyStorage, type StorageHealth } from "../engine/storage-health.ts";
import type { VerifyProgress, VerifyReport } from "../engine/verify.ts";
import type { BootInfo } from "../worker/api.ts";
import { assertFunction, assertObject } from "./input.ts";
import type { Line } from "./line.ts";
import type { StoragePlatform } from "./storage-platform.ts";
import { addSample, daysUntilFull, growthPerDay, type UsageSample } from "./usage.ts";

/**
 * persistent: on disk, and the browser has promised to keep it. best-effort: on disk, and the browser may delete it when the disk gets full or the
 * site is not visited. at-risk: what is written now may not be kept, or something that was kept is damaged. memory: nothing outlives the tab that leads.
 */
export type StorageState = "persistent" | "best-effort" | "at-risk" | "memory";

export interface StorageStatus {
  readonly state: StorageState;
  /**
   * Why it is not "persistent". full: the quota is used up. failing: writing fails for another reason. damaged: entries that were stored cannot be
   * read, and have not come back from a peer. unpersisted: the browser has promised nothing. unavailable: there is no IndexedDB here.
   */
  readonly reason: "full" | "failing" | "damaged" | "unpersisted" | "unavailable" | undefined;
  /** Of the whole origin, as the browser estimates it; undefined where it does not. */
  readonly usedBytes: number | undefined;
  /** What the origin may use, as the browser estimates it; undefined where it does not. */
  readonly quotaBytes: number | undefined;
  readonly freeBytes: number | undefined;
  /** By how much `usedBytes` grew per day over the last 30 days; undefined as long as it was watched for less than a day. May be negative. */
  readonly bytesPerDay: number | undefined;
  /** Until nothing is free, if it goes on like that; undefined when it does not grow. */
  readonly fullInDays: number | undefined;
  /** Entries, of all databases, that are damaged or gone on this device and are asked for from peers. */
  readonly damagedEntries: number;
  /** Whether the browser has promised to keep what is stored. */
  readonly persisted: boolean;
}

export interface VerifyOptions {
  /** Ends it: rejects with ABORTED at once. What was found to be damaged by then is healed all the same. */
  readonly signal?: AbortSignal;
  /** Several times a second. */
  readonly onProgress?: (progress: VerifyProgress) => void;
}

/** Small facts that outlive the page, for itself alone. */
export interface Facts {
  get(name: string): Promise<unknown>;
  set(name: string, value: unknown): Promise<void>;
}

export interface StorageInfoOptions {
  readonly line: Pick<Line, "call" | "send">;
  readonly platform: StoragePlatform;
  readonly facts: Facts;
  /** never: the browser is asked to keep what is stored only when the app calls `persist`. */
  readonly persist: "auto" | "never";
  readonly changed: (status: StorageStatus) => void;
}

export class StorageInfo {
  readonly #options: StorageInfoOptions;
  readonly #progress = new Map<number, (progress: VerifyProgress) => void>();
  #kind: BootInfo["storage"] = "idb";
  #health: StorageHealth = healthyStorage;
  #persisted = false;
  #verifications = 0;
  #hasAsked = false;
  #hasWritten = false;

  /** For `Instance`. */
  constructor(options: StorageInfoOptions) {
    this.#options = options;
  }

  /** As last heard; `status` asks, and "storage" of the instance tells of changes. */
  state(): StorageState {
    if (this.#kind === "memory") return "memory";
    if (this.#health.type !== "ok" || this.#health.damagedEntries > 0) return "at-risk";
    return this.#persisted ? "persistent" : "best-effort";
  }

  /**
   * Everything at once, as it is now. Also keeps a sample a day of how much is stored, for the forecast. Rejects with INSTANCE_CLOSED.
   *
   * @example
   * const { state, usedBytes, fullInDays } = await tide.storage.status();
   */
  async status(): Promise<StorageStatus> {
    this.#health = await this.#options.line.call("storage.status", (api) => api.storageHealth());
    return this.#read();
  }

  /**
   * Asks the browser to keep what is stored even when the disk gets full; some ask their user. Resolves with whether it will, and with false after ten
   * seconds without an answer; one that comes later counts, and is told by "storage". By itself this is asked once per device, when
   * the user first makes, shares or joins a database, unless `open` was told never to.
   */
  async persist(): Promise<boolean> {
    const { platform } = this.#options;
    const asked = platform.persist().then(async (persisted) => {
      if (persisted !== this.#persisted) await this.#tell();
      return persisted;
    });
    return await Promise.race([asked.catch(() => false), platform.after(persistTimeoutMs).then(() => false)]);
  }

  /**
   * Reads and hashes everything that is stored on this device. What is not as it was written is put aside, and taken from another place on this
   * device or from any peer; meanwhile everything else goes on. Resolves with what was found. Rejects with ABORTED, INSTANCE_CLOSED,
   * or a STORAGE_ code. When the tab that leads ends meanwhile it begins anew.
   *
   * @example
   * const { checked, damaged, healed } = await tide.storage.verify({ onProgress: ({ checked, total }) => bar(checked / total) });
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    assertObject(options, "options of verify", "{ signal, onProgress }");
    const { signal, onProgress } = options;
    if (onProgress !== undefined) assertFunction(onProgress, "onProgress");
    if (signal?.aborted) throw new TidemarkError("ABORTED", { call: "storage.verify" });
    const id = ++this.#verifications;
    if (onProgress !== undefined) this.#progress.set(id, onProgress);
    const cancel = (): void => this.#options.line.send((api) => api.cancelVerify(id));
    signal?.addEventListener("abort", cancel);
    try {
      return await this.#options.line.call(
        "storage.verify",
        (api) => api.verify(id),
        signal === undefined ? {} : { signal },
      );
    } finally {
      this.#progress.delete(id);
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** For `Instance`: this page has a leader. */
  async attached(kind: BootInfo["storage"]): Promise<void> {
    const before = this.state();
    this.#kind = kind;
    this.#persisted = await this.#options.platform.persisted();
    await this.#sample(await this.#options.platform.estimate());
    if (this.state() !== before) await this.#tell();
  }

  /** For `Instance`: an event of the worker. */
  async take(health: StorageHealth): Promise<void> {
    this.#health = health;
    await this.#tell();
  }

  /** For `Instance`: an event of the worker. */
  progressed(id: number, progress: VerifyProgress): void {
    this.#progress.get(id)?.(progress);
  }

  /** For `Instance`: something was written; `matters`: something that its user would miss. */
  async noteWrite(matters: boolean): Promise<void> {
    if (this.#options.persist === "never" || this.#hasAsked || this.#kind === "memory") return;
    if (!matters && this.#hasWritten) return;
    this.#hasWritten = true;
    if (matters) this.#hasAsked = true;
    const { platform, facts } = this.#options;
    if (await platform.persisted()) return;
    if (!(await platform.isGranted())) {
      if (!matters || (await facts.get(askedFact)) !== undefined) return;
      await facts.set(askedFact, true);
    }
    await this.persist();
  }

  async #tell(): Promise<void> {
    this.#options.changed(await this.#read());
  }

  async #read(): Promise<StorageStatus> {
    const { platform } = this.#options;
    const [{ usage, quota }, persisted] = await Promise.all([platform.estimate(), platform.persisted()]);
    this.#persisted = persisted;
    const samples = await this.#sample({ usage });
    const freeBytes = usage === undefined || quota === undefined ? undefined : Math.max(0, quota - usage);
    const now = usage === undefined ? undefined : { atMs: platform.now(), usedBytes: usage };
    const bytesPerDay = now && growthPerDay(samples, now);
    return {
      state: this.state(),
      reason: this.#reason(),
      usedBytes: usage,
      quotaBytes: quota,
      freeBytes,
      bytesPerDay,
      fullInDays: freeBytes === undefined ? undefined : daysUntilFull(freeBytes, bytesPerDay),
      damagedEntries: this.#health.damagedEntries,
      persisted,
    };
  }

  #reason(): StorageStatus["reason"] {
    if (this.#kind === "memory") return "unavailable";
    if (this.#health.type !== "ok") return this.#health.type;
    if (this.#health.damagedEntries > 0) return "damaged";
    return this.#persisted ? undefined : "unpersisted";
  }

  /** Those kept until now. */
  async #sample({ usage }: { readonly usage?: number | undefined }): Promise<readonly UsageSample[]> {
    const { platform, facts } = this.#options;
    const kept = toSamples(await facts.get(usageFact));
    if (usage === undefined) return kept;
    const samples = addSample(kept, { atMs: platform.now(), usedBytes: usage });
    if (samples !== kept) await facts.set(usageFact, samples);
    return samples;
  }
}

const askedFact = "persistAsked";
const usageFact = "usage";

/** What is stored may be damaged. */
function toSamples(value: unknown): readonly UsageSample[] {
  if (!Array.isArray(value)) return [];
  return value.filter((one): one is UsageSample => Number.isFinite(one?.atMs) && Number.isFinite(one?.usedBytes));
}
