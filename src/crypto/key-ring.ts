/** The keys of one instance, in its storage: each under its name, as stored-key.ts says. */
import { asTidemarkError, TidemarkError } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import { keyNameBytesMax, keysMax } from "../core/limits.ts";
import { validateName } from "../core/store/values.ts";
import type { Clock } from "../ports/clock.ts";
import { deviceKeyName, type Identity, type KeyInfo, type KeyRing } from "../ports/keys.ts";
import type { Storage } from "../ports/storage.ts";
import { generateKey, keyFromSeed, reviveKey, withEd25519 } from "./stored-key.ts";
import { findSubtle } from "./web-crypto.ts";

/** How keys come about and to life: what the platform does, and what a simulation does in its place. */
export interface KeyMaker {
  /** What is to be stored: it has to survive a structured clone. */
  generate(): Promise<unknown>;
  fromSeed(seed: Uint8Array): Promise<unknown>;
  /** Rejects with STORAGE_CORRUPT for what is no key; `where` names it. */
  revive(stored: unknown, where: string): Promise<Identity>;
}

export async function createKeyMaker(subtle: SubtleCrypto | undefined = findSubtle()): Promise<KeyMaker> {
  const platform = await withEd25519(subtle);
  return {
    generate: () => generateKey(platform),
    fromSeed: (seed) => keyFromSeed(seed, platform),
    revive: (stored, where) => reviveKey(stored, platform, where),
  };
}

export interface KeyRingOptions {
  readonly storage: Pick<Storage, "putValueOnce" | "values" | "deleteValue">;
  readonly device: Identity;
  readonly clock: Pick<Clock, "now">;
  readonly maker: KeyMaker;
  /** A stored key that cannot be read. */
  readonly reported: (error: TidemarkError) => void;
}

const storedPrefix = "key/";

interface Held {
  readonly identity: Identity;
  readonly createdMs: number;
}

/** The ring as storage has it. Rejects with what storage rejects with; single keys that cannot be read are reported. */
export async function openKeyRing(options: KeyRingOptions): Promise<KeyRing> {
  const held = new Map<string, Held>();
  const unreadable = new Set<string>();
  for (const [storedName, value] of await options.storage.values(storedPrefix)) {
    const name = storedName.slice(storedPrefix.length);
    try {
      held.set(name, await revive(options.maker, name, value));
    } catch (error) {
      unreadable.add(name);
      options.reported(asTidemarkError(error));
    }
  }
  return new StoredKeyRing(options, held, unreadable);
}

async function revive(maker: KeyMaker, name: string, value: unknown): Promise<Held> {
  const where = `key ${JSON.stringify(name)}`;
  const isRecord = typeof value === "object" && value !== null && "key" in value && "createdMs" in value;
  if (!isRecord || !Number.isSafeInteger(value.createdMs)) throw new TidemarkError("STORAGE_CORRUPT", { where });
  return { identity: await maker.revive(value.key, where), createdMs: value.createdMs as number };
}

class StoredKeyRing implements KeyRing {
  readonly #options: KeyRingOptions;
  readonly #held: Map<string, Held>;
  readonly #unreadable: Set<string>;
  /** Names on their way into storage or out of it. */
  readonly #busy = new Set<string>();

  constructor(options: KeyRingOptions, held: Map<string, Held>, unreadable: Set<string>) {
    this.#options = options;
    this.#held = held;
    this.#unreadable = unreadable;
  }

  list(): readonly KeyInfo[] {
    const { publicKey } = this.#options.device;
    const named = [...this.#held].sort(([a], [b]) => (a < b ? -1 : 1));
    return [{ name: deviceKeyName, publicKey, createdMs: undefined }, ...named.map(([name, held]) => info(name, held))];
  }

  identity(name: string): Identity | undefined {
    return name === deviceKeyName ? this.#options.device : this.#held.get(name)?.identity;
  }

  create(name: string): Promise<KeyInfo> {
    return this.#put(name, undefined, () => this.#options.maker.generate());
  }

  async add(name: string, seed: Uint8Array): Promise<KeyInfo> {
    const { maker } = this.#options;
    const stored = await maker.fromSeed(seed);
    const { publicKey } = await maker.revive(stored, "seed");
    const held = this.#held.get(name);
    if (held?.identity.publicKey === publicKey) return info(name, held);
    return this.#put(name, publicKey, async () => stored);
  }

  /** `expected` is the key that may be there already, put by somebody else at the same moment. */
  async #put(name: string, expected: PublicKey | undefined, make: () => Promise<unknown>): Promise<KeyInfo> {
    validateName(name, "key name", keyNameBytesMax);
    if (this.#isTaken(name)) throw new TidemarkError("KEY_EXISTS", { name });
    if (this.#held.size + this.#unreadable.size + this.#busy.size >= keysMax) {
      throw new TidemarkError("KEY_LIMIT", { max: keysMax });
    }
    this.#busy.add(name);
    try {
      return await this.#store(name, expected, await make());
    } finally {
      this.#busy.delete(name);
    }
  }

  async #store(name: string, expected: PublicKey | undefined, key: unknown): Promise<KeyInfo> {
    const { storage, maker, clock } = this.#options;
    const made = await maker.revive(key, "seed");
    const kept = await storage.putValueOnce(storedPrefix + name, { key, createdMs: clock.now() });
    const held = await revive(maker, name, kept);
    this.#held.set(name, held);
    // Another opener of the same storage was first: its key stays.
    if (held.identity.publicKey !== (expected ?? made.publicKey)) throw new TidemarkError("KEY_EXISTS", { name });
    return info(name, held);
  }

  #isTaken(name: string): boolean {
    return name === deviceKeyName || this.#held.has(name) || this.#unreadable.has(name) || this.#busy.has(name);
  }

  async delete(name: string): Promise<void> {
    if (name === deviceKeyName) throw new TidemarkError("KEY_IN_USE", { name });
    const held = this.#held.get(name);
    const isUnreadable = this.#unreadable.has(name);
    if (held === undefined && !isUnreadable) throw new TidemarkError("KEY_UNKNOWN", { name });
    // At once: nobody is to begin to use it meanwhile.
    this.#held.delete(name);
    this.#unreadable.delete(name);
    this.#busy.add(name);
    try {
      await this.#options.storage.deleteValue(storedPrefix + name);
    } catch (error) {
      if (held !== undefined) this.#held.set(name, held);
      else this.#unreadable.add(name);
      throw error;
    } finally {
      this.#busy.delete(name);
    }
  }
}

function info(name: string, { identity, createdMs }: Held): KeyInfo {
  return { name, publicKey: identity.publicKey, createdMs };
}
