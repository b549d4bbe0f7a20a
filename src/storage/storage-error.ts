/** What the browser's exceptions mean to us: [STORAGE-5]. */
import { TidemarkError } from "../core/errors.ts";

/** Thrown when a stored value cannot be turned back into one, or its file or object store is gone. */
const corruption = new Set(["DataError", "NotReadableError", "NotFoundError"]);

/** How a transaction ends, or is refused, when the browser has closed the connection under it. Chromium says UnknownError. */
const disconnections = new Set(["AbortError", "InvalidStateError", "UnknownError"]);

/** How IndexedDB is refused: by a setting, or in a private window. */
const refusals = new Set(["SecurityError", "InvalidStateError"]);

/** Whether it may be right on a new connection. */
export function isDisconnection(error: unknown): boolean {
  return error instanceof DOMException && disconnections.has(error.name);
}

/** Whether a unique index refused what was to be written. */
export function isConflict(error: unknown): boolean {
  const reason = error instanceof TidemarkError ? error.cause : error;
  return reason instanceof DOMException && reason.name === "ConstraintError";
}

/** Whether there is no IndexedDB for this page at all: neither full, nor damaged, nor newer, nor held by another tab. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof TidemarkError) || error.code !== "STORAGE_UNAVAILABLE") return false;
  const { cause } = error;
  return cause === undefined ? globalThis.indexedDB === undefined : cause instanceof Error && refusals.has(cause.name);
}

/** A `TidemarkError` stays what it is; anything else becomes its cause. */
export function toStorageError(error: unknown): TidemarkError {
  if (error instanceof TidemarkError) return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const options = { cause: error };
  if (name === "QuotaExceededError") {
    return new TidemarkError("STORAGE_QUOTA", { reason: message || "the quota of this site is used up" }, options);
  }
  if (corruption.has(name)) return new TidemarkError("STORAGE_CORRUPT", { where: `${name}: ${message}` }, options);
  return unavailable(`${name}: ${message}`, error);
}

export function unavailable(reason: string, cause?: unknown): TidemarkError<"STORAGE_UNAVAILABLE"> {
  return new TidemarkError("STORAGE_UNAVAILABLE", { reason }, { cause });
}
