/** What the browser's exceptions mean to us: [STORAGE-5]. */
import { TidemarkError } from "../core/errors.ts";

/** Thrown when a stored value cannot be turned back into one, or its file or object store is gone. */
const corruption = new Set(["DataError", "NotReadableError", "NotFoundError"]);

/** A `TidemarkError` stays what it is; anything else becomes its cause. */
export function toStorageError(error: unknown): TidemarkError {
  if (error instanceof TidemarkError) return error;
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const options = { cause: error };
  if (name === "QuotaExceededError") {
    return new TidemarkError("STORAGE_QUOTA", { reason: message || "the quota of this site is used up" }, options);
  }
  if (corruption.has(name)) return new TidemarkError("STORAGE_CORRUPT", { where: `${name}: ${message}` }, options);
  if (name === "VersionError") return unavailable("it was written by a newer version of Tidemark", error);
  return unavailable(`${name}: ${message}`, error);
}

export function unavailable(reason: string, cause?: unknown): TidemarkError<"STORAGE_UNAVAILABLE"> {
  return new TidemarkError("STORAGE_UNAVAILABLE", { reason }, { cause });
}
