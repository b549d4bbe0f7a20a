import { expect, test } from "vitest";
import { freezeHoldMs } from "../core/limits.ts";
import { onLifecycle } from "./lifecycle.ts";

interface Page {
  readonly calls: string[];
  readonly stop: () => void;
  fire(target: "window" | "document", event: string, fields?: object): void;
  show(on: boolean): void;
}

function openPage(): Page {
  const window = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" as DocumentVisibilityState });
  const calls: string[] = [];
  const stop = onLifecycle(
    {
      keep: () => calls.push("keep"),
      visible: (on) => calls.push(on ? "shown" : "hidden"),
      suspend: (cached) => calls.push(cached ? "cached" : "suspended"),
      freeze: () => calls.push("frozen"),
      resume: () => calls.push("resumed"),
    },
    { window, document },
  );
  const fire: Page["fire"] = (target, event, fields = {}) => {
    const [targets, happened] = [{ window, document }, Object.assign(new Event(event), fields)];
    targets[target].dispatchEvent(happened);
  };
  const show = (on: boolean): void => {
    document.visibilityState = on ? "visible" : "hidden";
    fire("document", "visibilitychange");
  };
  return { calls, stop, fire, show };
}

test("[CLIENT-41] what is waited for is kept whenever the page is hidden, for it may be killed without another word", () => {
  const { calls, show } = openPage();
  show(false);
  show(true);
  expect(calls).toEqual(["keep", "hidden", "shown"]);
});

test("[CLIENT-41] a page that ends only keeps; one that goes into the cache leaves, and comes back", () => {
  const { calls, fire } = openPage();
  fire("window", "pageshow", { persisted: false });
  fire("window", "pagehide", { persisted: false });
  expect(calls).toEqual(["keep"]);
  fire("window", "pagehide", { persisted: true });
  fire("document", "freeze");
  fire("document", "resume");
  fire("window", "pageshow", { persisted: true });
  expect(calls).toEqual(["keep", "keep", "cached", "keep", "frozen", "resumed"]);
});

test("[CLIENT-41] a page that is frozen where it is leaves once, and comes back once", () => {
  const { calls, fire, stop } = openPage();
  for (const event of ["freeze", "resume", "resume"]) fire("document", event);
  expect(calls).toEqual(["keep", "suspended", "frozen", "resumed"]);
  stop();
  fire("document", "freeze");
  expect(calls).toHaveLength(4);
});

test("[CLIENT-41] a page that is about to be frozen gives its worker time to hear of it", () => {
  const { fire } = openPage();
  const spent = (): number => {
    const before = performance.now();
    fire("document", "freeze");
    return performance.now() - before;
  };
  expect(spent()).toBeGreaterThanOrEqual(freezeHoldMs);
});
