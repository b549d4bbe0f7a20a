/** Terms with what is to be said about them. The DOM changes only when the words do. */
import { element } from "./element.ts";

export type Fact = readonly [term: string, words: string];

export class Facts {
  readonly element: HTMLElement = element("dl", { class: "facts" });
  #shown = "";

  show(facts: readonly Fact[]): void {
    const shown = JSON.stringify(facts);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const rows = facts.map(([term, words]) => element("div", {}, element("dt", {}, term), element("dd", {}, words)));
    this.element.replaceChildren(...rows);
  }
}
