/** A value as it lies on the disk: beside a checksum over it and its key, and one over its key alone. */
import { checksumOf } from "../storage/sealed-value.ts";

/** What is stored has this form for ever: a better one is another database. */
export interface StoredValue {
  readonly key: readonly string[];
  readonly keySum: number;
  readonly data: Uint8Array;
  /** Over the key as well, so that no value is taken for another one's. */
  readonly sum: number;
}

export type Opened =
  | { readonly type: "sound"; readonly key: readonly string[]; readonly data: Uint8Array }
  | {
      readonly type: "damaged";
      /** Undefined: nobody knows whose value it was. */
      readonly key: readonly string[] | undefined;
      /** What is left of it. */
      readonly data: Uint8Array;
    };

export function sealStored(key: readonly string[], data: Uint8Array): StoredValue {
  // A view into a larger buffer would be stored with all of that.
  const own = new Uint8Array(data);
  return { key: [...key], keySum: checksumOf(key, 2), data: own, sum: checksumOf([key, own], 2) };
}

/** Takes anything: a disk may give anything. */
export function openStored(stored: unknown): Opened {
  const { key, keySum, data, sum } = (typeof stored === "object" && stored !== null ? stored : {}) as Partial<
    Record<keyof StoredValue, unknown>
  >;
  const left = data instanceof Uint8Array ? data : new Uint8Array();
  const knownKey = isKey(key) && keySum === checksumOf(key, 2) ? key : undefined;
  if (knownKey === undefined || data !== left || sum !== checksumOf([key, data], 2))
    return { type: "damaged", key: knownKey, data: left };
  return { type: "sound", key: knownKey, data: left };
}

export function isKey(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((part) => typeof part === "string");
}
