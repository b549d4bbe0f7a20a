/**
 * The list of notes: one row per note, kept by its id. Rows are made in portions, so that a very long board opens at once.
 *
 * The focus stays where it was. When its row goes away it moves to the row that takes the place, and to `emptied` when none is left.
 */
import { element } from "./element.ts";
import { NoteRow, type RowControl, type RowLook } from "./note-row.ts";
import type { PlacedNote } from "./notes.ts";

export interface NoteListOwner {
  /** Resolves with whether it worked. */
  tick(note: PlacedNote, done: boolean): Promise<boolean>;
  edit(note: PlacedNote, text: string): void;
  remove(note: PlacedNote): void;
  authorOf(note: PlacedNote): string;
  /** The focus was on a note, and none is left. */
  emptied(): void;
}

export interface NoteListLook {
  readonly isReadOnly: boolean;
  /** Ids of notes that somebody else just wrote or changed. */
  readonly foreign: ReadonlySet<string>;
}

interface Place {
  readonly element: Element;
  readonly id: string;
  readonly index: number;
  readonly control: RowControl;
}

const portion = 150;

export class NoteList {
  readonly element: HTMLElement;
  readonly #owner: NoteListOwner;
  readonly #list = element("ul", { role: "list", class: "notes", "aria-label": "Notes" });
  readonly #more = element("button", { type: "button", class: "more" });
  readonly #rows = new Map<string, NoteRow>();
  readonly #rowsByItem = new WeakMap<Element, NoteRow>();
  readonly #observer: IntersectionObserver;
  #notes: readonly PlacedNote[] = [];
  #rowsMax = portion;
  #isReadOnly = false;

  constructor(owner: NoteListOwner) {
    this.#owner = owner;
    this.element = element("div", { class: "note-list" }, this.#list, this.#more);
    this.#more.addEventListener("click", () => this.#showMore());
    this.#observer = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.#showMore(), {
      rootMargin: "600px",
    });
    this.#observer.observe(this.#more);
    this.#list.addEventListener("change", (event) => this.#onChange(event));
    this.#list.addEventListener("click", (event) => this.#onClick(event));
    this.#list.addEventListener("dblclick", (event) => this.#onDoubleClick(event));
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
  }

  show(notes: readonly PlacedNote[], { isReadOnly, foreign }: NoteListLook): void {
    this.#notes = notes;
    this.#isReadOnly = isReadOnly;
    const place = this.#focusedPlace();
    this.#render();
    for (const id of foreign) this.#rows.get(id)?.flash();
    if (place !== undefined) this.#restoreFocus(place);
  }

  close(): void {
    this.#observer.disconnect();
  }

  #render(): void {
    const shown = this.#notes.slice(0, this.#rowsMax);
    const ids = new Set(shown.map(({ id }) => id));
    for (const [id, row] of this.#rows) if (!ids.has(id) && !row.isEditing) this.#drop(id, row);
    let next = this.#list.firstElementChild;
    for (const note of shown) {
      const row = this.#rowOf(note);
      // A row that is being edited stays, even when its note is deleted meanwhile.
      while (next !== null && next !== row.element && this.#isLeftOver(next, ids)) next = next.nextElementSibling;
      if (next === row.element) next = next.nextElementSibling;
      else this.#list.insertBefore(row.element, next);
    }
    const rest = this.#notes.length - shown.length;
    this.#more.hidden = rest === 0;
    this.#more.textContent = `Show more (${rest.toLocaleString("en")} left)`;
    this.#list.hidden = this.#rows.size === 0;
  }

  #rowOf(note: PlacedNote): NoteRow {
    const look: RowLook = { author: this.#owner.authorOf(note), isReadOnly: this.#isReadOnly };
    const known = this.#rows.get(note.id);
    known?.show(note, look);
    const row = known ?? new NoteRow(note, look);
    this.#rows.set(note.id, row);
    this.#rowsByItem.set(row.element, row);
    return row;
  }

  #drop(id: string, row: NoteRow): void {
    this.#rows.delete(id);
    row.element.remove();
  }

  #isLeftOver(item: Element, ids: ReadonlySet<string>): boolean {
    const row = this.#rowAt(item);
    return row?.isEditing === true && !ids.has(row.note.id);
  }

  #showMore(): void {
    if (this.#rowsMax >= this.#notes.length) return;
    this.#rowsMax += portion;
    this.#render();
    // The observer tells of a change: still being near after a portion is none.
    this.#observer.unobserve(this.#more);
    this.#observer.observe(this.#more);
  }

  // --- Focus

  #focusedPlace(): Place | undefined {
    const active = document.activeElement;
    const row = active === null ? undefined : this.#rowAt(active);
    const control = (active as HTMLElement | null)?.dataset.control as RowControl | undefined;
    if (active === null || row === undefined || control === undefined) return undefined;
    return { element: active, id: row.note.id, index: this.#items().indexOf(row.element), control };
  }

  #restoreFocus({ element: was, id, index, control }: Place): void {
    if (document.activeElement === was) return;
    const items = this.#items();
    const row = this.#rows.get(id) ?? this.#rowAt(items[Math.min(index, items.length - 1)]);
    if (row === undefined) this.#owner.emptied();
    else row.control(control).focus({ preventScroll: this.#rows.has(id) });
  }

  #items(): readonly Element[] {
    return [...this.#list.children];
  }

  #rowAt(inside: Element | undefined): NoteRow | undefined {
    const item = inside?.closest(".note");
    return item === null || item === undefined ? undefined : this.#rowsByItem.get(item);
  }

  // --- What people do

  #onChange(event: Event): void {
    const { target } = event;
    const row = target instanceof HTMLInputElement ? this.#rowAt(target) : undefined;
    if (row !== undefined) void this.#tick(row, (target as HTMLInputElement).checked);
  }

  async #tick(row: NoteRow, done: boolean): Promise<void> {
    row.tick(done);
    if (!(await this.#owner.tick(row.note, done))) row.tick(undefined);
  }

  #onClick(event: MouseEvent): void {
    const target = event.target as Element;
    const row = this.#rowAt(target);
    if (row === undefined || this.#isReadOnly) return;
    const control = target.closest<HTMLElement>("[data-control]")?.dataset.control;
    if (control === "remove") this.#owner.remove(row.note);
    // A finger has no double click that would be easy to find.
    const isTapped =
      event instanceof PointerEvent && event.pointerType === "touch" && target.closest(".note-text") !== null;
    if (control === "edit" || isTapped) this.#startEditing(row);
  }

  #onDoubleClick(event: MouseEvent): void {
    const target = event.target as Element;
    const row = this.#rowAt(target);
    if (row !== undefined && target.closest(".note-body") !== null) this.#startEditing(row);
  }

  #onKey(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    const control = target.dataset.control as RowControl | undefined;
    const row = this.#rowAt(target);
    if (row === undefined || control === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const isTaken = this.#runKey(event.key, row, control);
    if (isTaken) event.preventDefault();
  }

  #runKey(key: string, row: NoteRow, control: RowControl): boolean {
    if (key === "ArrowDown" || key === "ArrowUp") return this.#moveFocus(row, control, key === "ArrowDown" ? 1 : -1);
    if (this.#isReadOnly) return false;
    if (key === "Delete") this.#owner.remove(row.note);
    else if (key === "F2" || (key === "Enter" && control === "check")) this.#startEditing(row);
    else return false;
    return true;
  }

  #moveFocus(row: NoteRow, control: RowControl, by: 1 | -1): boolean {
    const items = this.#items();
    const neighbour = this.#rowAt(items[items.indexOf(row.element) + by]);
    neighbour?.control(control).focus();
    return neighbour !== undefined;
  }

  #startEditing(row: NoteRow): void {
    if (this.#isReadOnly) return;
    row.startEditing({
      save: (text) => this.#owner.edit(row.note, text),
      ended: () => this.show(this.#notes, { isReadOnly: this.#isReadOnly, foreign: new Set() }),
    });
  }
}
