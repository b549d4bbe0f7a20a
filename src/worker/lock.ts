/** One engine per origin and instance name, by Web Locks: the browser lets go of a lock however its worker ends. */
import { TidemarkError } from "../core/errors.ts";

/** A reloaded page waits this long for the engine before it; a closed tab's lock is free within some 30 ms. */
const lockTimeoutMs = 3_000;

/** Resolves with the way to let go. Rejects with INSTANCE_IN_USE when another tab keeps the lock. */
export async function holdInstanceLock(name: string): Promise<() => void> {
  const signal = AbortSignal.timeout(lockTimeoutMs);
  try {
    return await holdLock(`tidemark/${name}`, signal);
  } catch (error) {
    if (signal.aborted) throw new TidemarkError("INSTANCE_IN_USE", { name });
    throw error;
  }
}

/** Without Web Locks there is nothing to hold: the app has to see to it that one tab has the instance open. */
export function holdLock(lock: string, signal?: AbortSignal): Promise<() => void> {
  if (navigator.locks === undefined) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    const options = signal === undefined ? {} : { signal };
    navigator.locks
      .request(lock, options, () => new Promise<void>((release) => resolve(() => release())))
      .catch(reject);
  });
}
