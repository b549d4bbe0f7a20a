/** Where a new note is written: Enter adds it. */
import { element } from "./element.ts";
import { fitToText } from "./growing.ts";
import { textLengthMax } from "./notes.ts";

export class Composer {
  readonly element: HTMLFormElement;
  readonly #area = element("textarea", {
    class: "composer-text",
    rows: 1,
    dir: "auto",
    "aria-label": "New note",
    placeholder: "Write a note…",
    enterkeyhint: "done",
    maxlength: textLengthMax,
  });

  /** `add` tells whether it worked; if not, the text comes back. */
  constructor(add: (text: string) => Promise<boolean>) {
    const button = element("button", { type: "submit", class: "primary" }, "Add");
    this.element = element("form", { class: "composer" }, this.#area, button);
    fitToText(this.#area);
    this.#area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      void this.#submit(add);
    });
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit(add);
    });
  }

  focus(): void {
    this.#area.focus();
  }

  async #submit(add: (text: string) => Promise<boolean>): Promise<void> {
    const text = this.#area.value.trim();
    this.focus();
    if (text === "") return;
    this.#write("");
    if (!(await add(text)) && this.#area.value === "") this.#write(text);
  }

  #write(text: string): void {
    this.#area.value = text;
    this.#area.dispatchEvent(new Event("input"));
  }
}
