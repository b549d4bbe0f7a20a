/** What went wrong in the background, newest first: shown in the panel, never in the way. */
import type { Stop, TidemarkError } from "tidemark";
import { explain } from "./explain.ts";

export interface Problem {
  readonly text: string;
  readonly hint: string;
  readonly code: string;
  readonly at: Date;
  /** How often in a row. */
  readonly times: number;
}

const keptMax = 20;

export class Problems {
  readonly #listeners = new Set<() => void>();
  #list: readonly Problem[] = [];

  get list(): readonly Problem[] {
    return this.#list;
  }

  add(error: TidemarkError): void {
    const { title: text, hint } = explain(error);
    const [last, ...older] = this.#list;
    const isSame = last?.code === error.code;
    const problem = { text, hint, code: error.code, at: new Date(), times: isSame ? last.times + 1 : 1 };
    this.#list = [problem, ...(isSame ? older : this.#list)].slice(0, keptMax);
    for (const listener of this.#listeners) listener();
  }

  subscribe(listener: () => void): Stop {
    this.#listeners.add(listener);
    listener();
    return () => this.#listeners.delete(listener);
  }
}
