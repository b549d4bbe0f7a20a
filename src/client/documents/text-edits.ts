/**
 * Edits of one text that nobody has looked at yet, as the fewest splices that say the same: who types a word has inserted a word, what was typed
 * and deleted again was never there, and what was cut and pasted again was always there. An op of Automerge costs ten times what it costs to see that here.
 */
import { gatheredUnitsMax } from "../../core/limits.ts";
import type { DocPath } from "./patches.ts";

/** So many UTF-16 units from `index` on are deleted, and this is there instead. */
export interface TextSplice {
  readonly index: number;
  readonly deleteCount: number;
  readonly text: string;
}

export class TextEdits {
  readonly path: DocPath;
  readonly #done: TextSplice[] = [];
  /** The text with what is done. */
  #before: string;
  /** What goes on. */
  #last: TextSplice = { index: 0, deleteCount: 0, text: "" };
  #units = 0;

  /** `text`: what is at the path. */
  constructor(path: DocPath, text: string) {
    this.path = [...path];
    this.#before = text;
  }

  isAt(path: DocPath): boolean {
    return path.length === this.path.length && path.every((key, i) => key === this.path[i]);
  }

  /** False, and nothing is added, for what is not in the text, or halves a character, and when there are enough: Automerge is to see it. */
  add(edit: TextSplice): boolean {
    const units = this.#units + edit.deleteCount + edit.text.length;
    if (units > gatheredUnitsMax || loneSurrogate.test(edit.text) || !this.#isWhole(edit)) return false;
    this.#units = units;
    const joined = join(this.#last, edit);
    if (joined !== undefined) this.#last = joined;
    else this.#begin(edit);
    return true;
  }

  /** One after the other. */
  get splices(): readonly TextSplice[] {
    const all = [...this.#done, trimmed(this.#before, this.#last)];
    return all.filter(({ deleteCount, text }) => deleteCount > 0 || text !== "");
  }

  #begin(edit: TextSplice): void {
    this.#done.push(trimmed(this.#before, this.#last));
    this.#before = spliced(this.#before, this.#last);
    this.#last = edit;
  }

  #isWhole({ index, deleteCount }: TextSplice): boolean {
    return this.#isBoundary(index) && this.#isBoundary(index + deleteCount);
  }

  /** Whether a character of the text begins or ends there. */
  #isBoundary(index: number): boolean {
    const { index: begin, deleteCount, text } = this.#last;
    if (index > begin && index < begin + text.length) return isBoundary(text, index - begin);
    return isBoundary(this.#before, index <= begin ? index : index - text.length + deleteCount);
  }
}

const loneSurrogate = /\p{Surrogate}/u;

/** Both in one; undefined when they do not touch. */
function join(first: TextSplice, next: TextSplice): TextSplice | undefined {
  const { index, deleteCount, text } = first;
  const from = next.index - index;
  const to = from + next.deleteCount;
  if (from > text.length || to < 0) return undefined;
  return {
    index: Math.min(index, next.index),
    deleteCount: deleteCount + Math.max(0, -from) + Math.max(0, to - text.length),
    text: text.slice(0, Math.max(0, from)) + next.text + text.slice(to),
  };
}

/** Without what is deleted and written again as it was, at both ends: as where all is cut out and comes back with one word changed. */
function trimmed(before: string, { index, deleteCount, text }: TextSplice): TextSplice {
  const most = Math.min(deleteCount, text.length);
  let start = 0;
  while (start < most && text[start] === before[index + start]) start += 1;
  if (!isBoundary(text, start) || !isBoundary(before, index + start)) start -= 1;
  let end = 0;
  while (end < most - start && text.at(-1 - end) === before[index + deleteCount - 1 - end]) end += 1;
  if (!isBoundary(text, text.length - end) || !isBoundary(before, index + deleteCount - end)) end -= 1;
  return {
    index: index + start,
    deleteCount: deleteCount - start - end,
    text: text.slice(start, text.length - end),
  };
}

function spliced(text: string, { index, deleteCount, text: inserted }: TextSplice): string {
  return text.slice(0, index) + inserted + text.slice(index + deleteCount);
}

/** Not behind the end, where there is no unit, and not between the halves of a surrogate pair. */
function isBoundary(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return index === 0 || index === text.length || unit < 0xdc00 || unit > 0xdfff;
}
