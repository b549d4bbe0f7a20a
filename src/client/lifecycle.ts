/**
 * What a browser does with a page: shows and hides it, freezes and resumes it, puts it into the back/forward cache, ends it.
 *
 * A page that ends is told last by `pagehide`, and one that is killed in the background by nothing at all: so what must be kept is
 * put away each time that the page is hidden.
 */
import { freezeHoldMs } from "../core/limits.ts";
import type { Stop } from "./listeners.ts";

export interface LifecycleListener {
  /** The page may end without another word. */
  keep(): void;
  visible(on: boolean): void;
  /** Nothing of the page runs from now on, until `resume`. `cached`: it left the screen for another page, in the same tab. */
  suspend(cached: boolean): void;
  /** After `suspend`: this was the last event before the page stops. Not every browser has it. */
  freeze(): void;
  resume(): void;
}

/** Where the events come from: a page. */
export interface LifecycleSource {
  readonly window: EventTarget;
  readonly document: EventTarget & { readonly visibilityState: DocumentVisibilityState };
}

export function onLifecycle(listener: LifecycleListener, source: LifecycleSource = globalThis): Stop {
  const { window, document } = source;
  let isSuspended = false;
  const suspend = (cached: boolean): void => {
    // A page in the cache is frozen too: once is enough.
    if (!isSuspended) listener.suspend(cached);
    isSuspended = true;
  };
  const resume = (): void => {
    if (isSuspended) listener.resume();
    isSuspended = false;
  };
  const handlers: readonly (readonly [EventTarget, string, (event: Event) => void])[] = [
    [
      document,
      "visibilitychange",
      () => {
        const isVisible = document.visibilityState === "visible";
        if (!isVisible) listener.keep();
        listener.visible(isVisible);
      },
    ],
    [
      window,
      "pagehide",
      (event) => {
        listener.keep();
        if ((event as PageTransitionEvent).persisted) suspend(true);
      },
    ],
    [window, "pageshow", resume],
    [
      document,
      "freeze",
      () => {
        const isFirst = !isSuspended;
        listener.keep();
        suspend(false);
        listener.freeze();
        if (isFirst) hold(freezeHoldMs);
      },
    ],
    [document, "resume", resume],
  ];
  for (const [target, event, handler] of handlers) target.addEventListener(event, handler);
  return () => {
    for (const [target, event, handler] of handlers) target.removeEventListener(event, handler);
  };
}

/**
 * Keeps the page from going on. Its workers are stopped when this page is, and none of what it said to them would be heard: this is the time in
 * which it is. Nobody sees a page that is frozen, so nobody sees it stand still.
 */
function hold(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}
