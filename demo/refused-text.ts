/** What was typed and then refused is taken back from the text. Here it is shown once more, so that nobody has to remember it. */
import type { Edit } from "./difference.ts";
import { element, setText } from "./element.ts";

/** In UTF-16 units; of more, the end. */
const typedLengthMax = 10_000;

export class RefusedText {
  readonly element: HTMLElement;
  readonly #words = element("p", {});
  readonly #quote = element("blockquote", { dir: "auto" });
  readonly #announce: (words: string) => void;
  /** Typed since everything was known to be taken. */
  #typed = "";

  constructor(announce: (words: string) => void) {
    this.#announce = announce;
    const copy = element("button", { type: "button", class: "small" }, "Copy it");
    const dismiss = element("button", { type: "button", class: "small plain" }, "Dismiss");
    this.element = element(
      "section",
      { class: "refused-text", "aria-label": "Not taken", hidden: true },
      this.#words,
      this.#quote,
      element("div", { class: "action-row" }, copy, dismiss),
    );
    copy.addEventListener("click", () => void this.#copy());
    dismiss.addEventListener("click", () => this.#dismiss());
  }

  note({ deleteCount, text }: Edit): void {
    // What is deleted was nearly always typed just before.
    const kept = text === "" ? this.#typed.slice(0, -deleteCount) : this.#typed;
    this.#typed = (kept + text).slice(-typedLengthMax);
  }

  get isBlank(): boolean {
    return this.#typed.trim() === "";
  }

  /** All of it was taken. */
  forget(): void {
    this.#typed = "";
  }

  tell(why: string): void {
    const before = this.element.hidden ? "" : `${this.#quote.textContent}`;
    const refused = before + this.#typed;
    this.#typed = "";
    const words = `What you wrote last was not taken, and is gone from the text again. ${why}`;
    setText(this.#words, words);
    setText(this.#quote, refused);
    this.#quote.hidden = refused.trim() === "";
    this.element.hidden = false;
    this.#announce(words);
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.#quote.textContent ?? "");
      this.#announce("Copied");
    } catch {
      // Not allowed here: selected, it is one key away.
      getSelection()?.selectAllChildren(this.#quote);
    }
  }

  #dismiss(): void {
    this.element.hidden = true;
    document.getElementById("tab-text")?.focus();
  }
}
