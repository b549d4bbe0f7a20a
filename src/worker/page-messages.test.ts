import { describe, expect, test } from "vitest";
import type { PublicKey } from "../core/ids.ts";
import { appChannelsMax, appMessagesUntakenBytesMax, appMessagesUntakenMax } from "../core/limits.ts";
import type { AppListener } from "../engine/app-messages.ts";
import { keyOf } from "../testing/writers.ts";
import type { WorkerEvent } from "./api.ts";
import { PageMessages } from "./page-messages.ts";

const [ann, bob] = [keyOf(1), keyOf(2)];

interface Scene {
  readonly page: PageMessages;
  readonly posted: WorkerEvent[];
  readonly listeners: Set<AppListener>;
}

/** A page, and an engine whose peers do what the test says. */
function setUp(): Scene {
  const posted: WorkerEvent[] = [];
  const listeners = new Set<AppListener>();
  const messages = {
    open: (_channel: string, listener: AppListener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    send: async () => {},
  };
  return { page: new PageMessages(messages, (event) => posted.push(event)), posted, listeners };
}

function peersTold(posted: readonly WorkerEvent[]): readonly string[] {
  return posted.flatMap((event) =>
    event.type === "messagesPeer" ? [`${event.isUp ? "up" : "down"} ${event.peer === ann ? "ann" : "bob"}`] : [],
  );
}

function count(posted: readonly WorkerEvent[]): number {
  return posted.filter(({ type }) => type === "message").length;
}

describe("[MESSAGES-5] a page that takes nothing", () => {
  test.each([
    ["small", 1, appMessagesUntakenMax],
    ["large", 1024 * 1024, appMessagesUntakenBytesMax / (1024 * 1024)],
  ])(
    "is sent so many %s messages and no more; when it has taken them its peers come up again",
    (_which, length, most) => {
      const { page, posted, listeners } = setUp();
      page.open(1, "chess");
      const [listener] = [...listeners] as [AppListener];
      const say = (peer: PublicKey): void => listener.message(peer, new Uint8Array(length));
      listener.peer(ann, true);
      for (let i = 0; i < most; i++) say(ann);
      expect([count(posted), peersTold(posted)]).toEqual([most, ["up ann"]]);
      say(ann);
      listener.peer(bob, true);
      say(bob);
      expect([count(posted), peersTold(posted)]).toEqual([most, ["up ann", "down ann"]]);
      for (let i = 1; i < most; i++) page.took(1, length);
      say(ann);
      expect([count(posted), peersTold(posted)]).toEqual([most, ["up ann", "down ann"]]);
      page.took(1, length);
      expect(peersTold(posted)).toEqual(["up ann", "down ann", "up ann", "up bob"]);
      say(bob);
      expect(count(posted)).toBe(most + 1);
      page.took(1, length);
    },
  );

  test("holds up neither another channel nor another page", () => {
    const { page, posted, listeners } = setUp();
    page.open(1, "chess");
    page.open(2, "go");
    const [chess, go] = [...listeners] as [AppListener, AppListener];
    for (let i = 0; i <= appMessagesUntakenMax; i++) chess.message(ann, new Uint8Array(1));
    go.message(ann, new Uint8Array(1));
    expect(posted.at(-1)).toMatchObject({ type: "message", messages: 2 });
  });

  test("and says that it has taken more than it was sent gains nothing", () => {
    const { page, posted, listeners } = setUp();
    page.open(1, "chess");
    const [listener] = [...listeners] as [AppListener];
    for (let i = 0; i < 5; i++) page.took(1, 1_000_000_000);
    for (let i = 0; i < 2 * appMessagesUntakenMax; i++) listener.message(ann, new Uint8Array(1));
    expect(count(posted)).toBe(appMessagesUntakenMax);
  });
});

test("[MESSAGES-6] with a page its channels are closed, and it opens no more of them than may be", () => {
  const { page, listeners } = setUp();
  for (let number = 1; number <= appChannelsMax; number++) page.open(number, `c${number}`);
  for (const [number, channel] of [
    [appChannelsMax + 1, "more"],
    [1, ""],
    [1, "x".repeat(65)],
    [1, "a\n"],
  ] as const)
    expect(() => page.open(number, channel)).toThrow("INPUT_INVALID");
  page.close(1);
  page.open(appChannelsMax + 1, "more");
  expect(listeners.size).toBe(appChannelsMax);
  page.closeAll();
  expect(listeners.size).toBe(0);
});
