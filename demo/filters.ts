/** Which notes are shown: all, the open ones, or those that are done; each with its number. */
import { element, setText } from "./element.ts";
import type { PlacedNote } from "./notes.ts";

const choices = ["all", "open", "done"] as const;
export type Choice = (typeof choices)[number];

const labels: Readonly<Record<Choice, string>> = { all: "All", open: "Open", done: "Done" };

export class Filters {
  readonly element: HTMLElement;
  readonly #counts = new Map<Choice, HTMLElement>();
  readonly #clear = element("button", { type: "button", class: "plain clear-done" }, "Clear done");
  #choice: Choice = "all";

  constructor(changed: () => void, clearDone: () => void) {
    const group = element("fieldset", { class: "segments" }, element("legend", { class: "unseen" }, "Show"));
    for (const choice of choices) group.append(this.#option(choice, changed));
    this.#clear.addEventListener("click", clearDone);
    this.element = element("div", { class: "filters" }, group, this.#clear);
  }

  get choice(): Choice {
    return this.#choice;
  }

  matches({ done }: PlacedNote): boolean {
    return this.#choice === "all" || done === (this.#choice === "done");
  }

  show(notes: readonly PlacedNote[], { isReadOnly }: { readonly isReadOnly: boolean }): void {
    const done = notes.reduce((count, note) => count + Number(note.done), 0);
    const counts: Readonly<Record<Choice, number>> = { all: notes.length, open: notes.length - done, done };
    for (const [choice, count] of this.#counts) setText(count, counts[choice].toLocaleString("en"));
    const hasNothing = done === 0 || isReadOnly;
    // A button that goes away while it has the focus would lose it to nowhere.
    if (hasNothing && document.activeElement === this.#clear)
      this.element.querySelector<HTMLElement>(":checked")?.focus();
    this.#clear.hidden = hasNothing;
    this.element.hidden = notes.length === 0;
  }

  #option(choice: Choice, changed: () => void): HTMLElement {
    const input = element("input", { type: "radio", name: "filter", value: choice, checked: choice === this.#choice });
    const count = element("span", { class: "count" });
    this.#counts.set(choice, count);
    input.addEventListener("change", () => {
      this.#choice = choice;
      changed();
    });
    return element("label", {}, input, element("span", {}, `${labels[choice]} `, count));
  }
}
