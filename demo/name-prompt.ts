/** Asks once, on the first board that may be written to, what others should call this person. */
import { element } from "./element.ts";
import { nameLengthMax, type OwnName, tidyName } from "./own-name.ts";

export class NamePrompt {
  readonly element: HTMLFormElement;
  readonly #ownName: OwnName;

  /** `done` is called with the name, empty for none, when the prompt goes away. */
  constructor(ownName: OwnName, done: (name: string) => void) {
    this.#ownName = ownName;
    const input = element("input", {
      type: "text",
      id: "prompt-name",
      maxlength: nameLengthMax,
      autocomplete: "nickname",
      dir: "auto",
    });
    const later = element("button", { type: "button", class: "small plain" }, "Not now");
    this.element = element(
      "form",
      { class: "name-prompt" },
      element("label", { for: "prompt-name" }, "What should others call you?"),
      element(
        "div",
        { class: "field-row" },
        input,
        element("button", { type: "submit", class: "small primary" }, "Save name"),
        later,
      ),
    );
    const finish = (name: string): void => {
      ownName.markAsked();
      this.show(false);
      done(name);
    };
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = tidyName(input.value);
      if (name === "") input.focus();
      else finish(name);
    });
    later.addEventListener("click", () => finish(""));
  }

  show(canWrite: boolean): void {
    this.element.hidden = !canWrite || this.#ownName.isAsked;
  }
}
