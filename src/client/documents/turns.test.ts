import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { nextTurn, Turns } from "./turns.ts";

afterEach(() => void vi.unstubAllGlobals());

/** All channels that are made from now on in this test, each a promise: that one is closed. */
function watchChannels(): readonly Promise<void>[] {
  const closed: Promise<void>[] = [];
  class Watched extends MessageChannel {
    constructor() {
      super();
      closed.push(new Promise((resolve) => this.port2.addEventListener("close", () => resolve())));
    }
  }
  vi.stubGlobal("MessageChannel", Watched);
  return closed;
}

function openTurns(): Turns {
  const turns = new Turns();
  onTestFinished(() => turns.close());
  return turns;
}

/** Of a tab that nobody sees a timer would take an hour. */
const hourMs = 3_600_000;

test("[DOC-62] things run in turns of their own, in order, each when what runs has ended", async () => {
  const turns = openTurns();
  const order: string[] = [];
  const ran = new Promise<void>((resolve) => {
    turns.schedule(() => {
      order.push("first");
      queueMicrotask(() => order.push("after the first"));
    });
    turns.schedule(() => {
      order.push("second");
      resolve();
    });
  });
  order.push("scheduled");
  await ran;
  expect(order).toEqual(["scheduled", "first", "after the first", "second"]);
});

test("[DOC-62] a wait takes its time, and in a tab that nobody sees it is a turn", async () => {
  const turns = openTurns();
  const order: string[] = [];
  const ran = new Promise<void>((resolve) => {
    turns.after(1, () => {
      order.push("waited");
      resolve();
    });
    turns.schedule(() => order.push("turn"));
  });
  await ran;
  expect(order).toEqual(["turn", "waited"]);
  vi.stubGlobal("document", { visibilityState: "hidden" });
  await new Promise<void>((resolve) => turns.after(hourMs, resolve));
});

test("[DOC-69] what waits when the page's documents end is not run, and nothing is left open", async () => {
  const channels = watchChannels();
  const turns = new Turns();
  turns.schedule(() => expect.fail("a turn after the end"));
  turns.after(1, () => expect.fail("a timer after the end"));
  turns.close();
  const other = openTurns();
  // Timers end in the order of their times.
  await new Promise<void>((resolve) => other.after(2, resolve));
  await channels[0];
});

test("[DOC-62] a turn that was waited for leaves nothing open", async () => {
  const channels = watchChannels();
  await nextTurn();
  expect(channels).toHaveLength(1);
  await channels[0];
});
