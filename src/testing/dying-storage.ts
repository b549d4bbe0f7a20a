/** A storage whose device dies at a chosen write, whichever of its methods that is. */
import { TidemarkError } from "../core/errors.ts";
import type { Storage } from "../ports/storage.ts";

/** Those that change what a restart finds. */
const writing: ReadonlySet<string> = new Set<keyof Storage>([
  "commit",
  "putDatabase",
  "deleteDatabase",
  "putCheckpoint",
  "deleteCheckpoints",
  "putSnapshot",
  "replace",
  "putRecords",
  "deleteWriteRow",
  "putValueOnce",
  "deleteValue",
]);

export class DyingStorage {
  readonly storage: Storage;
  #left: number | undefined;
  #isDurable = false;
  #isDead = false;

  constructor(inner: Storage) {
    this.storage = new Proxy(inner, {
      get: (_inner, name) => {
        const value: unknown = Reflect.get(inner, name, inner);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => this.#call(String(name), () => value.apply(inner, args) as Promise<unknown>);
      },
    });
  }

  /** Whether it has happened. */
  get isDead(): boolean {
    return this.#isDead;
  }

  /** It dies in the `step`th write from now on. `durable`: that was written, and nobody heard of it. */
  dieAt(step: number, durable: boolean): void {
    this.#left = step;
    this.#isDurable = durable;
  }

  async #call(name: string, call: () => Promise<unknown>): Promise<unknown> {
    if (this.#isDead) throw death();
    if (this.#left === undefined || !writing.has(name)) return await call();
    this.#left -= 1;
    if (this.#left > 0) return await call();
    this.#isDead = true;
    if (this.#isDurable) await call();
    throw death();
  }
}

function death(): TidemarkError {
  return new TidemarkError("STORAGE_CLOSED", { reason: "the device died" });
}
