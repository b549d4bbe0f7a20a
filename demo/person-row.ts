/** One person in the list: who, how they are doing, and, unfolded, what is known of their device and can be done. */

import type { Permission } from "tidemark";
import { type Action, ActionRow } from "./action-row.ts";
import { element, setText } from "./element.ts";
import { Facts } from "./facts.ts";
import { icon } from "./icons.ts";
import { nameLengthMax, tidyName } from "./own-name.ts";
import { fingerprint } from "./people.ts";
import { mayWords } from "./permission-words.ts";
import { type KnownPerson, personFacts, personWords } from "./person-words.ts";
import type { Words } from "./status-words.ts";

export interface PersonRowOwner {
  /** What can be made of their permission. */
  memberActions(key: string, known: KnownPerson): readonly Action[];
  /** What can be done about their device. */
  peerActions(key: string, known: KnownPerson): readonly Action[];
  /** For this device only; empty: none. */
  setName(key: string, name: string): void;
}

/** What everyone in the list is shown with. */
class PersonLine {
  readonly elements: readonly HTMLElement[];
  readonly #avatar = element("span", { class: "avatar", "aria-hidden": "true" });
  readonly #name = element("bdi");
  readonly #may = element("span", { class: "person-may" });
  readonly #state = element("span", { class: "fine" });

  constructor(key: string, suffix: readonly HTMLElement[]) {
    this.elements = [
      this.#avatar,
      element("span", { class: "person-name" }, this.#name, ...suffix),
      element("code", { class: "fingerprint", title: `Public key ${key}` }, fingerprint(key)),
      element("span", { class: "person-state" }, this.#may, " · ", this.#state),
    ];
  }

  show(name: string, words: string, permission: Permission): void {
    setText(this.#may, mayWords(permission));
    this.#may.dataset.may = permission;
    setText(this.#name, name);
    setText(this.#avatar, name === "No name" ? "?" : ([...name][0] ?? "?").toLocaleUpperCase());
    setText(this.#state, words);
  }
}

/** The person who uses this device. */
export class OwnRow {
  readonly element: HTMLElement;
  readonly #line: PersonLine;

  constructor(key: string) {
    this.#line = new PersonLine(key, []);
    this.element = element("li", { class: "person" }, element("div", { class: "person-line" }, ...this.#line.elements));
  }

  show(name: string, { text, tone }: Words, permission: Permission): void {
    this.element.dataset.tone = tone;
    this.#line.show(name === "" ? "You" : `${name} (you)`, text, permission);
  }
}

export class PersonRow {
  readonly element: HTMLElement;
  readonly #key: string;
  readonly #owner: PersonRowOwner;
  readonly #line: PersonLine;
  readonly #facts = new Facts();
  readonly #memberActions = new ActionRow();
  readonly #peerActions = new ActionRow();
  readonly #nameForm: HTMLFormElement;
  readonly #nameLabel = element("label", { for: "" });
  readonly #nameField: HTMLInputElement;

  constructor(key: string, owner: PersonRowOwner) {
    this.#key = key;
    this.#owner = owner;
    this.#line = new PersonLine(key, []);
    const id = `name-of-${key.slice(0, 16)}`;
    this.#nameField = element("input", {
      type: "text",
      id,
      maxlength: nameLengthMax,
      autocomplete: "off",
      dir: "auto",
    });
    this.#nameLabel.htmlFor = id;
    this.#nameForm = this.#makeNameForm();
    const actions = [this.#memberActions.element, this.#peerActions.element];
    const more = element("div", { class: "person-more" }, this.#facts.element, ...actions, this.#nameForm);
    const line = element("summary", { class: "person-line" }, ...this.#line.elements, icon("chevron"));
    this.element = element("li", { class: "person" }, element("details", {}, line, more));
  }

  /** `name` is empty when neither they nor this device's user gave one; `ownName` is the one that they gave. */
  show(known: KnownPerson, name: string, ownName: string, wordFor: (key: string) => string): void {
    const { text, tone } = personWords(known);
    this.element.dataset.tone = tone;
    this.#line.show(name === "" ? "No name" : name, text, known.permission);
    this.#facts.show(personFacts(known, wordFor));
    this.#memberActions.show(this.#owner.memberActions(this.#key, known));
    this.#peerActions.show(this.#owner.peerActions(this.#key, known));
    // People name themselves; whoever did not can be given a name here.
    this.#nameForm.hidden = ownName !== "" || known.info === undefined;
    setText(this.#nameLabel, `Your name for ${fingerprint(this.#key)}`);
    if (document.activeElement !== this.#nameField) this.#nameField.value = known.info?.name ?? "";
  }

  #makeNameForm(): HTMLFormElement {
    const save = element("button", { type: "submit", class: "small" }, "Save");
    const row = element("div", { class: "field-row" }, this.#nameField, save);
    const hint = element("p", { class: "fine" }, "Only you see it.");
    const form = element("form", { class: "name-field" }, this.#nameLabel, row, hint);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#owner.setName(this.#key, tidyName(this.#nameField.value));
    });
    return form;
  }
}
