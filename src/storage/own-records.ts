/** Small records as they were when they were handed in. */
import { show, TidemarkError } from "../core/errors.ts";
import type { LocalRecord, WriteRow } from "../ports/storage.ts";

/** Throws INPUT_INVALID for what no structured clone carries: before anything is written. */
export function ownRecords(changes: readonly LocalRecord[]): readonly LocalRecord[] {
  return changes.map(({ kind, key, value }) => ({ kind, key, value: clone(kind, value) }));
}

/** The same for what was done for tabs. */
export function ownRows(writes: readonly WriteRow[]): readonly WriteRow[] {
  return writes.map(({ tab, value }) => ({ tab, value: clone("writes", value) }));
}

function clone(field: string, value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    throw new TidemarkError("INPUT_INVALID", { field, got: show(value), expected: "plain data" });
  }
}
