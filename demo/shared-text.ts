/**
 * The text of a board: one document that everybody on it writes, shown as one string.
 *
 * Who begins it? Two who set the same key of a document at once make two texts, of which one shows, and what the other typed is gone from sight. So the
 * document is a map of pieces, each under a key that nobody else makes: whoever types into an empty text begins a piece, and all of them are shown one after the
 * other, in the order of their keys. Nearly always there is one. Who began while apart find what each wrote below each other, and write on in both. A piece is
 * never taken away, not by undoing either: others may be writing in it.
 *
 * A piece begins as one line break that ends it, so that the next one stands on a line of its own; the last of them is not shown.
 */
import type { Database, Doc, DocOrigin, DocPatch, Stop } from "tidemark";
import { applyEdit, difference, type Edit, isInCharacter } from "./difference.ts";

type Pieces = Record<string, string>;

interface Piece {
  readonly key: string;
  readonly text: string;
}

/** A place that stays with its letter, for others to read: behind the letter that `after` names, or where the piece begins. */
export interface Place {
  readonly piece: string;
  readonly after: string | null;
}

/** Made by somebody else, or taken back or brought back here; one edit after the other. */
export interface TextEvent {
  readonly edits: readonly Edit[];
  readonly origin: DocOrigin;
}

interface PieceEdit extends Edit {
  readonly key: string;
}

interface Held {
  readonly heads: readonly string[];
  readonly pieces: readonly Piece[];
}

type SpliceDraft = (draft: Pieces, path: (string | number)[], index: number, deleteCount: number, text: string) => void;

const store = "text";

export class SharedText {
  readonly #doc: Doc<Pieces>;
  readonly #spliceDraft: SpliceDraft;
  #pieces: readonly Piece[];
  #held: Held | undefined;

  private constructor(doc: Doc<Pieces>, spliceDraft: SpliceDraft) {
    this.#doc = doc;
    this.#spliceDraft = spliceDraft;
    this.#pieces = readPieces(doc.value);
  }

  /** Loads what documents need, the first time. Rejects as `doc` of a database does. */
  static async open(database: Database): Promise<SharedText> {
    const doc = await database.doc<Pieces>(store);
    const { splice } = await import("@automerge/automerge/slim");
    return new SharedText(doc, splice);
  }

  get value(): string {
    return shown(this.#pieces);
  }

  /** Only of others, and of undoing: what is typed is in its field already. */
  subscribe(listener: (event: TextEvent) => void): Stop {
    return this.#doc.subscribe(
      ({ value, patches, origin }) => {
        const edits = this.#follow(patches, readPieces(value));
        if (edits.length > 0) listener({ edits, origin });
      },
      { local: false },
    );
  }

  /** Of `value`, or of what is held. */
  edit(edit: Edit): void {
    if (this.#pieces.length === 0) this.#begin();
    if (this.#held !== undefined) return this.#editHeld(this.#held, edit);
    for (const { key, index, deleteCount, text } of spread(this.#pieces, edit))
      this.#doc.splice([key], index, deleteCount, text);
    this.#pieces = edited(this.#pieces, edit);
  }

  /** Edits are of the text as it is now, whatever comes, until `release`: an input method must not see its text change. */
  hold(): void {
    if (this.#pieces.length === 0) this.#begin();
    this.#held = { heads: this.#doc.heads, pieces: this.#pieces };
  }

  release(): void {
    this.#held = undefined;
  }

  /** False when there is nothing of this tab to take back. */
  undo(): boolean {
    return this.#doc.undo();
  }

  redo(): boolean {
    return this.#doc.redo();
  }

  /** Undefined while there is no text at all. */
  placeAt(index: number): Place | undefined {
    let start = 0;
    let place: { readonly piece: Piece; readonly start: number } | undefined;
    for (const piece of this.#pieces) {
      if (start <= index) place = { piece, start };
      start += piece.text.length;
    }
    if (place === undefined) return undefined;
    const { key, text } = place.piece;
    const at = Math.min(index - place.start, text.length);
    return { piece: key, after: at === 0 ? null : this.#doc.cursor([key], at - 1) };
  }

  /** Undefined for a place that is not there, or not yet, as others may say it. */
  indexOf({ piece: name, after }: Place): number | undefined {
    let start = 0;
    for (const { key, text } of this.#pieces) {
      if (key === name) return this.#indexIn(key, text, after, start);
      start += text.length;
    }
    return undefined;
  }

  /** Resolves when all that was written here is durable. Rejects with why some of it was refused; then it is taken back. */
  saved(): Promise<void> {
    return this.#doc.saved();
  }

  close(): void {
    this.#doc.close();
  }

  #begin(): void {
    // The time first, so that what was begun first stands first.
    const key = `${new Date().toISOString()} ${crypto.randomUUID()}`;
    const begin = (draft: Pieces): void => {
      draft[key] = "\n";
    };
    this.#doc.change(begin, { isUndoable: false });
    this.#pieces = readPieces(this.#doc.value);
  }

  #editHeld({ heads, pieces }: Held, edit: Edit): void {
    const parts = spread(pieces, edit);
    const next = this.#doc.changeAt(heads, (draft) => {
      for (const { key, index, deleteCount, text } of parts) this.#spliceDraft(draft, [key], index, deleteCount, text);
    });
    this.#held = { heads: next, pieces: edited(pieces, edit) };
    this.#pieces = readPieces(this.#doc.value);
  }

  /** What the patches do to what is shown; at the end it is what it has to be, whatever they said. */
  #follow(patches: readonly DocPatch[], pieces: readonly Piece[]): readonly Edit[] {
    const edits: Edit[] = [];
    const go = (next: readonly Piece[], caret?: number): void => {
      const edit = difference(this.value, shown(next), caret);
      this.#pieces = next;
      if (edit !== undefined) edits.push(edit);
    };
    for (const patch of patches) {
      const next = patched(this.#pieces, patch);
      go(next, caretOf(next, patch));
    }
    go(pieces);
    return edits;
  }

  #indexIn(key: string, text: string, after: string | null, start: number): number | undefined {
    if (after === null) return start;
    let at: number;
    try {
      at = this.#doc.position([key], after);
    } catch {
      return undefined;
    }
    // Where the letter was, when it is deleted: then nothing is left to be behind of.
    const isThere = at < text.length && this.#doc.cursor([key], at) === after;
    const index = isThere ? at + 1 : Math.min(at, text.length);
    return Math.min(start + index + Number(isInCharacter(text, index)), this.value.length);
  }
}

/** Longer than those that are made here: what others say of places in it has to stay short. */
const keyLengthMax = 100;

/** Whoever may write may write anything: what is no text is left out. */
function readPieces(value: Pieces): readonly Piece[] {
  const entries: readonly (readonly [string, unknown])[] = Object.entries(value);
  return entries.flatMap(([key, text]) => (isPiece(key, text) ? [{ key, text }] : [])).sort(comparePieces);
}

function isPiece(key: string, text: unknown): text is string {
  return typeof text === "string" && key.length <= keyLengthMax;
}

function comparePieces(a: Piece, b: Piece): number {
  return a.key < b.key ? -1 : 1;
}

/** Text areas know no other line break than "\n": the rest is shown as a sign, so that places stay what they are. */
function shown(pieces: readonly Piece[]): string {
  const all = pieces.map(({ text }) => text).join("");
  return (all.endsWith("\n") ? all.slice(0, -1) : all).replaceAll("\r", "␍");
}

/** What an edit does in each piece, the last piece first: so none moves what is still to be done. */
function spread(pieces: readonly Piece[], { index, deleteCount, text }: Edit): readonly PieceEdit[] {
  const parts: PieceEdit[] = [];
  let start = pieces.reduce((length, piece) => length + piece.text.length, 0);
  let isInserted = false;
  for (const piece of [...pieces].reverse()) {
    const end = start;
    start -= piece.text.length;
    const isTarget: boolean = !isInserted && start <= index;
    const [from, to] = [Math.max(index, start), Math.min(index + deleteCount, end)];
    const inserted = isTarget ? text : "";
    isInserted ||= isTarget;
    if (to > from || inserted !== "")
      parts.push({ key: piece.key, index: from - start, deleteCount: Math.max(0, to - from), text: inserted });
  }
  return parts;
}

function edited(pieces: readonly Piece[], edit: Edit): readonly Piece[] {
  const parts = new Map(spread(pieces, edit).map((part) => [part.key, part]));
  return pieces.map((piece) => {
    const part = parts.get(piece.key);
    return part === undefined ? piece : { key: piece.key, text: applyEdit(piece.text, part) };
  });
}

function patched(pieces: readonly Piece[], patch: DocPatch): readonly Piece[] {
  const [key, index] = patch.path;
  if (patch.path.length === 1) {
    const rest = pieces.filter((piece) => piece.key !== key);
    if (patch.action === "del") return rest;
    const [name, text] = [String(key), patch.action === "put" ? patch.value : undefined];
    return isPiece(name, text) ? [...rest, { key: name, text }].sort(comparePieces) : pieces;
  }
  const edit = patch.path.length === 2 && typeof index === "number" ? editOf(patch, index) : undefined;
  if (edit === undefined) return pieces;
  return pieces.map((piece) => (piece.key === key ? { key, text: applyEdit(piece.text, edit) } : piece));
}

function editOf(patch: DocPatch, index: number): Edit | undefined {
  if (patch.action === "splice") return { index, deleteCount: 0, text: patch.value };
  if (patch.action === "del") return { index, deleteCount: patch.length ?? 1, text: "" };
  return undefined;
}

/** Where in what is shown the patch ended: which of several equal letters it was. */
function caretOf(pieces: readonly Piece[], patch: DocPatch): number | undefined {
  const [key, index] = patch.path;
  if (typeof index !== "number") return undefined;
  let start = 0;
  for (const piece of pieces) {
    if (piece.key === key) return start + index + (patch.action === "splice" ? patch.value.length : 0);
    start += piece.text.length;
  }
  return undefined;
}
