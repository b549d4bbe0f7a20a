/** Values that go through a structured clone, as they do in IndexedDB; each call takes effect a turn after it is made. */
import type { Storage } from "../ports/storage.ts";

export class ClonedValues implements Pick<Storage, "getValue" | "putValueOnce" | "values" | "deleteValue"> {
  readonly #values = new Map<string, unknown>();
  /** Set: the next change rejects with it. */
  failWith: Error | undefined;

  async getValue(name: string): Promise<unknown> {
    await Promise.resolve();
    return structuredClone(this.#values.get(name));
  }

  async putValueOnce(name: string, value: unknown): Promise<unknown> {
    const clone = structuredClone(value);
    await Promise.resolve();
    this.#fail();
    if (!this.#values.has(name)) this.#values.set(name, clone);
    return structuredClone(this.#values.get(name));
  }

  async values(prefix: string): Promise<readonly (readonly [name: string, value: unknown])[]> {
    await Promise.resolve();
    const found = [...this.#values].filter(([name]) => name.startsWith(prefix));
    return found.map(([name, value]) => [name, structuredClone(value)] as const).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  async deleteValue(name: string): Promise<void> {
    await Promise.resolve();
    this.#fail();
    this.#values.delete(name);
  }

  #fail(): void {
    const error = this.failWith;
    this.failWith = undefined;
    if (error !== undefined) throw error;
  }
}
