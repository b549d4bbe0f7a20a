/** The dialog that makes links to a board, and withdraws them. */
import type { Database } from "tidemark";
import { shareLink } from "./address.ts";
import { element } from "./element.ts";
import { explain } from "./explain.ts";
import { icon } from "./icons.ts";
import { InviteList } from "./invite-list.ts";
import { type Giving, LinkOptions } from "./link-options.ts";
import { qrCode } from "./qr-code.ts";

export class ShareDialog {
  readonly element: HTMLDialogElement;
  readonly #database: Database;
  readonly #options: LinkOptions;
  readonly #make = element("button", { type: "button", class: "primary" }, "Make link");
  readonly #result = element("div", { class: "share-result" });
  readonly #error = element("p", { class: "field-error", role: "alert" });
  readonly #invites: InviteList;
  readonly #offline = element(
    "p",
    { class: "share-offline" },
    icon("warning"),
    "You are offline: the link works once this device was online.",
  );

  /** `adminPower`: what an admin gets who comes in by a link. */
  constructor(database: Database, adminPower: () => number) {
    this.#database = database;
    this.#options = new LinkOptions(adminPower, () => this.#reset());
    this.#invites = new InviteList(database);
    const close = element(
      "button",
      { type: "button", class: "plain dialog-close", "aria-label": "Close" },
      icon("cross"),
    );
    close.addEventListener("click", () => this.element.close());
    this.#make.addEventListener("click", () => void this.#makeLink());
    this.element = element(
      "dialog",
      { class: "dialog", "aria-labelledby": "share-title" },
      element("div", { class: "dialog-head" }, element("h2", { id: "share-title" }, "Share this board"), close),
      this.#options.element,
      element("div", { class: "share-link", "aria-live": "polite" }, this.#make, this.#result),
      this.#error,
      this.#offline,
      this.#invites.element,
    );
    this.element.addEventListener("click", (event) => event.target === this.element && this.element.close());
  }

  open(isOnline: boolean): void {
    this.#offline.hidden = isOnline;
    this.#reset();
    void this.#invites.refresh();
    this.element.showModal();
  }

  /** Who may do what is different now: perhaps a link was used. */
  refresh(): void {
    if (this.element.open) void this.#invites.refresh();
  }

  /** A link is made for what is chosen now. */
  #reset(): void {
    this.#error.textContent = "";
    this.#make.hidden = false;
    this.#result.replaceChildren();
  }

  async #makeLink(): Promise<void> {
    const { invite, giving } = this.#options;
    this.#make.disabled = true;
    try {
      const ticket = invite === undefined ? this.#database.ticket() : this.#database.share(invite);
      this.#result.replaceChildren(...shown(shareLink(await ticket), giving));
      this.#make.hidden = true;
      this.#result.querySelector("button")?.focus({ preventScroll: true });
      this.#result.scrollIntoView({ block: "nearest" });
      await this.#invites.refresh();
    } catch (error) {
      const { title, hint } = explain(error);
      this.#error.textContent = `${title}. ${hint}`;
    } finally {
      this.#make.disabled = false;
    }
  }
}

function shown(link: string, giving: Giving): readonly Node[] {
  const code = qrCode(link, "The link as a QR code");
  return [
    ...linkField(link),
    ...(code === undefined ? [] : [element("div", { class: "qr-frame" }, code)]),
    element("p", { class: "fine share-hint" }, hintFor(giving)),
  ];
}

function hintFor(giving: Giving): string {
  if (giving === "ask")
    return "Whoever opens it can ask to be let in, and you see it here. It opens nothing by itself: it may hang on a wall.";
  return "The link is a key: send it only to people you trust, over a way you trust. Anyone on the board who is online lets them in; you need not be.";
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
