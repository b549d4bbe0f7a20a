import { expect, onTestFinished, test } from "vitest";
import { catchUncaught } from "../../testing/uncaught.ts";
import type { Stop } from "../listeners.ts";
import { type RawDocEvent, Telling } from "./telling.ts";

function event(name: string, origin: RawDocEvent["origin"] = "remote"): RawDocEvent {
  return { value: {}, patches: [], origin, heads: [name] };
}

/** What each listener heard, in order. */
function setUp() {
  const telling = new Telling();
  const heard: string[] = [];
  const listen = (name: string, then: () => void = () => {}, local = true): Stop =>
    telling.listen({
      local,
      hear: ({ heads }) => {
        heard.push(`${name} ${heads[0]}`);
        then();
      },
    });
  return { telling, heard, listen };
}

test("[DOC-60] all hear of one difference before anybody hears of the next, that a listener makes", () => {
  const { telling, heard, listen } = setUp();
  let left = 2;
  listen("one", () => {
    if (left-- > 0) telling.tell(event(`made ${left}`));
  });
  listen("two");
  telling.tell(event("first"));
  telling.tell(event("last"));
  expect(heard).toEqual(["first", "made 1", "made 0", "last"].flatMap((name) => [`one ${name}`, `two ${name}`]));
});

test("[DOC-69] who begins to listen within a telling hears the next, and who stops hears nothing more", () => {
  const { telling, heard, listen } = setUp();
  let isBegun = false;
  listen("one", () => {
    stopTwo();
    if (!isBegun) listen("three");
    isBegun = true;
  });
  const stopTwo = listen("two");
  telling.tell(event("first"));
  expect(heard).toEqual(["one first"]);
  telling.tell(event("second"));
  expect(heard).toEqual(["one first", "one second", "three second"]);
});

test("[DOC-60] who does not listen to what this page changes hears of anything else, and one listener is enough for it to be told", () => {
  const { telling, heard, listen } = setUp();
  expect(telling.hears("remote")).toBe(false);
  listen("far", () => {}, false);
  expect([telling.hears("local"), telling.hears("undo"), telling.hears("remote")]).toEqual([false, true, true]);
  const stop = listen("near");
  expect(telling.hears("local")).toBe(true);
  for (const origin of ["local", "undo", "redo", "remote"] as const) telling.tell(event(origin, origin));
  stop();
  expect(telling.hears("local")).toBe(false);
  expect(heard.filter((name) => name.startsWith("far"))).toEqual(["far undo", "far redo", "far remote"]);
  expect(heard.filter((name) => name.startsWith("near"))).toHaveLength(4);
});

test("[DOC-60] what a listener throws reaches the page, and neither the other listeners nor what is told later", async () => {
  const uncaught = catchUncaught(onTestFinished);
  const { telling, heard, listen } = setUp();
  const mine = new Error("mine");
  listen("one", () => {
    throw mine;
  });
  listen("two");
  for (const name of ["first", "second"]) telling.tell(event(name));
  expect(heard).toEqual(["one first", "two first", "one second", "two second"]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(uncaught).toEqual([mine, mine]);
});
