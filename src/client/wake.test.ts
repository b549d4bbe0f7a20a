import { expect, test } from "vitest";
import { onWake, type WakeSource } from "./wake.ts";

class Page extends EventTarget {
  visibilityState: DocumentVisibilityState = "visible";
}

test("[CLIENT-16] the network's return, a page shown, resumed or become visible wake, until stopped", () => {
  const source = { window: new EventTarget(), document: new Page() } satisfies WakeSource;
  let woken = 0;
  const stop = onWake(() => {
    woken += 1;
  }, source);
  for (const event of ["online", "pageshow"]) source.window.dispatchEvent(new Event(event));
  for (const event of ["resume", "visibilitychange"]) source.document.dispatchEvent(new Event(event));
  expect(woken).toBe(4);
  source.document.visibilityState = "hidden";
  source.document.dispatchEvent(new Event("visibilitychange"));
  source.window.dispatchEvent(new Event("offline"));
  expect(woken, "a page that is hidden does not wake").toBe(4);
  stop();
  for (const event of ["online", "pageshow"]) source.window.dispatchEvent(new Event(event));
  expect(woken).toBe(4);
});
