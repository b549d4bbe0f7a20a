/** The panel beside a board: what is saved, what has reached others, who is here and how, and the way to go offline. */
import type { DatabaseStatus, Instance, PeerStatus } from "tidemark";
import { isUsualInstance } from "./address.ts";
import { element, setText } from "./element.ts";
import { help } from "./help.ts";
import { icon } from "./icons.ts";
import { nameLengthMax, tidyName } from "./own-name.ts";
import { fingerprint, type People } from "./people.ts";
import { problemList } from "./problem-list.ts";
import type { Problems } from "./problems.ts";
import {
  pathWords,
  peerWords,
  reachedWords,
  relayWords,
  savedWords,
  summaryWords,
  type Words,
} from "./status-words.ts";

export interface PanelOwner {
  setOffline(isOffline: boolean): void;
  setOwnName(name: string): void;
}

export class Panel {
  readonly element: HTMLElement;
  /** For windows with little room: one line that opens the panel. */
  readonly summary: HTMLButtonElement;
  readonly #people: People;
  readonly #lines = element("ul", { role: "list", class: "status-lines" });
  readonly #list = element("ul", { role: "list", class: "people", "aria-label": "People on this board" });
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
  readonly #stopProblems: () => void;

  constructor(instance: Instance, people: People, problems: Problems, owner: PanelOwner) {
    this.#people = people;
    this.#nameField = this.#makeNameField(owner);
    this.#offline.addEventListener("change", () => owner.setOffline(this.#offline.checked));
    const trouble = problemList(problems);
    this.#stopProblems = trouble.stop;
    this.element = element(
      "aside",
      { class: "panel", id: "panel", "aria-label": "Status and people" },
      element("h2", {}, "Status"),
      this.#lines,
      element("label", { class: "switch-row", for: "offline" }, element("span", {}, "Work offline"), this.#offline),
      element("h2", {}, "People"),
      this.#list,
      this.#nameField,
      ...(isUsualInstance(instance.name)
        ? []
        : [
            element(
              "p",
              { class: "fine" },
              `This tab is a person of its own, called “${instance.name}” in this browser.`,
            ),
          ]),
      trouble.element,
      help(),
    );
    this.summary = this.#makeSummary();
  }

  show(status: DatabaseStatus): void {
    const nameOf = (key: string): string => this.#people.nameOf(key);
    const lines = [savedWords(status), reachedWords(status, nameOf), ...relayWords(status.relays, status.online)];
    showLines(this.#lines, lines);
    this.#offline.checked = !status.online;
    this.#showPeople(status);
    const canWrite = ["owner", "admin", "write"].includes(status.permission);
    this.#nameField.hidden = !canWrite;
    const summary = summaryWords(status, nameOf);
    setText(this.#summaryText, summary.text);
    this.summary.dataset.tone = summary.tone;
  }

  /** Unless it is being written. */
  showOwnName(name: string): void {
    if (document.activeElement !== this.#name) this.#name.value = name;
  }

  close(): void {
    this.#stopProblems();
  }

  #showPeople({ peers, online }: DatabaseStatus): void {
    const here = new Set<string>(peers.map(({ key }) => key));
    const { self } = this.#people;
    const away = this.#people.keys().filter((key) => key !== self && !here.has(key));
    this.#list.replaceChildren(
      this.#person(
        self,
        online ? { text: "this device", tone: "good" } : { text: "this device, offline", tone: "warning" },
      ),
      ...peers.map((peer) => this.#peer(peer)),
      ...away.map((key) => this.#person(key, { text: "not connected", tone: "quiet" })),
    );
  }

  #peer(peer: PeerStatus): HTMLElement {
    const { text, tone } = peerWords(peer);
    return this.#person(peer.key, { text: `${pathWords(peer.path)} · ${text}`, tone });
  }

  #person(key: string, { text, tone }: Words): HTMLElement {
    const isSelf = key === this.#people.self;
    const name = this.#people.nameOf(key);
    const hasName = name !== fingerprint(key);
    const words = hasName ? name : isSelf ? "You" : "No name";
    const initial = hasName || isSelf ? ([...words][0] ?? "?").toLocaleUpperCase() : "?";
    const suffix = isSelf && hasName ? [element("span", { class: "fine" }, " (you)")] : [];
    return element(
      "li",
      { class: "person", "data-tone": tone },
      element("span", { class: "avatar", "aria-hidden": "true" }, initial),
      element("span", { class: "person-name" }, element("bdi", {}, words), ...suffix),
      element("code", { class: "fingerprint", title: `Public key ${key}` }, fingerprint(key)),
      element("span", { class: "person-state fine" }, text),
    );
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
      icon("chevron"),
    );
    button.addEventListener("click", () => {
      const isOpen = this.element.classList.toggle("is-open");
      button.setAttribute("aria-expanded", String(isOpen));
    });
    return button;
  }
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
