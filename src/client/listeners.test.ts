import { expect, test } from "vitest";
import { Listeners } from "./listeners.ts";

test("who is stopped by another within one telling hears nothing more, and who begins then hears the next", () => {
  const listeners = new Listeners<{ note: string }>(["note"]);
  const heard: string[] = [];
  let isBegun = false;
  listeners.on("note", (note) => {
    heard.push(`one ${note}`);
    stopTwo();
    if (!isBegun) listeners.on("note", (next) => void heard.push(`three ${next}`));
    isBegun = true;
  });
  const stopTwo = listeners.on("note", (note) => void heard.push(`two ${note}`));
  listeners.emit("note", "first");
  expect(heard).toEqual(["one first"]);
  listeners.emit("note", "second");
  expect(heard).toEqual(["one first", "one second", "three second"]);
});
