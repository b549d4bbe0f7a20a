/** What this person wants to be called: remembered per instance, and written to each board that may be written to. */
export const nameLengthMax = 40;

export class OwnName {
  readonly #key: string;
  #name: string;

  constructor(instance: string) {
    this.#key = `tidemark-board/${instance}/name`;
    this.#name = read(this.#key);
  }

  /** Empty when none was chosen. */
  get(): string {
    return this.#name;
  }

  set(name: string): void {
    this.#name = tidyName(name);
    try {
      localStorage.setItem(this.#key, this.#name);
    } catch {
      // Site data is blocked: it is asked again next time.
    }
  }
}

/** One line without spaces around it, at most 40 characters. */
export function tidyName(name: string): string {
  return [...name.replace(/\s+/g, " ").trim()].slice(0, nameLengthMax).join("");
}

function read(key: string): string {
  try {
    return tidyName(localStorage.getItem(key) ?? "");
  } catch {
    return "";
  }
}
