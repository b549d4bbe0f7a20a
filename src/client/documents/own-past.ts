/** What this page has written to a document, over all copies that it had of it: it is written again where it does not count any more, once. */
import { splitChange } from "../../core/document/change-bytes.ts";
import { encodeHex } from "../../core/ids.ts";
import type { Copy } from "./copy.ts";
import { hashOf } from "./outgoing.ts";

export class OwnPast {
  /** As which it changed the copies before. */
  readonly #actors = new Set<string>();
  /** Hashes of what a later change stands for: else it would be there twice when it counts again, and four times the next time. */
  readonly #again = new Set<string>();
  /** Hashes of what is to go. */
  readonly #refused = new Set<string>();

  refused(changes: readonly Uint8Array[]): void {
    for (const change of changes) this.#refused.add(hashOf(change));
  }

  /** Whether it is to be written again, when it was in this copy and is in the next one no more. */
  isWanted(copy: Copy, change: Uint8Array): boolean {
    const hash = hashOf(change);
    if (this.#refused.has(hash) || this.#again.has(hash)) return false;
    return copy.isOwn(change) || this.#actors.has(encodeHex(splitChange(change).actor));
  }

  wroteAgain(changes: readonly Uint8Array[]): void {
    for (const change of changes) this.#again.add(hashOf(change));
  }

  /** It is not shown any more. `hasDurable`: something that was changed in it is durable; what is refused never was. */
  left(copy: Copy, hasDurable: boolean): void {
    if (hasDurable) this.#actors.add(encodeHex(copy.actor));
    this.#refused.clear();
  }
}
