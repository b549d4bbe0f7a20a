/** Who hears what became different in a document, and in which order: that in which it did, also when a listener changes the document. */
import { callSafely, type Stop } from "../listeners.ts";
import type { RawDoc } from "./automerge.ts";
import type { DocPatch } from "./patches.ts";

/** Where a difference comes from: this page, one of its two ways back, or somebody else: another tab is somebody else too. */
export type DocOrigin = "local" | "undo" | "redo" | "remote";

export interface RawDocEvent {
  readonly value: RawDoc;
  readonly patches: readonly DocPatch[];
  readonly origin: DocOrigin;
  readonly heads: readonly string[];
}

interface Listener {
  readonly hear: (event: RawDocEvent) => void;
  /** Also of what this page changes. */
  readonly local: boolean;
}

export class Telling {
  readonly #listeners = new Set<Listener>();
  readonly #events: RawDocEvent[] = [];
  #isTelling = false;

  /** Each object is a listener of its own, even with the same function. */
  listen(listener: Listener): Stop {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Somebody hears of this. */
  hears(origin: DocOrigin): boolean {
    return [...this.#listeners].some(({ local }) => local || origin !== "local");
  }

  tell(event: RawDocEvent): void {
    this.#events.push(event);
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#tell(next);
    this.#isTelling = false;
  }

  #tell(event: RawDocEvent): void {
    for (const listener of [...this.#listeners]) {
      // One that was told before it may have stopped it.
      const isListening = this.#listeners.has(listener) && (listener.local || event.origin !== "local");
      if (isListening) callSafely(listener.hear, event);
    }
  }
}
