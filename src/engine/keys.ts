/**
 * Which key this device uses where.
 *
 * [KEYS-16] A database is signed for by the key that its record names, else by the device's. When that key is not here, what the
 *           database holds can be read, and whatever is to be signed is refused with KEY_UNKNOWN.
 * [KEYS-17] A key that a database uses, or is about to, cannot be deleted.
 */
import { TidemarkError } from "../core/errors.ts";
import { deviceKeyName, type Identity, type KeyInfo, type KeyRing } from "../ports/keys.ts";
import type { DatabaseRecord, Storage } from "../ports/storage.ts";
import type { EnginePorts } from "./ports.ts";

/** The name of the key that the record names, when it is not here. */
export function missingKeyOf(
  { keys }: Pick<EnginePorts, "keys">,
  { key }: Pick<DatabaseRecord, "key">,
): string | undefined {
  return key !== undefined && keys.identity(key) === undefined ? key : undefined;
}

/** What signs for a database; the device's key, refusing to sign, when the key that the record names is not here. */
export function identityOf(
  { identity, keys }: Pick<EnginePorts, "identity" | "keys">,
  { key }: Pick<DatabaseRecord, "key">,
): Identity {
  if (key === undefined) return identity;
  const sign = (): Promise<never> => Promise.reject(new TidemarkError("KEY_UNKNOWN", { name: key }));
  return keys.identity(key) ?? { publicKey: identity.publicKey, sign };
}

export interface KeysOptions {
  readonly keys: KeyRing;
  readonly storage: Pick<Storage, "databases">;
  /** Of the databases that are open. */
  readonly records: () => readonly DatabaseRecord[];
}

export class Keys {
  readonly #options: KeysOptions;
  /** How many calls are about to use a key, by its name. */
  readonly #wanted = new Map<string, number>();

  constructor(options: KeysOptions) {
    this.#options = options;
  }

  list(): readonly KeyInfo[] {
    return this.#options.keys.list();
  }

  /** Rejects as `KeyRing.create`. */
  create(name: string): Promise<KeyInfo> {
    return this.#options.keys.create(name);
  }

  /** Rejects as `KeyRing.add`. */
  add(name: string, seed: Uint8Array): Promise<KeyInfo> {
    return this.#options.keys.add(name, seed);
  }

  /**
   * Runs what writes a record that names a key, which is not deleted meanwhile. `key` is what the record is to say: undefined for the
   * device's. Rejects with KEY_UNKNOWN.
   */
  async use<T>(name: string | undefined, action: (key: string | undefined) => Promise<T>): Promise<T> {
    if (name === undefined || name === deviceKeyName) return action(undefined);
    if (this.#options.keys.identity(name) === undefined) throw new TidemarkError("KEY_UNKNOWN", { name });
    this.#wanted.set(name, (this.#wanted.get(name) ?? 0) + 1);
    try {
      return await action(name);
    } finally {
      this.#wanted.set(name, (this.#wanted.get(name) ?? 1) - 1);
    }
  }

  /** For good. Rejects with KEY_UNKNOWN, KEY_IN_USE or a STORAGE_ code. */
  async delete(name: string): Promise<void> {
    // Also those that cannot be opened now.
    const stored = await this.#options.storage.databases();
    const isUsed = [...stored, ...this.#options.records()].some(({ key }) => key === name);
    if (isUsed || (this.#wanted.get(name) ?? 0) > 0) throw new TidemarkError("KEY_IN_USE", { name });
    await this.#options.keys.delete(name);
  }
}
