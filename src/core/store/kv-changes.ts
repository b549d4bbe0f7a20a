/**
 * What a transaction does to a kv store, collected call by call into at most one op per key.
 *
 * [KV-6] Of several calls on one key the last one counts.
 */

import { CborWriter } from "../cbor-writer.ts";
import { keyBytesMax, rowsPerTransactionMax } from "../limits.ts";
import { compareUtf8 } from "../utf8.ts";
import { invalid, validateName } from "./values.ts";

/** Where a key's encoded value stands among all; undefined for a delete. */
type Span = { readonly from: number; readonly to: number } | undefined;

export class KvChanges {
  readonly #store: string;
  readonly #ops = new Map<string, Span>();
  /** Values are encoded when they are handed in: that checks and copies them in one go. */
  readonly #values = new CborWriter();

  /** `store` is the store's name, for failures. */
  constructor(store: string) {
    this.#store = store;
  }

  get isEmpty(): boolean {
    return this.#ops.size === 0;
  }

  /** Fails with `INPUT_INVALID`. */
  set(key: string, value: unknown): void {
    this.#checkKey(key);
    const from = this.#values.length;
    this.#values.writeValue(value, `${this.#store} ${key}`);
    this.#ops.set(key, { from, to: this.#values.length });
  }

  /** The key will hold no value; it need not hold one now. Fails with `INPUT_INVALID`. */
  delete(key: string): void {
    this.#checkKey(key);
    this.#ops.set(key, undefined);
  }

  /** The payload of [KV-1]. There must be something to write. */
  encode(): Uint8Array {
    const keys = [...this.#ops.keys()].sort(compareUtf8);
    const writer = new CborWriter(this.#values.length + 64 * keys.length);
    writer.array(keys.length);
    for (const key of keys) {
      const span = this.#ops.get(key);
      writer.array(span === undefined ? 1 : 2);
      writer.text(key);
      if (span !== undefined) writer.raw(this.#values.view(span.from, span.to));
    }
    return writer.finish();
  }

  #checkKey(key: string): void {
    validateName(key, `${this.#store}: key`, keyBytesMax);
    if (this.#ops.size < rowsPerTransactionMax || this.#ops.has(key)) return;
    throw invalid(this.#store, this.#ops.size + 1, `at most ${rowsPerTransactionMax} keys in one transaction`);
  }
}
