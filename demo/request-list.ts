/** People who ask to be let in, for those who may decide: who says they are what, and the answers. */
import type { Database, RequestInfo, Stop } from "tidemark";
import { ActionRow } from "./action-row.ts";
import { timeWords } from "./amounts.ts";
import type { Announcer } from "./announcer.ts";
import { countWords, element, setText } from "./element.ts";
import { fingerprint } from "./people.ts";

export interface RequestListOptions {
  readonly database: Database;
  readonly announcer: Announcer;
  /** Resolves with whether it worked; if not, people are told why. */
  readonly attempt: (work: Promise<unknown>) => Promise<boolean>;
  /** Called when there are others, or none any more. */
  readonly changed: () => void;
}

export class RequestList {
  readonly element: HTMLElement;
  readonly #options: RequestListOptions;
  readonly #title = element("h2", { id: "requests-title", tabindex: -1 });
  readonly #list = element("ul", { role: "list", class: "requests", "aria-labelledby": "requests-title" });
  readonly #rows = new Map<string, HTMLElement>();
  readonly #stop: Stop;

  constructor(options: RequestListOptions) {
    this.#options = options;
    this.element = element("section", { class: "request-list", hidden: true }, this.#title, this.#list);
    const { requests } = options.database;
    this.#stop = requests.on("changed", (all) => this.#show(all));
    requests.list().then(
      (all) => this.#show(all),
      () => {}, // Closed: there is nothing to show any more.
    );
  }

  /** How many wait for an answer. */
  get count(): number {
    return this.#rows.size;
  }

  close(): void {
    this.#stop();
  }

  #show(requests: readonly RequestInfo[]): void {
    const pending = requests.filter(({ state }) => state === "pending");
    const keys = new Set<string>(pending.map(({ key }) => key));
    for (const [key, row] of this.#rows) if (!keys.has(key)) this.#drop(key, row);
    for (const request of pending) if (!this.#rows.has(request.key)) this.#add(request);
    this.element.hidden = this.count === 0;
    setText(this.#title, this.count === 0 ? "" : `${countWords(this.count, "person asks", "people ask")} to come in`);
    this.#options.changed();
  }

  #add({ key, name, note, permission, askedAtMs }: RequestInfo): void {
    const who = name === "" ? fingerprint(key) : name;
    const actions = new ActionRow();
    const approve = (label: string, given: "write" | "read") => ({
      label,
      about: who,
      run: () => this.#decide(this.#options.database.requests.approve(key, { permission: given }), `${who} is let in`),
    });
    actions.show([
      approve("Let in", permission === "read" ? "read" : "write"),
      ...(permission === "read" ? [] : [approve("Let read only", "read")]),
      {
        label: "Turn down",
        about: who,
        run: () => this.#decide(this.#options.database.requests.reject(key), `${who} is turned down`),
      },
    ]);
    const head = element("p", {}, element("bdi", { class: "person-name" }, name === "" ? "No name" : name), " ");
    head.append(element("code", { class: "fingerprint", title: `Public key ${key}` }, fingerprint(key)));
    const row = element("li", { class: "request" }, head);
    if (note !== "") row.append(element("p", { class: "request-note", dir: "auto" }, note));
    row.append(
      element(
        "p",
        { class: "fine" },
        `Asked ${timeWords(askedAtMs)}. Anyone can take a name: if unsure, compare the code.`,
      ),
      actions.element,
    );
    this.#rows.set(key, row);
    this.#list.append(row);
    this.#options.announcer.announce(`${who} asks to come in`);
  }

  async #decide(work: Promise<unknown>, words: string): Promise<void> {
    const { attempt, announcer } = this.#options;
    if (await attempt(work)) announcer.announce(words);
  }

  #drop(key: string, row: HTMLElement): void {
    const hadFocus = row.contains(document.activeElement);
    row.remove();
    this.#rows.delete(key);
    if (!hadFocus) return;
    // Whoever decides one after the other goes on with the next.
    const next = this.#list.querySelector<HTMLElement>("button");
    (next ?? document.getElementById("panel-title"))?.focus();
  }
}
