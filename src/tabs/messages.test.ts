import fc from "fast-check";
import { expect, test } from "vitest";
import { readTabMessage, type TabMessage } from "./messages.ts";

const build = { version: "1.2.3", tabs: 1 };
const carry = { online: true, settings: {} };
const messages: readonly TabMessage[] = [
  { type: "seek", tab: "a", build, visible: true },
  { type: "here", tab: "a", build, visible: false },
  { type: "lead", lead: "l", tab: "a", build, state: "starting", since: 1, carry },
  { type: "lead", lead: "l", tab: "a", build, state: "ready", since: 1.5, carry },
  { type: "attach", lead: "l", tab: "a" },
  { type: "detach", lead: "l", tab: "a" },
  { type: "resign", lead: "l" },
  { type: "give", lead: "l", tab: "a" },
];

test("[TABS-3] every message of ours is understood, also with more in it than we know", () => {
  for (const message of messages) {
    expect(readTabMessage(message)).toEqual(message);
    expect(readTabMessage({ ...message, later: 1 })).toBeDefined();
  }
});

test("[TABS-3] a message in which anything is missing or of another type is none, and neither is anything else", () => {
  for (const message of messages) {
    for (const field of Object.keys(message)) {
      for (const wrong of [
        undefined,
        null,
        1n,
        [],
        "",
        "x".repeat(65),
        { version: 1, tabs: 1 },
        { version: "1", tabs: 0.5 },
      ]) {
        expect(
          readTabMessage({ ...message, [field]: wrong }),
          `${message.type} ${field} ${String(wrong)}`,
        ).toBeUndefined();
      }
    }
  }
  fc.assert(
    fc.property(fc.anything(), (value) => {
      expect(readTabMessage(value)).toBeUndefined();
    }),
  );
});
