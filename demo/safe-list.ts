/** What is safe where, in full, folded away below the one line that says it. */
import type { DatabaseStatus, HeldBy } from "tidemark";
import { countWords, element } from "./element.ts";
import { Facts } from "./facts.ts";
import { heldWords } from "./person-words.ts";
import { blockWords, safeFacts } from "./safe-words.ts";

export class SafeList {
  readonly element: HTMLElement;
  readonly #nameOf: (key: string) => string;
  readonly #copies = element("ul", { role: "list", class: "copies", "aria-label": "Copies of this board" });
  readonly #facts = new Facts();
  readonly #blocks = element("ul", {
    role: "list",
    class: "blocks",
    "aria-label": "What keeps this board from syncing",
  });
  #shown = "";

  constructor(nameOf: (key: string) => string) {
    this.#nameOf = nameOf;
    this.element = element(
      "details",
      { class: "folded safe" },
      element("summary", {}, "What is safe where"),
      this.#copies,
      this.#facts.element,
      this.#blocks,
    );
  }

  show(status: DatabaseStatus): void {
    const { entries, saved, heldBy, peers } = status;
    const isHere = (peer: string): boolean => peers.some(({ key }) => key === peer);
    const copies = [
      ["This device", saved === entries ? `all ${countWords(entries, "change")}` : `${saved} of ${entries} changes`],
      ...heldBy.map((held) => [this.#nameOf(held.peer), copyWords(held, entries, isHere(held.peer))]),
    ];
    const blocks = status.blockedBy.map(blockWords);
    this.#facts.show(safeFacts(status));
    const shown = JSON.stringify([copies, blocks]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#copies.replaceChildren(...copies.map(([name = "", words = ""]) => copyItem(name, words)));
    this.#blocks.replaceChildren(...(blocks.length === 0 ? [noBlock()] : blocks.map(blockItem)));
  }
}

function copyWords(held: HeldBy, entries: number, isHere: boolean): string {
  return `${heldWords(held, entries)}${isHere ? "" : " · away now"}`;
}

function copyItem(name: string, words: string): HTMLElement {
  return element("li", {}, element("b", {}, element("bdi", {}, name)), " ", element("span", { class: "fine" }, words));
}

function blockItem({ title, hint }: { readonly title: string; readonly hint: string }): HTMLElement {
  return element("li", {}, element("b", {}, title), " ", element("span", { class: "fine" }, hint));
}

function noBlock(): HTMLElement {
  return element("li", { class: "fine" }, "Nothing keeps this board from syncing.");
}
