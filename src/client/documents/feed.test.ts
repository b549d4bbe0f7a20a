import { expect, test } from "vitest";
import { TidemarkError } from "../../core/errors.ts";
import { docDatabase } from "../../testing/doc-engine.ts";
import type { DocChanges, DocOpened, WorkerApi } from "../../worker/api.ts";
import { LeaderLine } from "../leader-line.ts";
import { Feed, Feeds } from "./feed.ts";

interface Asked {
  readonly number: number;
  readonly answer: () => void;
  readonly refuse: (error: unknown) => void;
}

/** A feed, and leaders that answer when they are told to. */
function setUp() {
  const feeds = new Feeds();
  const line = new LeaderLine({ tab: "t", forget: async () => {}, began: () => {}, wrote: () => {} });
  const asked: Asked[] = [];
  const closed: number[] = [];
  const heard: string[] = [];
  const lead = (): void => {
    const api = {
      openDoc: (number: number) =>
        new Promise((resolve, reject) => {
          asked.push({ number, answer: () => resolve({ author: "" } as unknown as DocOpened), refuse: reject });
        }),
      closeDoc: async (number: number) => void closed.push(number),
    };
    line.attach({ api: api as unknown as WorkerApi });
  };
  const feed = new Feed(line, feeds, docDatabase, "page", {
    asked: () => ({ heads: [], nonce: new Uint8Array(16), snapshot: true }),
    opened: () => void heard.push("opened"),
    take: ({ left }) => {
      heard.push(`took ${left}`);
      if (left === 9) feed.close();
    },
    failed: (error) => void heard.push(error instanceof TidemarkError ? error.code : String(error)),
  });
  lead();
  feed.open();
  const say = (at: number, left: number): void =>
    feeds.take({ watch: asked[at]?.number ?? 0, left } as unknown as DocChanges);
  const rest = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { feed, feeds, asked, closed, heard, lead, say, rest };
}

test("[DOC-62] what a leader says before its answer is taken behind that, in order", async () => {
  const { asked, heard, say, rest } = setUp();
  say(0, 2);
  say(0, 1);
  expect(heard).toEqual([]);
  asked[0]?.answer();
  await rest();
  say(0, 0);
  expect(heard).toEqual(["opened", "took 2", "took 1", "took 0"]);
});

test("[DOC-62] nothing of a leader that ended is taken for the next one's, whether it answers, refuses or goes on", async () => {
  for (const end of [(first: Asked) => first.answer(), (first: Asked) => first.refuse(new Error("late"))]) {
    const { asked, heard, lead, say, rest } = setUp();
    say(0, 1);
    lead();
    end(asked[0] as Asked);
    await rest();
    say(0, 2);
    expect(heard).toEqual([]);
    asked[1]?.answer();
    await rest();
    say(0, 3);
    say(1, 0);
    expect(heard).toEqual(["opened", "took 0"]);
    lead();
    say(1, 4);
    expect(heard).toEqual(["opened", "took 0"]);
  }
});

test("[DOC-62] that a leader ends is no failure, that it refuses is one", async () => {
  const { asked, heard, lead, rest } = setUp();
  asked[0]?.refuse(new TidemarkError("CALL_INTERRUPTED", { call: "openDoc" }));
  await rest();
  expect(heard).toEqual([]);
  lead();
  asked[1]?.refuse(new TidemarkError("DOC_CLOSED", { store: "page" }));
  await rest();
  expect(heard).toEqual(["DOC_CLOSED"]);
});

test("[DOC-62] one that is closed takes nothing, asks no other leader, and the leader is told", async () => {
  const { feed, asked, closed, heard, lead, say, rest } = setUp();
  asked[0]?.answer();
  await rest();
  feed.close();
  say(0, 1);
  lead();
  await rest();
  expect([heard, asked.length, closed]).toEqual([["opened"], 1, [asked[0]?.number]]);
});

test("[DOC-62] one that is closed by what it took takes nothing more of what waited", async () => {
  const { asked, heard, say, rest } = setUp();
  say(0, 9);
  say(0, 1);
  asked[0]?.answer();
  await rest();
  expect(heard).toEqual(["opened", "took 9"]);
});

test("[DOC-62] one that is closed before the answer hears neither that nor a refusal", async () => {
  for (const end of [(first: Asked) => first.answer(), (first: Asked) => first.refuse(new Error("late"))]) {
    const { feed, asked, closed, heard, say, rest } = setUp();
    say(0, 1);
    feed.close();
    end(asked[0] as Asked);
    await rest();
    expect([heard, closed]).toEqual([[], [asked[0]?.number]]);
  }
});
