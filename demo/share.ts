/** The dialog that makes a link to a board. */
import type { Database } from "tidemark";
import { shareLink } from "./address.ts";
import { element } from "./element.ts";
import { explain } from "./explain.ts";
import { icon } from "./icons.ts";

type Shared = "write" | "read";

const choices: readonly { readonly value: Shared; readonly title: string; readonly text: string }[] = [
  { value: "write", title: "Can write", text: "Add, change, tick and delete notes" },
  { value: "read", title: "Can read", text: "See everything, change nothing" },
];

export class ShareDialog {
  readonly element: HTMLDialogElement;
  readonly #database: Database;
  /** One link of each sort is enough for as long as the page is open: every one is written to the board for good. */
  readonly #links = new Map<Shared, string>();
  readonly #make = element("button", { type: "button", class: "primary" }, "Make link");
  readonly #result = element("div", { class: "share-result" });
  readonly #error = element("p", { class: "field-error", role: "alert" });
  readonly #offline = element(
    "p",
    { class: "share-offline" },
    icon("warning"),
    "You are offline: until you are back, nobody can get in.",
  );
  #choice: Shared = "write";

  constructor(database: Database) {
    this.#database = database;
    const close = element(
      "button",
      { type: "button", class: "plain dialog-close", "aria-label": "Close" },
      icon("cross"),
    );
    close.addEventListener("click", () => this.element.close());
    this.#make.addEventListener("click", () => void this.#showLink());
    const group = element("fieldset", { class: "choices" }, element("legend", {}, "Whoever opens the link"));
    for (const choice of choices) group.append(this.#option(choice));
    this.element = element(
      "dialog",
      { class: "dialog", "aria-labelledby": "share-title" },
      element("div", { class: "dialog-head" }, element("h2", { id: "share-title" }, "Share this board"), close),
      group,
      element("div", { class: "share-link", "aria-live": "polite" }, this.#make, this.#result),
      this.#error,
      warnings(),
      this.#offline,
    );
    this.element.addEventListener("click", (event) => event.target === this.element && this.element.close());
  }

  open(isOnline: boolean): void {
    this.#offline.hidden = isOnline;
    this.#choose(this.#choice);
    this.element.showModal();
  }

  #option({ value, title, text }: (typeof choices)[number]): HTMLElement {
    const input = element("input", { type: "radio", name: "share", value, checked: value === this.#choice });
    input.addEventListener("change", () => this.#choose(value));
    return element(
      "label",
      { class: "choice" },
      input,
      element("span", {}, element("b", {}, title), element("small", {}, text)),
    );
  }

  #choose(choice: Shared): void {
    this.#choice = choice;
    this.#error.textContent = "";
    const link = this.#links.get(choice);
    this.#make.hidden = link !== undefined;
    this.#result.replaceChildren(...(link === undefined ? [] : linkField(link)));
  }

  async #showLink(): Promise<void> {
    const choice = this.#choice;
    this.#make.disabled = true;
    try {
      this.#links.set(choice, shareLink(await this.#database.share({ permission: choice })));
      this.#choose(this.#choice);
      this.#result.querySelector("button")?.focus();
    } catch (error) {
      const { title, hint } = explain(error);
      this.#error.textContent = `${title}. ${hint}`;
    } finally {
      this.#make.disabled = false;
    }
  }
}

function linkField(link: string): readonly HTMLElement[] {
  const field = element("input", { type: "text", readonly: true, "aria-label": "Link", value: link });
  const words = element("span", {}, "Copy link");
  const copy = element("button", { type: "button", class: "primary copy" }, icon("copy"), words);
  field.addEventListener("focus", () => field.select());
  copy.addEventListener("click", () => {
    navigator.clipboard.writeText(link).then(
      () => {
        words.textContent = "Copied";
        copy.firstElementChild?.replaceWith(icon("check"));
      },
      () => {
        field.focus();
        words.textContent = "Press Ctrl+C to copy";
      },
    );
  });
  return [field, copy];
}

function warnings(): HTMLElement {
  return element(
    "ul",
    { class: "share-warnings" },
    element("li", {}, "The link is a key: send it only to people you trust, and over a way you trust."),
    element(
      "li",
      {},
      "This device lets people in: keep this page open and online until they have come in. After that they can sync with anyone on the board.",
    ),
  );
}
