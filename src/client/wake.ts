/** The moments at which waiting may be over: the network is back, the page is seen again, the device woke. */
import type { Stop } from "./listeners.ts";

const events: readonly (readonly [target: "window" | "document", event: string])[] = [
  ["window", "online"],
  ["window", "pageshow"],
  ["document", "visibilitychange"],
  ["document", "resume"],
];

/** Where the events come from: a page. */
export interface WakeSource {
  readonly window: EventTarget;
  readonly document: EventTarget & { readonly visibilityState: DocumentVisibilityState };
}

export function onWake(wake: () => void, source: WakeSource = globalThis): Stop {
  const happened = ({ type }: Event): void => {
    if (type !== "visibilitychange" || source.document.visibilityState === "visible") wake();
  };
  for (const [target, event] of events) source[target].addEventListener(event, happened);
  return () => {
    for (const [target, event] of events) source[target].removeEventListener(event, happened);
  };
}
