/** A row of buttons that follows what can be done at present, without taking the focus away from whoever is there. */
import { element } from "./element.ts";

export interface Action {
  readonly label: string;
  /** Said, not shown: what it is about, where several rows offer the same. */
  readonly about?: string;
  run(): Promise<unknown>;
}

export class ActionRow {
  readonly element: HTMLElement = element("div", { class: "action-row" });
  #actions: readonly Action[] = [];
  #buttons: readonly HTMLElement[] = [];
  /** Of which one was pressed and is not done: those that are shown, or earlier ones. */
  #busy: readonly HTMLElement[] | undefined;

  show(actions: readonly Action[]): void {
    const before = this.#actions.map(nameOf).join("\n");
    this.#actions = actions;
    this.element.hidden = actions.length === 0;
    if (before === actions.map(nameOf).join("\n")) return;
    const focused = this.#buttons.find((button) => button === document.activeElement);
    const buttons = actions.map((action, i) => this.#button(action, i));
    this.#buttons = buttons;
    this.element.replaceChildren(...buttons);
    if (focused === undefined) return;
    // What was pressed is gone: its opposite, which comes first, is what somebody who listens looks for.
    const same = buttons.find(({ textContent }) => textContent === focused.textContent);
    (same ?? buttons[0])?.focus();
  }

  #button({ label, about }: Action, i: number): HTMLElement {
    const unseen = about === undefined ? [] : [element("span", { class: "unseen" }, `: ${about}`)];
    const button = element("button", { type: "button", class: "small" }, label, ...unseen);
    button.addEventListener("click", () => void this.#run(i));
    return button;
  }

  /**
   * One at a time: a button that is disabled meanwhile would lose the focus. Buttons that have come since are another matter: what was pressed has
   * happened, though its answer may still wait for the disk.
   */
  async #run(i: number): Promise<void> {
    const buttons = this.#buttons;
    if (this.#busy === buttons) return;
    this.#busy = buttons;
    try {
      await this.#actions[i]?.run();
    } finally {
      if (this.#busy === buttons) this.#busy = undefined;
    }
  }
}

function nameOf({ label, about }: Action): string {
  return `${label}: ${about}`;
}
