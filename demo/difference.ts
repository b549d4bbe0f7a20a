/** Edits of a text: what was done to it, when only its states before and after are known. */

/** In UTF-16 units, as text areas count. */
export interface Edit {
  readonly index: number;
  readonly deleteCount: number;
  readonly text: string;
}

export function applyEdit(text: string, { index, deleteCount, text: inserted }: Edit): string {
  return text.slice(0, index) + inserted + text.slice(index + deleteCount);
}

/**
 * The one edit that makes `after` of `before`; undefined when they are alike. Where several would ("aa" to "aaa"), it is the one that ends at `caret`, a place in
 * `after`, else the first. Characters of two units are never cut apart.
 */
export function difference(before: string, after: string, caret = 0): Edit | undefined {
  if (before === after) return undefined;
  const room = Math.min(before.length, after.length);
  const tailMax = Math.min(room, after.length - caret);
  let tail = 0;
  while (tail < tailMax && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  if (tail > 0 && isInCharacter(after, after.length - tail)) tail--;
  let head = 0;
  while (head < room - tail && before[head] === after[head]) head++;
  if (head > 0 && (isInCharacter(before, head) || isInCharacter(after, head))) head--;
  return { index: head, deleteCount: before.length - tail - head, text: after.slice(head, after.length - tail) };
}

/** Where a place is after the edit. What is inserted right there comes behind it. */
export function moveIndex(index: number, { index: at, deleteCount, text }: Edit): number {
  if (index <= at) return index;
  return Math.max(at, index - deleteCount) + text.length;
}

/** Whether a place is between the two units of one character. */
export function isInCharacter(text: string, index: number): boolean {
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(Math.max(0, index - 1), index + 1));
}
