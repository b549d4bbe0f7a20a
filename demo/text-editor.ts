/**
 * Where the text is written: a plain text area, so that input methods, keyboards of phones, spelling and screen readers find what they know. Behind it lies the same
 * text once more, unseen: it makes the area as tall as its text, and tells where the carets of others are to be drawn.
 */
import { applyEdit, difference, type Edit, moveIndex } from "./difference.ts";
import { element } from "./element.ts";
import { type OtherCaret, OtherCarets } from "./other-carets.ts";
import type { SharedText, TextEvent } from "./shared-text.ts";
import type { TextSelection } from "./text-people.ts";

export interface TextEditorOwner {
  /** Somebody typed here, or took back. */
  edited(edit: Edit | undefined): void;
  /** The caret or the selection is somewhere else. */
  selected(): void;
}

export class TextEditor {
  readonly element: HTMLElement;
  readonly control: HTMLTextAreaElement = element("textarea", {
    class: "text-control",
    rows: 1,
    dir: "auto",
    "aria-label": "Text",
    "aria-describedby": "read-only",
  });
  readonly #text: SharedText;
  readonly #owner: TextEditorOwner;
  readonly #copy = document.createTextNode("");
  readonly #carets: OtherCarets;
  readonly #observer: ResizeObserver;
  readonly #stop: () => void;
  /** As the control had it before the edit that is to be found out. */
  #value = "";
  #ending: ReturnType<typeof setTimeout> | undefined;
  /** During a composition: where its end is in the text as it is meanwhile. */
  #composedTo: number | undefined;

  constructor(text: SharedText, owner: TextEditorOwner) {
    this.#text = text;
    this.#owner = owner;
    const copy = element("div", { class: "text-copy", dir: "auto", "aria-hidden": "true" });
    copy.append(this.#copy);
    this.#carets = new OtherCarets(this.#copy);
    this.element = element(
      "div",
      { class: "text-editor" },
      copy,
      this.#carets.selections,
      this.control,
      this.#carets.element,
    );
    this.#observer = new ResizeObserver(() => this.#carets.draw());
    this.#observer.observe(copy);
    const stopEvents = this.#listen();
    const stopText = text.subscribe((event) => this.#take(event));
    this.#stop = () => {
      stopEvents();
      stopText();
    };
    this.#setAll(text.value);
  }

  get isEmpty(): boolean {
    return this.#value === "";
  }

  show({ isReadOnly }: { readonly isReadOnly: boolean }): void {
    this.control.readOnly = isReadOnly;
    this.control.placeholder = isReadOnly
      ? "Nothing written yet."
      : "Nothing written yet. What you write here, everybody on this board can read and change at the same time.";
  }

  /** Where they are is asked each time, since the text moves. */
  showOthers(carets: () => readonly OtherCaret[]): void {
    this.#carets.show(carets);
  }

  /** In the text as it is, though something is composed. */
  get selection(): TextSelection {
    if (this.#composedTo !== undefined) return { anchor: this.#composedTo, head: this.#composedTo };
    const { selectionStart, selectionEnd, selectionDirection } = this.control;
    return selectionDirection === "backward"
      ? { anchor: selectionEnd, head: selectionStart }
      : { anchor: selectionStart, head: selectionEnd };
  }

  goTo(index: number): void {
    this.control.focus();
    this.control.setSelectionRange(index, index);
  }

  close(): void {
    this.#observer.disconnect();
    this.#stop();
    clearTimeout(this.#ending);
    if (this.#composedTo !== undefined) this.#text.release();
  }

  #listen(): () => void {
    const { control } = this;
    control.addEventListener("keydown", (event) => this.#onKey(event));
    control.addEventListener("beforeinput", (event) => this.#beforeInput(event));
    control.addEventListener("input", () => this.#onInput());
    control.addEventListener("compositionstart", () => this.#beginComposition());
    control.addEventListener("compositionend", () => {
      // Chromium puts the caret where it thinks right after this event: in the text as it was.
      this.#ending = setTimeout(() => this.#endComposition());
    });
    control.addEventListener("focus", () => this.#owner.selected());
    const onSelection = (): void => {
      if (document.activeElement === control) this.#owner.selected();
    };
    document.addEventListener("selectionchange", onSelection);
    return () => document.removeEventListener("selectionchange", onSelection);
  }

  /** What browsers offer to undo is what was typed here last, wherever others have moved it. */
  #onKey(event: KeyboardEvent): void {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.isComposing) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    const isUndo = key === "z" && !event.shiftKey;
    // Nothing to take back here: the keys may mean something to the rest of the page.
    if (this.#step(isUndo ? "undo" : "redo")) event.stopPropagation();
  }

  /** From menus, and from shaking a phone. */
  #beforeInput(event: InputEvent): void {
    if (event.inputType !== "historyUndo" && event.inputType !== "historyRedo") return;
    event.preventDefault();
    this.#step(event.inputType === "historyUndo" ? "undo" : "redo");
  }

  #step(way: "undo" | "redo"): boolean {
    if (this.control.readOnly) return false;
    const isDone = way === "undo" ? this.#text.undo() : this.#text.redo();
    if (isDone) this.#owner.edited(undefined);
    return isDone;
  }

  #onInput(): void {
    const { value, selectionEnd } = this.control;
    const edit = difference(this.#value, value, selectionEnd);
    if (edit === undefined) return;
    this.#value = value;
    if (this.#composedTo === undefined) this.#text.edit(edit);
    else this.#compose(edit);
    this.#copyText();
    this.#owner.edited(edit);
    this.#owner.selected();
  }

  #beginComposition(): void {
    clearTimeout(this.#ending);
    // One right after the other: the text was not let go yet.
    if (this.#composedTo !== undefined) return;
    this.#text.hold();
    this.#composedTo = this.control.selectionEnd;
  }

  /** Others go on writing: what is composed is put where it belongs in what they made of the text. */
  #compose(edit: Edit): void {
    const before = this.#text.value;
    this.#text.edit(edit);
    const done = difference(before, this.#text.value);
    if (done !== undefined) this.#composedTo = done.index + done.text.length;
  }

  /** What others wrote meanwhile is shown now. */
  #endComposition(): void {
    this.#onInput();
    const caret = this.#composedTo;
    this.#composedTo = undefined;
    this.#text.release();
    if (caret !== undefined && this.#text.value !== this.#value) {
      this.#setAll(this.#text.value);
      this.control.setSelectionRange(caret, caret);
    }
    this.#owner.selected();
  }

  #take({ edits, origin }: TextEvent): void {
    if (this.#composedTo !== undefined) {
      this.#composedTo = edits.reduce(moveIndex, this.#composedTo);
      return;
    }
    const { control } = this;
    const { selectionDirection } = control;
    for (const { index, deleteCount, text } of edits)
      control.setRangeText(text, index, index + deleteCount, "preserve");
    this.#value = edits.reduce(applyEdit, this.#value);
    const last = edits.at(-1);
    const isOwn = origin === "undo" || origin === "redo";
    const caret = isOwn && last !== undefined ? last.index + last.text.length : undefined;
    if (caret !== undefined) control.setSelectionRange(caret, caret);
    else control.setSelectionRange(control.selectionStart, control.selectionEnd, selectionDirection);
    this.#copyText();
  }

  #setAll(value: string): void {
    this.#value = value;
    this.control.value = value;
    this.#copyText();
  }

  #copyText(): void {
    // A last line that is empty takes room, too.
    this.#copy.data = `${this.#value}\u200b`;
    this.#carets.draw();
  }
}
