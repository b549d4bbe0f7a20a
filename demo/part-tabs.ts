/** The tabs above the parts of a board. The arrow keys go from one to the other; what is chosen stays in the address. */
import type { Part } from "./address.ts";
import { element } from "./element.ts";

const labels: readonly (readonly [part: Part, label: string])[] = [
  ["notes", "Notes"],
  ["text", "Text"],
];

export class PartTabs {
  readonly element: HTMLElement = element("div", {
    class: "part-tabs",
    role: "tablist",
    "aria-label": "Parts of the board",
  });
  readonly #chosen: (part: Part) => void;
  readonly #tabs = new Map<Part, HTMLElement>();
  #part: Part;

  constructor(part: Part, chosen: (part: Part) => void) {
    this.#part = part;
    this.#chosen = chosen;
    for (const [name, label] of labels) this.#tabs.set(name, this.#makeTab(name, label));
    this.element.append(...this.#tabs.values());
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    this.#show();
  }

  get part(): Part {
    return this.#part;
  }

  /** What a tab shows. */
  panel(part: Part, ...children: readonly HTMLElement[]): HTMLElement {
    const panel = element("div", {
      class: "part",
      id: `part-${part}`,
      role: "tabpanel",
      "aria-labelledby": `tab-${part}`,
    });
    panel.append(...children);
    return panel;
  }

  #makeTab(part: Part, label: string): HTMLElement {
    const attributes = { type: "button", role: "tab", class: "part-tab", id: `tab-${part}` };
    const tab = element("button", { ...attributes, "aria-controls": `part-${part}` }, label);
    tab.addEventListener("click", () => this.#choose(part));
    return tab;
  }

  #choose(part: Part): void {
    if (part === this.#part) return;
    this.#part = part;
    this.#show();
    this.#chosen(part);
  }

  #show(): void {
    for (const [name, tab] of this.#tabs) {
      tab.setAttribute("aria-selected", String(name === this.#part));
      tab.tabIndex = name === this.#part ? 0 : -1;
    }
  }

  #onKey(event: KeyboardEvent): void {
    if (!["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const isNext = event.key === "End" || (event.key.startsWith("Arrow") && this.#part === "notes");
    const part: Part = isNext ? "text" : "notes";
    this.#choose(part);
    this.#tabs.get(part)?.focus();
  }
}
