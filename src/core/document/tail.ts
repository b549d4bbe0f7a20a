/**
 * The tail of a change: what is sent of it, all that cannot be derived. `change-bytes.ts` puts it behind what can be.
 *
 * ```
 * time  message  others  columns  data
 * ```
 * [DOC-2] A tail is read strictly and within limits, in the one form that Automerge writes.
 * [DOC-3] The others are the actors that its ops name, each once, in the order of their bytes.
 * [DOC-9] Its ops and preds are counted before any is made.
 * [DOC-4] Columns: op-columns.ts. [DOC-5], [DOC-6] Operations: op.ts.
 * So whatever is taken is, byte for byte, what encoding it again would give: the hash of the change is still right when Automerge has
 * loaded, saved and loaded it. Deliberately not here: whatever takes the document or the change's own actor to decide. That actor may stand among the
 * others; preds of one counter may be out of order where one of them is its own; what is named may not exist (references.ts).
 */
import { compareBytes } from "../bytes.ts";
import { attempt, type Result } from "../errors.ts";
import {
  actorBytesMax,
  actorBytesMin,
  changeActorsMax,
  changeMessageBytesMax,
  changeOpsMax,
  changePredsMax,
  changeTailBytesMax,
} from "../limits.ts";
import { payloadError } from "../store/payload.ts";
import { LebReader, type Refuse } from "./leb128.ts";
import type { Op } from "./op.ts";
import { measureColumn } from "./op-columns.ts";
import { column, columnReader, OpReader, readBounds } from "./op-reader.ts";

export type { Op, OpId } from "./op.ts";

export interface ChangeTail {
  /** Seconds since 1970, as its author says. */
  readonly time: number;
  readonly message: string;
  /** Views into the tail. */
  readonly others: readonly Uint8Array[];
  readonly ops: readonly Op[];
}

/** Strict: fails with ENTRY_PAYLOAD. `store` is the name, for the failure's details. */
export function decodeTail(store: string, bytes: Uint8Array): Result<ChangeTail> {
  return attempt(() => readTail(bytes, (got, expected) => payloadError(store, got, expected)));
}

/** How many ops a tail holds that `decodeTail` takes. Makes none of them. */
export function countOps(bytes: Uint8Array): number {
  const reader = new LebReader(bytes, bug);
  reader.int();
  reader.skip(reader.uint());
  for (let left = reader.uint(); left > 0; left--) reader.skip(reader.uint());
  return measureColumn(columnReader(reader, readBounds(reader), column.action)).count;
}

function bug(got: string): Error {
  return new Error(`Tidemark bug: the ops of a tail were counted that has ${got}`);
}

function readTail(bytes: Uint8Array, refuse: Refuse): ChangeTail {
  if (bytes.length > changeTailBytesMax) throw refuse(`a tail of ${bytes.length} bytes`, `${changeTailBytesMax}`);
  const reader = new LebReader(bytes, refuse);
  const time = reader.int();
  const message = reader.text(changeMessageBytesMax);
  const others = readOthers(reader);
  return { time, message, others, ops: readOps(reader, others.length) };
}

function readOthers(reader: LebReader): readonly Uint8Array[] {
  const others: Uint8Array[] = [];
  for (let left = reader.uint(changeActorsMax); left > 0; left--) {
    const actor = reader.take(reader.uint(actorBytesMax));
    if (actor.length < actorBytesMin) throw reader.refuse(`an actor of ${actor.length} bytes`, `${actorBytesMin}`);
    const previous = others.at(-1);
    if (previous !== undefined && compareBytes(previous, actor) >= 0)
      throw reader.refuse("actors out of order", "sorted and unique ones");
    others.push(actor);
  }
  return others;
}

function readOps(reader: LebReader, others: number): readonly Op[] {
  const bounds = readBounds(reader);
  const count = measureColumn(columnReader(reader, bounds, column.action)).count;
  if (count > changeOpsMax) throw reader.refuse(`${count} ops`, `at most ${changeOpsMax}`);
  const preds = measureColumn(columnReader(reader, bounds, column.predCount)).sum;
  if (preds > changePredsMax) throw reader.refuse(`${preds} preds`, `at most ${changePredsMax}`);
  return new OpReader(reader, bounds, { ops: count, others }).read();
}
