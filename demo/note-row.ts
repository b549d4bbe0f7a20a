/** One note in the list: shown, ticked, edited in place. It never rebuilds what it shows; it changes what is different. */
import { element, setText } from "./element.ts";
import { fitToText } from "./growing.ts";
import { icon } from "./icons.ts";
import { type PlacedNote, textLengthMax } from "./notes.ts";

/** The controls of a row, by what they do. */
export type RowControl = "check" | "edit" | "remove";

export interface RowLook {
  readonly author: string;
  readonly isReadOnly: boolean;
}

export interface RowEditing {
  /** The text is other than before and is to be kept. */
  save(text: string): void;
  ended(): void;
}

let rowsMade = 0;

export class NoteRow {
  readonly element: HTMLLIElement;
  note: PlacedNote;
  readonly #check: HTMLInputElement;
  readonly #text: HTMLParagraphElement;
  readonly #author = element("p", { class: "note-author", dir: "auto" });
  readonly #edit: HTMLButtonElement = controlButton("edit");
  readonly #remove: HTMLButtonElement = controlButton("remove");
  readonly #body: HTMLDivElement;
  #endEditing: (() => void) | undefined;
  /** Ticked or unticked here, and not yet told of: until then the box does not go back. */
  #ticked: boolean | undefined;

  constructor(note: PlacedNote, look: RowLook) {
    this.note = note;
    const textId = `note-text-${++rowsMade}`;
    this.#check = element("input", {
      type: "checkbox",
      class: "note-check",
      "data-control": "check",
      "aria-labelledby": textId,
    });
    this.#text = element("p", { class: "note-text", id: textId, dir: "auto" });
    this.#body = element("div", { class: "note-body" }, this.#text, this.#author);
    this.element = element("li", { class: "note" }, this.#check, this.#body, this.#edit, this.#remove);
    this.show(note, look);
  }

  get isEditing(): boolean {
    return this.#endEditing !== undefined;
  }

  show(note: PlacedNote, { author, isReadOnly }: RowLook): void {
    if (note !== this.note) this.#ticked = undefined;
    this.note = note;
    setText(this.#text, note.text);
    setText(this.#author, author);
    this.#author.title = note.at > 0 ? new Date(note.at).toLocaleString() : "";
    this.#check.checked = this.#ticked ?? note.done;
    this.#check.disabled = isReadOnly;
    this.#edit.hidden = isReadOnly;
    this.#remove.hidden = isReadOnly;
    this.element.classList.toggle("is-done", note.done);
    const short = note.text.length > 60 ? `${note.text.slice(0, 60)}…` : note.text;
    this.#edit.setAttribute("aria-label", `Edit “${short}”`);
    this.#remove.setAttribute("aria-label", `Delete “${short}”`);
  }

  /** By whoever uses this device. Undefined: that came to nothing. */
  tick(done: boolean | undefined): void {
    this.#ticked = done;
    this.#check.checked = done ?? this.note.done;
  }

  control(name: RowControl): HTMLElement {
    return { check: this.#check, edit: this.#edit, remove: this.#remove }[name];
  }

  /** Draws the eye to what somebody else did. */
  flash(): void {
    this.element.classList.remove("is-new");
    // Reading the size makes the browser notice that the class was gone, so the animation starts again.
    void this.element.offsetWidth;
    this.element.classList.add("is-new");
  }

  /** The focus goes back to where it was unless it went elsewhere. */
  startEditing({ save, ended }: RowEditing): void {
    if (this.isEditing) return;
    const from = document.activeElement;
    const area = element("textarea", {
      class: "note-editor",
      rows: 1,
      dir: "auto",
      "aria-label": "Edit note",
      maxlength: textLengthMax,
    });
    area.value = this.note.text;
    const actions = editorActions(
      () => finish(true, true),
      () => finish(false, true),
    );
    const editor = element("div", { class: "note-editing" }, area, actions);

    const finish = (isKept: boolean, takeFocus: boolean): void => {
      if (!this.isEditing) return;
      const text = area.value.trim();
      this.#endEditing = undefined;
      editor.replaceWith(this.#body);
      this.element.classList.remove("is-editing");
      if (takeFocus) (this.element.contains(from) ? (from as HTMLElement) : this.#check).focus();
      if (isKept && text !== this.note.text) save(text);
      ended();
    };

    this.#endEditing = () => finish(false, false);
    area.addEventListener("keydown", (event) => onEditorKey(event, finish));
    area.addEventListener("blur", () => finish(true, false));
    this.element.classList.add("is-editing");
    this.#body.replaceWith(editor);
    fitToText(area);
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  }

  /** Gives up what is being written. */
  stopEditing(): void {
    this.#endEditing?.();
  }
}

/** While an input method composes, Enter and Escape are its own. */
function onEditorKey(event: KeyboardEvent, finish: (isKept: boolean, takeFocus: boolean) => void): void {
  if (event.isComposing || event.keyCode === 229) return;
  const isEnter = event.key === "Enter" && !event.shiftKey;
  if (!isEnter && event.key !== "Escape") return;
  event.preventDefault();
  event.stopPropagation();
  finish(isEnter, true);
}

function editorActions(save: () => void, cancel: () => void): HTMLElement {
  const saveButton = element("button", { type: "button", class: "small primary" }, "Save");
  const cancelButton = element("button", { type: "button", class: "small" }, "Cancel");
  saveButton.addEventListener("click", save);
  cancelButton.addEventListener("click", cancel);
  const actions = element("div", { class: "note-editing-actions" }, saveButton, cancelButton);
  // Pressing a button must not take the focus first: that alone would save.
  actions.addEventListener("pointerdown", (event) => event.preventDefault());
  actions.addEventListener("mousedown", (event) => event.preventDefault());
  return actions;
}

function controlButton(name: "edit" | "remove"): HTMLButtonElement {
  return element("button", { type: "button", class: "plain note-control", "data-control": name }, icon(name));
}
