/** What this person wants to be called: remembered per instance, and written to each board that may be written to. */
export const nameLengthMax = 40;

export class OwnName {
  readonly #key: string;
  #name: string | undefined;

  constructor(instance: string) {
    this.#key = `tidemark-board/${instance}/name`;
    this.#name = read(this.#key);
  }

  /** Whether there was an occasion to choose: nobody is asked twice. */
  get isAsked(): boolean {
    return this.#name !== undefined;
  }

  markAsked(): void {
    if (!this.isAsked) this.set("");
  }

  /** Empty when none was chosen. */
  get(): string {
    return this.#name ?? "";
  }

  set(name: string): void {
    const tidy = tidyName(name);
    this.#name = tidy;
    try {
      localStorage.setItem(this.#key, tidy);
    } catch {
      // Site data is blocked: it is asked again next time.
    }
  }
}

/** One line without spaces around it, at most 40 characters. */
export function tidyName(name: string): string {
  return [...name.replace(/\s+/g, " ").trim()].slice(0, nameLengthMax).join("");
}

function read(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}
