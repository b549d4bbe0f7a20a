/** Listeners by event name. One listener's error leaves the others alone and reaches the page as any uncaught error does. */
import { invalid } from "../core/store/values.ts";
import { assertFunction } from "./input.ts";

export type Stop = () => void;

export class Listeners<Events extends object> {
  readonly #listeners: ReadonlyMap<keyof Events, Set<(data: never) => void>>;

  constructor(events: readonly (keyof Events & string)[]) {
    this.#listeners = new Map(events.map((event) => [event, new Set()]));
  }

  /** Throws INPUT_INVALID for an event that there is not, and for a listener that is no function. */
  on<E extends keyof Events>(event: E, listener: (data: Events[E]) => void): Stop {
    const listeners = this.#listeners.get(event);
    if (listeners === undefined) throw invalid("event", event, [...this.#listeners.keys()].join(" or "));
    assertFunction(listener, "listener");
    // Each registration is its own, even of the same function.
    const own = (data: Events[E]): void => listener(data);
    listeners.add(own);
    return () => listeners.delete(own);
  }

  has(event: keyof Events): boolean {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }

  emit<E extends keyof Events>(event: E, data: Events[E]): void {
    const listeners = this.#listeners.get(event) ?? new Set();
    for (const listener of [...listeners]) {
      // One that was told before it may have stopped it.
      if (listeners.has(listener)) callSafely(listener as (data: Events[E]) => void, data);
    }
  }
}

export function callSafely<T>(listener: (data: T) => void, data: T): void {
  try {
    listener(data);
  } catch (error) {
    reportUncaught(error);
  }
}

/** A failure that no promise carries reaches the page as any uncaught error does. */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
