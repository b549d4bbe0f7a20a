/**
 * A store of a type that this version does not know, only so that it is listed.
 *
 * [STORE-12] Its checkpoint is a null, which no known type accepts: a version that knows the type finds that the entries were
 *            not folded, and folds them.
 */
import { CborWriter } from "../cbor-writer.ts";
import { assert, type Result, success } from "../errors.ts";
import type { StoreState } from "./kind.ts";
import { isAfter, laterPart, unsaved } from "./part-counts.ts";

export class UnknownState implements StoreState<undefined, never> {
  #part: number | undefined = undefined;

  merge(): undefined {
    this.#part = unsaved;
  }

  checkpoint(since: number, number: number): Uint8Array | undefined {
    assert(number > since, "checkpoints are numbered upwards");
    if (this.sizeSince(since) === 0) return undefined;
    this.#part = number;
    return this.encode();
  }

  /** Takes any bytes: a version that knows the type may have written them, and they stay in their part. */
  restore(_: Uint8Array, number: number): Result<void> {
    this.#part = this.#part === undefined ? number : laterPart(this.#part, number);
    return success(undefined);
  }

  sizeSince(since: number): number {
    return this.#part !== undefined && isAfter(this.#part, since) ? 1 : 0;
  }

  encode(): Uint8Array {
    const writer = new CborWriter();
    writer.null();
    return writer.finish();
  }
}
