/** Which lines of a text are others in the next one. The only file that knows the library. */
import { diffLines } from "diff";
import { comparedLinesMax } from "../../core/limits.ts";

export interface LineChange {
  /** In UTF-16 units, where all changes before it are made. */
  readonly index: number;
  readonly deleted: string;
  readonly text: string;
}

/**
 * One after the other; undefined when so many lines differ that it would take long to find the rest.
 * The way is that of E. W. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986).
 */
export function changedLines(before: string, after: string): readonly LineChange[] | undefined {
  const parts = diffLines(before, after, { maxEditLength: comparedLinesMax });
  if (parts === undefined) return undefined;
  const changes: LineChange[] = [];
  let index = 0;
  for (const { value, added, removed } of parts) {
    const last = changes.at(-1);
    if (removed) changes.push({ index, deleted: value, text: "" });
    else if (added && last?.index === index) changes[changes.length - 1] = { ...last, text: value };
    else if (added) changes.push({ index, deleted: "", text: value });
    if (!removed) index += value.length;
  }
  return changes;
}
