/** Who is on a board: the names that people gave themselves, by their devices' public keys. */
import type { Database, JsonValue, PublicKey, Stop } from "tidemark";
import { tidyName } from "./own-name.ts";

const store = "people";

export class People {
  readonly self: PublicKey;
  readonly #database: Database;
  readonly #listeners = new Set<() => void>();
  readonly #stop: Stop;
  readonly #named: (key: string) => string;
  #names: ReadonlyMap<string, string> = new Map();
  #hasArrived = false;

  /** `named`: what this device's user calls those who gave no name; empty: nothing. */
  constructor(database: Database, self: PublicKey, named: (key: string) => string) {
    this.self = self;
    this.#named = named;
    this.#database = database;
    this.#stop = database.kv(store).subscribe((values) => {
      this.#names = new Map([...values].flatMap(([key, value]) => nameEntry(key, value)));
      this.#hasArrived = true;
      for (const listener of this.#listeners) listener();
    });
  }

  /** The keys of everyone who gave a name, in the order of the names. */
  keys(): readonly string[] {
    return [...this.#names.keys()].sort((a, b) => this.nameOf(a).localeCompare(this.nameOf(b)));
  }

  /** What they call themselves; empty: they did not say. */
  givenName(key: string): string {
    return this.#names.get(key) ?? "";
  }

  /** What to call them: their name, else the one that `named` knows, else the fingerprint of their key. */
  nameOf(key: string): string {
    return this.#names.get(key) ?? (this.#named(key) || fingerprint(key));
  }

  /** "You" for this device. */
  wordFor(key: string): string {
    return key === this.self ? "You" : this.nameOf(key);
  }

  /** Resolves when durable; at once when that is the name already. Rejects with a code of `transact`. */
  async setOwnName(name: string): Promise<void> {
    if (name === "" || !this.#hasArrived || this.#names.get(this.self) === name) return;
    await this.#database.kv(store).set(this.self, { name });
  }

  /** Calls after every change, and once the names are here. */
  subscribe(listener: () => void): Stop {
    this.#listeners.add(listener);
    if (this.#hasArrived) listener();
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#stop();
  }
}

/** The beginning of a key: enough to tell people of one name apart, and to compare by telephone. */
export function fingerprint(key: string): string {
  return `${key.slice(0, 4)} ${key.slice(4, 8)}`;
}

/** Whoever may write may write anything here: what is no name of a key is left out. */
function nameEntry(key: string, value: JsonValue): readonly (readonly [string, string])[] {
  if (!/^[0-9a-f]{64}$/.test(key) || typeof value !== "object" || value === null || !("name" in value)) return [];
  const name = typeof value.name === "string" ? tidyName(value.name) : "";
  return name === "" ? [] : [[key, name]];
}
