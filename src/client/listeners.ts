/** Listeners by event name. One listener's error leaves the others alone and reaches the page as any uncaught error does. */
export type Stop = () => void;

export class Listeners<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(data: never) => void>>();

  on<E extends keyof Events>(event: E, listener: (data: Events[E]) => void): Stop {
    const listeners = this.#listeners.get(event) ?? new Set();
    // Each registration is its own, even of the same function.
    const own = (data: Events[E]): void => listener(data);
    listeners.add(own);
    this.#listeners.set(event, listeners);
    return () => listeners.delete(own);
  }

  emit<E extends keyof Events>(event: E, data: Events[E]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])])
      callSafely(listener as (data: Events[E]) => void, data);
  }
}

export function callSafely<T>(listener: (data: T) => void, data: T): void {
  try {
    listener(data);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
