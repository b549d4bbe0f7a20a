/** Boards that one no longer waits to be let in to: left out of the list, until a link to them is opened again. */
export class GivenUp {
  readonly #key: string;

  constructor(instance: string) {
    this.#key = `tidemark-board/${instance}/given-up`;
  }

  has(id: string): boolean {
    return this.#read().includes(id);
  }

  add(id: string): void {
    this.#write([...this.#read().filter((other) => other !== id), id]);
  }

  delete(id: string): void {
    if (this.has(id)) this.#write(this.#read().filter((other) => other !== id));
  }

  #read(): readonly string[] {
    try {
      const ids: unknown = JSON.parse(localStorage.getItem(this.#key) ?? "[]");
      return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
    } catch {
      return [];
    }
  }

  #write(ids: readonly string[]): void {
    try {
      localStorage.setItem(this.#key, JSON.stringify(ids));
    } catch {
      // Site data is blocked: the board stays in the list.
    }
  }
}
