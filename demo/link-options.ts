/** What a link gives, to how many, and until when. */
import type { ShareOptions } from "tidemark";
import { element } from "./element.ts";

/** ask: whoever opens it asks, and is let in by somebody. */
export type Giving = "write" | "read" | "admin" | "ask";

const givings: readonly { readonly value: Giving; readonly title: string; readonly text: string }[] = [
  { value: "write", title: "Can write", text: "Add, change, tick and delete notes" },
  { value: "read", title: "Can read", text: "See everything, change nothing" },
  { value: "admin", title: "Can invite", text: "Write, let people in and remove them" },
  { value: "ask", title: "Has to ask", text: "You decide who comes in; this link is no secret" },
];

const day = 24 * 3_600_000;
const uses: readonly (readonly [label: string, uses: number | undefined])[] = [
  ["Any number of people", undefined],
  ["One person", 1],
  ["5 people", 5],
  ["20 people", 20],
];
const ends: readonly (readonly [label: string, ms: number | undefined])[] = [
  ["Never", undefined],
  ["In an hour", 3_600_000],
  ["In a day", day],
  ["In a week", 7 * day],
  ["In 30 days", 30 * day],
];

const labelLengthMax = 40;

export class LinkOptions {
  readonly element: HTMLElement;
  readonly #uses = choice("link-uses", uses);
  readonly #ends = choice("link-ends", ends);
  readonly #label = element("input", {
    type: "text",
    id: "link-label",
    maxlength: labelLengthMax,
    autocomplete: "off",
    placeholder: "Optional",
    dir: "auto",
  });
  readonly #limits: HTMLElement;
  #giving: Giving = "write";

  readonly #adminPower: () => number;

  /** `adminPower`: what an admin gets who comes in by a link. `changed` is called when something else is chosen. */
  constructor(adminPower: () => number, changed: () => void) {
    this.#adminPower = adminPower;
    const group = element("fieldset", { class: "choices" }, element("legend", {}, "Whoever opens the link"));
    for (const giving of givings) group.append(this.#option(giving, changed));
    this.#limits = element(
      "div",
      { class: "link-limits" },
      field("link-uses", "Opens it for", this.#uses),
      field("link-ends", "Ends", this.#ends),
      field("link-label", "Who it is for", this.#label),
    );
    for (const input of [this.#uses, this.#ends, this.#label]) input.addEventListener("input", changed);
    this.element = element("div", { class: "link-options" }, group, this.#limits);
  }

  get giving(): Giving {
    return this.#giving;
  }

  /** What `share` is to be told; undefined when whoever opens the link has to ask. */
  get invite(): ShareOptions | undefined {
    if (this.#giving === "ask") return undefined;
    const [, most] = uses[Number(this.#uses.value)] ?? [];
    const [, ms] = ends[Number(this.#ends.value)] ?? [];
    const label = this.#label.value.trim();
    return {
      permission: this.#giving === "admin" ? this.#adminPower() : this.#giving,
      ...(most === undefined ? {} : { uses: most }),
      ...(ms === undefined ? {} : { expiresAt: Date.now() + ms }),
      ...(label === "" ? {} : { label }),
    };
  }

  #option({ value, title, text }: (typeof givings)[number], changed: () => void): HTMLElement {
    const input = element("input", { type: "radio", name: "share", value, checked: value === this.#giving });
    input.addEventListener("change", () => {
      this.#giving = value;
      this.#limits.hidden = value === "ask";
      changed();
    });
    return element(
      "label",
      { class: "choice" },
      input,
      element("span", {}, element("b", {}, title), element("small", {}, text)),
    );
  }
}

function choice(id: string, options: readonly (readonly [string, unknown])[]): HTMLSelectElement {
  const made = element("select", { id });
  for (const [i, [label]] of options.entries()) made.append(element("option", { value: i }, label));
  return made;
}

function field(id: string, label: string, input: HTMLElement): HTMLElement {
  return element("div", { class: "field" }, element("label", { for: id }, label), input);
}
