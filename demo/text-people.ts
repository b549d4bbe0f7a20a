/** Who has the text open, and where in it they are: said by each tab, and never stored. */
import type { Database, JsonValue, PresenceMember, Stop } from "tidemark";
import { element, setText } from "./element.ts";
import type { OtherCaret } from "./other-carets.ts";
import type { People } from "./people.ts";
import { Presence } from "./presence.ts";
import type { Place, SharedText } from "./shared-text.ts";
import type { Surroundings } from "./view.ts";

interface Reader {
  /** Of their tab. */
  readonly page: string;
  readonly key: string;
  readonly isSelf: boolean;
  readonly colour: number;
  readonly anchor: Place | undefined;
  readonly head: Place | undefined;
}

/** Places as they are in the text now. */
interface Indexes {
  readonly anchor: number | undefined;
  readonly head: number | undefined;
}

export interface TextSelection {
  readonly anchor: number;
  /** Where the caret is. */
  readonly head: number;
}

export interface TextPeopleOptions {
  readonly around: Surroundings;
  readonly database: Database;
  readonly people: People;
  readonly text: SharedText;
  /** They are somewhere else, or others. */
  readonly moved: () => void;
  readonly goTo: (index: number) => void;
}

/** As many as there are colours in the style sheet. */
const colourCount = 6;

export class TextPeople {
  readonly element: HTMLElement = element("ul", {
    role: "list",
    class: "text-people",
    "aria-label": "In the text now",
  });
  readonly #options: TextPeopleOptions;
  readonly #announcing: Presence;
  readonly #rows = new Map<string, HTMLElement>();
  readonly #colours = new Map<string, number>();
  /** Where each was found last, by page: who writes is ahead of what has arrived of it, and does not vanish meanwhile. */
  readonly #found = new Map<string, Pick<Reader, "anchor" | "head">>();
  readonly #stop: Stop;
  #members: readonly PresenceMember[] = [];
  #readers: readonly Reader[] = [];
  #isOnline: boolean;

  constructor(options: TextPeopleOptions, isOnline: boolean) {
    this.#options = options;
    this.#isOnline = isOnline;
    const { around, people, database } = options;
    this.#announcing = new Presence(around.announcer, (key) => people.nameOf(key), {
      came: "is in the text",
      went: "left the text",
    });
    this.#stop = database.presence.subscribe((members) => {
      this.#members = members;
      this.#update();
    });
  }

  /** Whoever goes offline is told nothing more of others: they are not shown as if they were. */
  setOnline(isOnline: boolean): void {
    if (isOnline === this.#isOnline) return;
    this.#isOnline = isOnline;
    this.#update();
  }

  /** Says where this tab is. Without a selection: in the text, and nowhere in particular. */
  say(selection?: TextSelection): void {
    const { database, text } = this.#options;
    const anchor = selection && text.placeAt(selection.anchor);
    const head = selection && text.placeAt(selection.head);
    const isSomewhere = anchor !== undefined && head !== undefined;
    database.presence.set({ text: isSomewhere ? { anchor: { ...anchor }, head: { ...head } } : {} });
  }

  /** Of those whose place is known. */
  carets(): readonly OtherCaret[] {
    return this.#readers.flatMap((reader) => {
      const { anchor, head } = this.#placesOf(reader);
      if (reader.isSelf || head === undefined) return [];
      return [{ name: this.#nameOf(reader), colour: reader.colour, anchor: anchor ?? head, head }];
    });
  }

  /** With what they are called, and the lines where they are. */
  show(): void {
    const pages = new Set(this.#readers.map(({ page }) => page));
    for (const [page, row] of this.#rows) if (!pages.has(page)) this.#drop(page, row);
    for (const reader of this.#readers) this.#showRow(reader);
  }

  close(): void {
    this.#stop();
    this.#options.database.presence.clear();
  }

  #update(): void {
    const readers = this.#members.flatMap((member) => this.#read(member));
    this.#readers = readers.filter(({ isSelf, key }) => isSelf || key === this.#self || this.#isOnline);
    const others = this.#readers.filter(({ key }) => key !== this.#self);
    this.#announcing.show(new Set(others.map(({ key }) => key)), this.#isOnline);
    this.show();
    this.#options.moved();
  }

  get #self(): string {
    return this.#options.people.self;
  }

  /** What others say may be anything. */
  #read({ page, key, state, isSelf }: PresenceMember): readonly Reader[] {
    const text = fieldOf(state, "text");
    if (typeof text !== "object" || text === null) return [];
    const [anchor, head] = [readPlace(fieldOf(text, "anchor")), readPlace(fieldOf(text, "head"))];
    return [{ page, key, isSelf, colour: this.#colourOf(page), anchor, head }];
  }

  /** The same for everybody unless two would have the same one; kept while somebody is there. */
  #colourOf(page: string): number {
    const known = this.#colours.get(page);
    if (known !== undefined) return known;
    const here = new Set(this.#members.map((member) => member.page));
    for (const gone of this.#colours.keys()) if (!here.has(gone)) this.#colours.delete(gone);
    const taken = new Set(this.#colours.values());
    const wanted = Number.parseInt(page.slice(0, 8), 16) % colourCount;
    const inTurn = Array.from({ length: colourCount }, (_, i) => (wanted + i) % colourCount);
    const colour = inTurn.find((one) => !taken.has(one)) ?? wanted;
    this.#colours.set(page, colour);
    return colour;
  }

  #placesOf(reader: Reader): Indexes {
    const now = this.#indexesOf(reader);
    const found = this.#found.get(reader.page);
    if (now.head === undefined && reader.head !== undefined && found !== undefined) return this.#indexesOf(found);
    this.#found.set(reader.page, reader);
    return now;
  }

  #indexesOf({ anchor, head }: Pick<Reader, "anchor" | "head">): Indexes {
    const { text } = this.#options;
    return { anchor: anchor && text.indexOf(anchor), head: head && text.indexOf(head) };
  }

  #nameOf({ key, isSelf }: Reader): string {
    if (key !== this.#self) return this.#options.people.nameOf(key);
    return isSelf ? "You" : "You, in another tab";
  }

  #showRow(reader: Reader): void {
    const row = this.#rows.get(reader.page) ?? this.#makeRow(reader);
    const name = row.querySelector(".text-person") ?? row;
    setText(name, this.#nameOf(reader));
    const { head } = this.#placesOf(reader);
    const line = head === undefined ? "" : `: go to line ${this.#lineOf(head)}`;
    const label = this.#nameOf(reader) + line;
    const button = row.querySelector("button");
    if (button?.getAttribute("aria-label") !== label) button?.setAttribute("aria-label", label);
  }

  #makeRow(reader: Reader): HTMLElement {
    const name = element("bdi", { class: "text-person" });
    const dot = element("span", { class: "text-dot", "aria-hidden": "true" });
    const row = element("li", { "data-colour": reader.isSelf ? undefined : reader.colour });
    if (reader.isSelf) {
      row.append(name);
    } else {
      const button = element("button", { type: "button", class: "text-person-button" }, dot, name);
      button.addEventListener("click", () => this.#goTo(reader.page));
      row.append(button);
    }
    this.#rows.set(reader.page, row);
    if (reader.isSelf) this.element.prepend(row);
    else this.element.append(row);
    return row;
  }

  #goTo(page: string): void {
    const reader = this.#readers.find((one) => one.page === page);
    const head = reader && this.#placesOf(reader).head;
    if (head !== undefined) this.#options.goTo(head);
  }

  #drop(page: string, row: HTMLElement): void {
    this.#rows.delete(page);
    this.#found.delete(page);
    row.remove();
  }

  #lineOf(index: number): number {
    return this.#options.text.value.slice(0, index).split("\n").length;
  }
}

function fieldOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array)
    return undefined;
  return (value as Readonly<Record<string, JsonValue>>)[name];
}

function readPlace(value: JsonValue | undefined): Place | undefined {
  const [piece, after] = [fieldOf(value, "piece"), fieldOf(value, "after")];
  if (typeof piece !== "string" || (typeof after !== "string" && after !== null)) return undefined;
  return { piece, after };
}
