/**
 * Edits of one text that nobody has looked at yet, as splices that say the same with less: who types a word has inserted a word, in however many places at
 * a time, what was typed and deleted again was never there, and what was cut and pasted again was always there. An op of Automerge costs ten times what it costs to see that here.
 * Lines that stay where a text is replaced, as by a formatter, are not touched either: what others write in them meanwhile is not lost with them.
 */
import { comparedUnitsMin, gatheredPlacesMax, gatheredUnitsMax } from "../../core/limits.ts";
import { changedLines } from "./line-difference.ts";
import type { DocPath } from "./patches.ts";

/** So many UTF-16 units from `index` on are deleted, and this is there instead. */
export interface TextSplice {
  readonly index: number;
  readonly deleteCount: number;
  readonly text: string;
}

/** What is in a text, from `index` on, instead of what was there. */
interface Place {
  index: number;
  /** How many units are gone. */
  readonly deleteCount: number;
  readonly text: string;
}

export class TextEdits {
  readonly path: DocPath;
  /** As it was. */
  readonly #before: string;
  /** One behind the other, with something between them that is as it was. */
  readonly #places: Place[] = [];
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
    const touched = this.#places.filter((place) => place.index <= endOf(edit) && endOfText(place) >= edit.index);
    if (touched.length === 0 && this.#places.length === gatheredPlacesMax) return false;
    this.#units = units;
    const at = this.#places.filter((place) => endOfText(place) < edit.index).length;
    this.#places.splice(at, touched.length, joined(touched, edit));
    for (const place of this.#places.slice(at + 1)) place.index += edit.text.length - edit.deleteCount;
    return true;
  }

  /** One after the other: the last in the text first, so that none moves what the next ones mean. */
  get splices(): readonly TextSplice[] {
    let moved = 0;
    const all = this.#places.map(({ index, deleteCount, text }) => {
      const from = index - moved;
      moved += text.length - deleteCount;
      return lessened(from, this.#before.slice(from, from + deleteCount), text);
    });
    return all.reverse().flat();
  }

  #isWhole(edit: TextSplice): boolean {
    return this.#isBoundary(edit.index) && this.#isBoundary(endOf(edit));
  }

  /** Whether a character of the text begins or ends there. */
  #isBoundary(index: number): boolean {
    let moved = 0;
    for (const place of this.#places) {
      if (index <= place.index) break;
      if (index < endOfText(place)) return isBoundary(place.text, index - place.index);
      moved += place.text.length - place.deleteCount;
    }
    return isBoundary(this.#before, index - moved);
  }
}

const loneSurrogate = /\p{Surrogate}/u;

/** Of what it deletes. */
function endOf({ index, deleteCount }: TextSplice): number {
  return index + deleteCount;
}

function endOfText({ index, text }: Place): number {
  return index + text.length;
}

/** An edit with all the places that it touches, in order. */
function joined(touched: readonly Place[], edit: TextSplice): Place {
  const [first, last] = [touched[0], touched.at(-1)];
  const head = first?.text.slice(0, Math.max(0, edit.index - first.index)) ?? "";
  const tail = last?.text.slice(endOf(edit) - last.index) ?? "";
  // Of what is deleted now, what is in a place has never been in the text before.
  const deletedBefore = touched.reduce((sum, { deleteCount, text }) => sum + deleteCount - text.length, 0);
  return {
    index: Math.min(edit.index, first?.index ?? edit.index),
    deleteCount: edit.deleteCount + deletedBefore + head.length + tail.length,
    text: head + edit.text + tail,
  };
}

/** What makes the same of the text with less, one after the other. */
function lessened(index: number, deleted: string, text: string): readonly TextSplice[] {
  const whole = trimmed(index, deleted, text);
  const isShort = Math.min(whole.deleteCount, whole.text.length) < comparedUnitsMin;
  // Of all of it: what is trimmed begins and ends within lines.
  const lines = isShort ? undefined : changedLines(deleted, text);
  const all = lines?.map((line) => trimmed(index + line.index, line.deleted, line.text)) ?? [whole];
  return all.filter((splice) => splice.deleteCount > 0 || splice.text !== "");
}

/** Without what is deleted and written again as it was, at both ends: as where all is cut out and comes back with one word changed. */
function trimmed(index: number, deleted: string, text: string): TextSplice {
  const most = Math.min(deleted.length, text.length);
  let start = 0;
  while (start < most && text[start] === deleted[start]) start += 1;
  if (!isBoundary(text, start) || !isBoundary(deleted, start)) start -= 1;
  let end = 0;
  while (end < most - start && text.at(-1 - end) === deleted.at(-1 - end)) end += 1;
  if (!isBoundary(text, text.length - end) || !isBoundary(deleted, deleted.length - end)) end -= 1;
  return {
    index: index + start,
    deleteCount: deleted.length - start - end,
    text: text.slice(start, text.length - end),
  };
}

/** Not behind the end, where there is no unit, and not between the halves of a surrogate pair. */
function isBoundary(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return index === 0 || index === text.length || unit < 0xdc00 || unit > 0xdfff;
}
