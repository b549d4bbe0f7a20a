/**
 * Storage of one leadership: it is over when a later one has claimed the storage, or when it is said to be.
 *
 * [CLIENT-35] Once a leader was fenced off, or lost its lock, nothing reaches its storage any more.
 */
import { TidemarkError } from "../core/errors.ts";
import type { Storage } from "../ports/storage.ts";

export interface FencedStorage {
  readonly storage: Storage;
  /** From now on every call rejects with STORAGE_FENCED, but for `close`. */
  refuse(): void;
  readonly isRefused: boolean;
}

type Method = (...args: unknown[]) => Promise<unknown>;

/** `fenced` hears once that somebody else has claimed `inner`. */
export function fenceStorage(inner: Storage, fenced: () => void): FencedStorage {
  let isRefused = false;
  const pass = async (method: Method, args: unknown[]): Promise<unknown> => {
    try {
      return await method.apply(inner, args);
    } catch (error) {
      if (!isRefused && error instanceof TidemarkError && error.code === "STORAGE_FENCED") {
        isRefused = true;
        fenced();
      }
      throw error;
    }
  };
  const storage = new Proxy(inner, {
    get: (_inner, name) => {
      const value: unknown = Reflect.get(inner, name, inner);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) =>
        isRefused && name !== "close" ? Promise.reject(refused()) : pass(value as Method, args);
    },
  });
  return {
    storage,
    refuse: () => {
      isRefused = true;
    },
    get isRefused() {
      return isRefused;
    },
  };
}

function refused(): TidemarkError {
  return new TidemarkError("STORAGE_FENCED", { got: 0, expected: 0 });
}
