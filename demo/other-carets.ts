/** The carets and selections of others, with their names: drawn over a text, to be seen and not to be touched. */
import { element, setText } from "./element.ts";

export interface OtherCaret {
  readonly name: string;
  /** Which of the colours of the style sheet. */
  readonly colour: number;
  readonly anchor: number;
  readonly head: number;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const nameLengthMax = 16;

export class OtherCarets {
  readonly element: HTMLElement = element("div", { class: "text-others", "aria-hidden": "true" });
  /** For behind the text. */
  readonly selections: HTMLElement = element("div", { class: "text-others", "aria-hidden": "true" });
  readonly #text: Text;
  #carets: () => readonly OtherCaret[] = () => [];
  #isWaiting = false;

  /** `text`: laid out as what they are drawn over, in a box of the same place; with one character more, so that there is one behind each place. */
  constructor(text: Text) {
    this.#text = text;
  }

  show(carets: () => readonly OtherCaret[]): void {
    this.#carets = carets;
    this.draw();
  }

  /** With the next frame. */
  draw(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    requestAnimationFrame(() => {
      this.#isWaiting = false;
      if (this.element.isConnected) this.#draw();
    });
  }

  #draw(): void {
    const carets = this.#carets();
    const selections = carets.flatMap((caret) => this.#selection(caret));
    const flags = gather(carets).map(({ head, ...flag }) => ({ ...flag, box: this.#boxAt(head) }));
    for (const [made, { box, colour }] of elementsFor(this.selections, selections, makeSelection))
      place(made, colour, box, this.#origin);
    for (const [made, { box, colour, name }] of elementsFor(this.element, flags, makeCaret)) {
      place(made, colour, box, this.#origin);
      setText(flagOf(made), name);
      this.#keepInside(flagOf(made));
    }
  }

  #selection({ anchor, head, colour }: OtherCaret): readonly { readonly box: Box; readonly colour: number }[] {
    if (anchor === head) return [];
    const rects = this.#range(Math.min(anchor, head), Math.max(anchor, head)).getClientRects();
    return [...rects].map((box) => ({ box, colour }));
  }

  /** Before the character that follows: at the end of a line browsers do not agree whether a caret is there or on the next one. */
  #boxAt(index: number): Box {
    const rects = [...this.#range(index, index + 1).getClientRects()];
    const next = rects.at(-1) ?? this.#origin;
    const same = [...this.#range(index, index).getClientRects()].find(({ top }) => Math.abs(top - next.top) < 1);
    return { left: same?.left ?? next.left, top: next.top, width: 0, height: next.height };
  }

  #range(start: number, end: number): Range {
    const range = document.createRange();
    range.setStart(this.#text, Math.min(start, this.#text.length));
    range.setEnd(this.#text, Math.min(end, this.#text.length));
    return range;
  }

  get #origin(): DOMRect {
    return this.element.getBoundingClientRect();
  }

  #keepInside(flag: HTMLElement): void {
    flag.classList.remove("is-before");
    const [box, own] = [this.#origin, flag.getBoundingClientRect()];
    flag.classList.toggle("is-before", own.right > box.right && own.left - own.width >= box.left);
  }
}

/** Who is at the same place shares a flag: else one would cover the other. */
function gather(carets: readonly OtherCaret[]): readonly OtherCaret[] {
  const byHead = new Map<number, OtherCaret>();
  for (const caret of carets) {
    const there = byHead.get(caret.head);
    const name = shorten(caret.name);
    byHead.set(caret.head, {
      ...caret,
      ...(there === undefined ? { name } : { ...there, name: `${there.name}, ${name}` }),
    });
  }
  return [...byHead.values()];
}

function shorten(name: string): string {
  const letters = [...name];
  return letters.length <= nameLengthMax ? name : `${letters.slice(0, nameLengthMax - 1).join("")}…`;
}

/** An element for each of these. Those that are there stay, with something else to show: what is drawn anew as others move does not blink. */
function elementsFor<T>(
  parent: HTMLElement,
  shown: readonly T[],
  make: () => HTMLElement,
): readonly (readonly [made: HTMLElement, shown: T])[] {
  while (parent.children.length > shown.length) parent.lastElementChild?.remove();
  while (parent.children.length < shown.length) parent.append(make());
  return shown.map((one, i) => [parent.children[i] as HTMLElement, one]);
}

function makeSelection(): HTMLElement {
  return element("span", { class: "text-selection" });
}

function makeCaret(): HTMLElement {
  return element("span", { class: "text-caret" }, element("span", { class: "text-name" }));
}

function flagOf(caret: HTMLElement): HTMLElement {
  return caret.firstElementChild as HTMLElement;
}

function place(made: HTMLElement, colour: number, { left, top, width, height }: Box, origin: Box): void {
  made.dataset.colour = String(colour);
  made.style.left = `${left - origin.left}px`;
  made.style.top = `${top - origin.top}px`;
  made.style.width = `${width}px`;
  made.style.height = `${height}px`;
}
