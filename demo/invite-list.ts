/** The links to a board that still open it, or might: what each gives, how often it was used, and a way to withdraw it. */
import type { Database, InviteInfo } from "tidemark";
import { ActionRow } from "./action-row.ts";
import { element, setText } from "./element.ts";
import { explain } from "./explain.ts";
import { inviteWords } from "./permission-words.ts";

interface InviteLine {
  readonly element: HTMLElement;
  readonly words: HTMLElement;
}

export class InviteList {
  readonly element: HTMLElement;
  readonly #database: Database;
  readonly #list = element("ul", { role: "list", class: "invites", "aria-labelledby": "invites-title" });
  readonly #error = element("p", { class: "field-error", role: "alert" });
  readonly #title = element("h3", { id: "invites-title", tabindex: -1 }, "Links that were made");
  readonly #lines = new Map<string, InviteLine>();

  constructor(database: Database) {
    this.#database = database;
    this.element = element("section", { class: "invite-list" }, this.#title, this.#list, this.#error);
  }

  /** As they are now. */
  async refresh(): Promise<void> {
    const invites = await this.#database.invites.list().catch(() => []); // Closed: there is nothing to show any more.
    const keys = new Set<string>(invites.map(({ key }) => key));
    for (const [key, line] of this.#lines) if (!keys.has(key)) this.#drop(key, line);
    for (const invite of invites) this.#show(invite);
    this.element.hidden = invites.length === 0;
  }

  #show(invite: InviteInfo): void {
    const line = this.#lines.get(invite.key) ?? this.#makeLine(invite);
    this.#lines.set(invite.key, line);
    setText(line.words, inviteWords(invite));
    line.element.dataset.valid = String(invite.isValid);
  }

  #makeLine({ key, label }: InviteInfo): InviteLine {
    const title = label ?? "No name";
    const words = element("span", { class: "fine" });
    const actions = new ActionRow();
    actions.show([{ label: "Withdraw", about: title, run: () => this.#revoke(key) }]);
    const text = element("span", { class: "invite-words" }, element("bdi", {}, title), words);
    const made = element("li", { class: "invite" }, text, actions.element);
    this.#list.append(made);
    return { element: made, words };
  }

  async #revoke(key: string): Promise<void> {
    this.#error.textContent = "";
    try {
      await this.#database.invites.revoke(key);
      await this.refresh();
      // The button that was pressed is gone.
      if (this.element.hidden) this.element.closest("dialog")?.querySelector<HTMLElement>(".dialog-close")?.focus();
      else this.#title.focus();
    } catch (error) {
      const { title, hint } = explain(error);
      this.#error.textContent = `${title}. ${hint}`;
    }
  }

  #drop(key: string, { element: line }: InviteLine): void {
    line.remove();
    this.#lines.delete(key);
  }
}
