/**
 * Whether any replica would take a change that this page has made: Automerge lets an app write what no entry may hold.
 *
 * [DOC-43] An integer beyond ±(2^53 − 1), a counter or an increment beyond [DOC-40], a mark called `__proto__` and a message beyond 4 KiB are refused with
 *          INPUT_INVALID, which says what was got; what is larger than a change may be, with ENTRY_TOO_LARGE.
 * It costs some 15 µs a keystroke, so it is no part of `change` itself.
 */
import { countOps, decodeTail } from "../../core/document/tail.ts";
import { TidemarkError } from "../../core/errors.ts";
import { changeOpsMax, changeTailBytesMax } from "../../core/limits.ts";

export interface CheckedDraft {
  readonly ops: number;
  /** Why every replica refuses it. */
  readonly fault?: TidemarkError;
}

/** Of the tail of a change that Automerge has made. */
export function checkDraft(tail: Uint8Array): CheckedDraft {
  const ops = countOps(tail);
  const fault = sizeFault(tail.length, changeTailBytesMax) ?? sizeFault(ops, changeOpsMax) ?? formFault(tail);
  return fault === undefined ? { ops } : { ops, fault };
}

function sizeFault(got: number, max: number): TidemarkError | undefined {
  return got > max ? new TidemarkError("ENTRY_TOO_LARGE", { got, max }) : undefined;
}

function formFault(tail: Uint8Array): TidemarkError | undefined {
  const decoded = decodeTail("", tail);
  if (decoded.ok) return undefined;
  const { got, expected } = decoded.failure.details as { readonly got: string; readonly expected: string };
  return new TidemarkError("INPUT_INVALID", { field: "change", got, expected });
}
