/** Shown for a link that opens nothing by itself: who asks, and what they have to say to whoever decides. */
import { element } from "./element.ts";
import { mark } from "./icons.ts";
import { nameLengthMax, tidyName } from "./own-name.ts";
import { onSubmit } from "./submit.ts";
import type { Surroundings, View } from "./view.ts";

export interface Asked {
  readonly name: string;
  readonly note: string;
}

/** A note is at most 512 bytes; this many characters fit in any script. */
const noteLengthMax = 160;

export class Asking implements View {
  readonly layout = "notice";
  readonly title = "Asking to come in";
  readonly elements: readonly HTMLElement[];
  readonly ready: Promise<void> = Promise.resolve();
  readonly #name: HTMLInputElement;

  /** `ask` resolves when it is on its way. */
  constructor({ ownName }: Surroundings, ask: (asked: Asked) => Promise<void>) {
    this.#name = element("input", {
      type: "text",
      id: "asking-name",
      required: true,
      maxlength: nameLengthMax,
      autocomplete: "nickname",
      dir: "auto",
      value: ownName.get(),
    });
    const note = element("input", {
      type: "text",
      id: "asking-note",
      maxlength: noteLengthMax,
      autocomplete: "off",
      placeholder: "Optional",
      dir: "auto",
    });
    const error = element("p", { class: "field-error", role: "alert" });
    const button = element("button", { type: "submit", class: "primary" }, "Ask to come in");
    const form = element(
      "form",
      { class: "card" },
      element("div", { class: "field" }, element("label", { for: "asking-name" }, "Your name"), this.#name),
      element("div", { class: "field" }, element("label", { for: "asking-note" }, "A word to whoever decides"), note),
      error,
      button,
    );
    onSubmit(form, button, error, async () => {
      const name = tidyName(this.#name.value);
      if (name === "") return this.#name.focus();
      ownName.set(name);
      await ask({ name, note: note.value.trim() });
    });
    this.elements = [
      element(
        "main",
        { class: "notice", id: "main", tabindex: -1 },
        mark(),
        element("h1", { tabindex: -1 }, "Ask to come in"),
        element(
          "p",
          { class: "lead" },
          "This link leads to a board and does not open it: somebody on it decides. They see your name and what you write here.",
        ),
        form,
        element("p", { class: "actions" }, element("a", { href: "#", class: "back" }, "Not now")),
      ),
    ];
  }

  focus(): void {
    this.#name.focus();
  }

  close(): void {
    // It listens to nothing.
  }
}
