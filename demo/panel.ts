/** The panel beside a board: what is saved and safe where, who is here and how, and the ways to steer it. */
import type { Database, DatabaseStatus, Instance } from "tidemark";
import { isUsualInstance } from "./address.ts";
import { BoardFile } from "./board-file.ts";
import { countWords, element, setText } from "./element.ts";
import { help } from "./help.ts";
import { icon } from "./icons.ts";
import type { Members } from "./members.ts";
import { nameLengthMax, tidyName } from "./own-name.ts";
import type { Peers } from "./peers.ts";
import type { People } from "./people.ts";
import { PeopleList } from "./people-list.ts";
import { problemList } from "./problem-list.ts";
import { RequestList } from "./request-list.ts";
import { SafeList } from "./safe-list.ts";
import { blockLine, safeWords } from "./safe-words.ts";
import { reachedWords, relayWords, savedWords, summaryWords, type Words } from "./status-words.ts";
import { StorageMeter } from "./storage-meter.ts";
import { SyncDetails } from "./sync-details.ts";
import type { Surroundings } from "./view.ts";

export interface PanelOptions {
  readonly around: Surroundings;
  readonly database: Database;
  readonly people: People;
  readonly peers: Peers;
  readonly members: Members;
}

export interface PanelOwner {
  /** Resolves with whether it worked. */
  setOffline(isOffline: boolean): Promise<boolean>;
  setOwnName(name: string): void;
  /** The board is not on this device any more. */
  forgotten(): void;
  /** Resolves with whether it worked; if not, people are told why. */
  attempt(work: Promise<unknown>): Promise<boolean>;
}

export class Panel {
  readonly element: HTMLElement;
  /** For windows with little room: one line that opens the panel. */
  readonly summary: HTMLButtonElement;
  readonly #people: People;
  readonly #lines = element("ul", { role: "list", class: "status-lines" });
  readonly #list: PeopleList;
  readonly #requests: RequestList;
  readonly #safe: SafeList;
  readonly #details: SyncDetails;
  readonly #meter: StorageMeter;
  readonly #file: BoardFile;
  readonly #name = element("input", {
    type: "text",
    id: "own-name",
    maxlength: nameLengthMax,
    autocomplete: "nickname",
    placeholder: "What others call you",
  });
  readonly #nameField: HTMLElement;
  readonly #offline = element("input", { type: "checkbox", role: "switch", id: "offline" });
  readonly #summaryText = element("span", { class: "summary-text" });
  readonly #summaryBadge = element("span", { class: "badge", hidden: true });
  readonly #stopProblems: () => void;
  /** How often it was chosen and is not done yet: until then the switch does not go back. */
  #switching = 0;

  constructor({ around, database, people, peers, members }: PanelOptions, owner: PanelOwner) {
    const { instance, problems, toasts } = around;
    const nameOf = (key: string): string => people.nameOf(key);
    const attempt = (work: Promise<unknown>): Promise<boolean> => owner.attempt(work);
    this.#people = people;
    this.#list = new PeopleList({ people, peers, members, toasts, attempt });
    const showAsking = (): void => this.#showAsking();
    this.#requests = new RequestList({ database, announcer: around.announcer, attempt, changed: showAsking });
    this.#safe = new SafeList(nameOf);
    const withNames = (text: string): string => peers.withNames(text, nameOf);
    this.#details = new SyncDetails({ instance, database, nameOf, withNames, attempt });
    this.#meter = new StorageMeter(instance, around.tabs);
    this.#file = new BoardFile(database, owner);
    this.#nameField = this.#makeNameField(owner);
    this.#offline.addEventListener("change", () => void this.#setOffline(owner));
    const trouble = problemList(problems);
    this.#stopProblems = trouble.stop;
    this.element = element(
      "aside",
      { class: "panel", id: "panel", "aria-label": "Status and people" },
      this.#requests.element,
      element("h2", { id: "panel-title", tabindex: -1 }, "Status"),
      this.#lines,
      this.#safe.element,
      element("label", { class: "switch-row", for: "offline" }, element("span", {}, "Work offline"), this.#offline),
      element("h2", {}, "People"),
      this.#list.element,
      this.#nameField,
      ...ownInstanceNote(instance),
      element("h2", {}, "This device"),
      this.#meter.element,
      trouble.element,
      this.#file.element,
      this.#details.element,
      help(),
    );
    this.summary = this.#makeSummary();
  }

  show(status: DatabaseStatus): void {
    const nameOf = (key: string): string => this.#people.nameOf(key);
    const block = blockLine(status);
    showLines(this.#lines, [
      savedWords(status),
      safeWords(status, nameOf),
      reachedWords(status, nameOf),
      ...(block === undefined ? [] : [warning(`${block.title}. ${block.hint}`)]),
      ...relayWords(status.relays, status.online),
    ]);
    this.#safe.show(status);
    this.#file.show(status);
    if (this.#switching === 0) this.#offline.checked = !status.online;
    this.#list.show(status);
    const canWrite = ["owner", "admin", "write"].includes(status.permission);
    this.#nameField.hidden = !canWrite;
    const summary = block === undefined ? summaryWords(status, nameOf) : warning(block.title);
    setText(this.#summaryText, summary.text);
    this.summary.dataset.tone = summary.tone;
  }

  async #setOffline(owner: PanelOwner): Promise<void> {
    const isOffline = this.#offline.checked;
    this.#switching += 1;
    const isDone = await owner.setOffline(isOffline);
    if (!isDone) this.#offline.checked = !isOffline;
    this.#switching -= 1;
  }

  /** Unless it is being written. */
  showOwnName(name: string): void {
    if (document.activeElement !== this.#name) this.#name.value = name;
  }

  /** Where the panel is folded away, somebody who asks must not wait unseen. */
  #showAsking(): void {
    const { count } = this.#requests;
    this.#summaryBadge.hidden = count === 0;
    setText(this.#summaryBadge, count === 0 ? "" : `${countWords(count, "request")}`);
  }

  close(): void {
    this.#requests.close();
    this.#stopProblems();
    this.#details.close();
    this.#meter.close();
    this.#file.close();
  }

  #makeNameField(owner: PanelOwner): HTMLElement {
    const form = element(
      "form",
      { class: "name-field" },
      element("label", { for: "own-name" }, "Your name"),
      element("div", { class: "field-row" }, this.#name, element("button", { type: "submit", class: "small" }, "Save")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      owner.setOwnName(tidyName(this.#name.value));
    });
    return form;
  }

  #makeSummary(): HTMLButtonElement {
    const button = element(
      "button",
      { type: "button", class: "summary", "aria-expanded": "false", "aria-controls": "panel" },
      element("span", { class: "dot", "aria-hidden": "true" }),
      this.#summaryText,
      this.#summaryBadge,
      icon("chevron"),
    );
    button.addEventListener("click", () => {
      const isOpen = this.element.classList.toggle("is-open");
      button.setAttribute("aria-expanded", String(isOpen));
    });
    return button;
  }
}

function ownInstanceNote({ name }: Instance): readonly HTMLElement[] {
  if (isUsualInstance(name)) return [];
  return [element("p", { class: "fine" }, `This tab is a person of its own, called “${name}” in this browser.`)];
}

function warning(text: string): Words {
  return { text, tone: "warning" };
}

function showLines(list: HTMLElement, lines: readonly Words[]): void {
  const items = lines.map(({ text, tone }) => {
    return element(
      "li",
      { "data-tone": tone },
      element("span", { class: "dot", "aria-hidden": "true" }),
      element("span", {}, text),
    );
  });
  list.replaceChildren(...items);
}
