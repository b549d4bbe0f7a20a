/** Locks by the browser: see https://w3c.github.io/web-locks/. It lets go of what a tab or worker held when that ends, however it ends. */
import { TidemarkError } from "../core/errors.ts";
import type { LockOptions, Locks } from "../ports/tabs.ts";

/** Undefined where the browser has none: outside of secure contexts, and in browsers of before 2022. */
export function openWebLocks(): Locks | undefined {
  const manager = globalThis.navigator?.locks as LockManager | undefined;
  return manager === undefined ? undefined : { request: (name, options = {}) => request(manager, name, options) };
}

function request(
  manager: LockManager,
  name: string,
  { signal, steal, ifAvailable, lost }: LockOptions,
): Promise<(() => void) | undefined> {
  if (signal?.aborted) return Promise.reject(aborted(name));
  return new Promise((resolve, reject) => {
    let isHeld = false;
    let isReleased = false;
    const hold = (lock: Lock | null): Promise<void> => {
      if (lock === null) {
        resolve(undefined);
        return Promise.resolve();
      }
      isHeld = true;
      return new Promise<void>((letGo) => {
        resolve(() => {
          isReleased = true;
          letGo();
        });
      });
    };
    // A request that does not wait cannot be aborted, and the browser refuses to be told of it.
    const waits = steal !== true && ifAvailable !== true && signal !== undefined;
    const how: globalThis.LockOptions = {
      ...(steal === true ? { steal } : {}),
      ...(ifAvailable === true ? { ifAvailable } : {}),
      ...(waits ? { signal: signal as globalThis.AbortSignal } : {}),
    };
    manager.request(name, how, hold).catch((error: unknown) => {
      // What was held before rejects when it is stolen.
      if (!isHeld) reject(signal?.aborted ? aborted(name) : unsupported(error));
      else if (!isReleased) lost?.();
    });
  });
}

function aborted(name: string): TidemarkError {
  return new TidemarkError("ABORTED", { call: `lock ${name}` });
}

/** An origin that may not have any, or a page that is going. */
function unsupported(cause: unknown): TidemarkError {
  return new TidemarkError("ENVIRONMENT_UNSUPPORTED", { missing: "navigator.locks" }, { cause });
}
