/** Something that takes a while: what it is, how far it is, a way to stop it, and what came of it. */
import { ActionRow } from "./action-row.ts";
import { element, setText } from "./element.ts";
import { explain, hasCode } from "./explain.ts";

export interface Step {
  /** How much is done, from 0 to 1; undefined while nobody knows. */
  readonly part: number | undefined;
  readonly words: string;
}

export type Work = (signal: AbortSignal, tell: (step: Step) => void) => Promise<string>;

export class LongWork {
  readonly element: HTMLElement;
  readonly #title = element("p", { class: "transfer-title" });
  readonly #bar = element("progress", { max: 1 });
  readonly #words = element("p", { class: "fine" });
  readonly #actions = new ActionRow();
  readonly #running = element("div", { class: "work-running", hidden: true });
  readonly #result = element("p", { class: "work-result", role: "status" });
  #current: AbortController | undefined;

  constructor() {
    this.#running.append(this.#title, this.#bar, this.#words, this.#actions.element);
    this.element = element("div", { class: "work" }, this.#running, this.#result);
  }

  get isBusy(): boolean {
    return this.#current !== undefined;
  }

  /** Does nothing while something else is under way. What `work` resolves with is shown; what it throws is explained. */
  async run(title: string, work: Work): Promise<void> {
    if (this.isBusy) return;
    const current = new AbortController();
    this.#current = current;
    this.#begin(title, () => current.abort());
    try {
      setText(this.#result, await work(current.signal, (step) => this.#show(step)));
    } catch (error) {
      setText(this.#result, hasCode(error, "ABORTED") || current.signal.aborted ? "Stopped." : failureWords(error));
    } finally {
      this.#current = undefined;
      this.#running.hidden = true;
    }
  }

  close(): void {
    this.#current?.abort();
  }

  #begin(title: string, cancel: () => void): void {
    setText(this.#title, title);
    setText(this.#words, "");
    setText(this.#result, "");
    this.#bar.setAttribute("aria-label", title);
    this.#bar.removeAttribute("value");
    this.#actions.show([{ label: "Stop", about: title, run: async () => cancel() }]);
    this.#running.hidden = false;
  }

  #show({ part, words }: Step): void {
    setText(this.#words, words);
    if (part === undefined) this.#bar.removeAttribute("value");
    else this.#bar.value = part;
  }
}

function failureWords(error: unknown): string {
  const { title, hint } = explain(error);
  return `${title}. ${hint}`;
}
