/** What a browser says and does about keeping what a site stores. Where it can say nothing, nothing is promised. */

export interface StoragePlatform {
  estimate(): Promise<{ readonly usage?: number | undefined; readonly quota?: number | undefined }>;
  persisted(): Promise<boolean>;
  /** Whether `persist` would be granted without asking anybody. */
  isGranted(): Promise<boolean>;
  /** Never settles in a headless Firefox. */
  persist(): Promise<boolean>;
  /** Milliseconds since 1970. */
  now(): number;
  after(ms: number): Promise<void>;
}

export const browserStorage: StoragePlatform = {
  estimate: () => orElse({}, () => navigator.storage.estimate()),
  persisted: () => orElse(false, () => navigator.storage.persisted()),
  isGranted: () =>
    orElse(false, async () => (await navigator.permissions.query({ name: "persistent-storage" })).state === "granted"),
  persist: () => orElse(false, () => navigator.storage.persist()),
  now: () => Date.now(),
  after: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/** Old browsers lack some of it, and private windows may forbid the rest. */
async function orElse<T>(otherwise: T, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch {
    return otherwise;
  }
}
