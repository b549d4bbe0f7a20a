/** By change: the checkpoint part that holds it. */
import { PartCounts } from "../store/part-counts.ts";
import { WordColumn } from "./growing-columns.ts";

export class PartColumn {
  readonly #parts = new WordColumn();
  readonly #counts = new PartCounts();

  get length(): number {
    return this.#parts.length;
  }

  at(node: number): number {
    return this.#parts.at(node);
  }

  /** Of the next `count` changes. */
  push(part: number, count = 1): void {
    this.#parts.reserve(count);
    for (let left = count; left > 0; left--) this.#parts.push(part);
    this.#counts.add(part, count);
  }

  set(node: number, part: number): void {
    this.#counts.move(this.at(node), part);
    this.#parts.set(node, part);
  }

  /** How many a part since the one numbered `since` would hold. */
  sizeSince(since: number): number {
    return this.#counts.sizeSince(since);
  }
}
