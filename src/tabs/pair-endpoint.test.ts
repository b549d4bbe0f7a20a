import { describe, expect, test } from "vitest";
import { TabsWorld } from "../testing/tabs-world.ts";
import { openPair, type Pair } from "./pair-endpoint.ts";

type TestPair = Pair<string, number>;

interface Ends {
  readonly world: TabsWorld;
  readonly page: TestPair;
  readonly leader: () => TestPair;
  readonly notes: unknown[];
}

function ends(seed: number): Ends {
  const world = new TabsWorld(seed);
  const [one, other] = [world.realm("page"), world.realm("worker")];
  const notes: unknown[] = [];
  const page = openPair<string, number>(one.channels.open("pair"), ({ type, ...note }) =>
    notes.push("info" in note ? note.info : `${type} ${note.event}`),
  );
  return { world, page, leader: () => openPair<string, number>(other.channels.open("pair")), notes };
}

describe("[TABS-16] a pair channel", () => {
  test("lets the page hear the leader's greeting once, whichever end was open first", async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const { world, leader, notes } = ends(seed);
      const pair = leader();
      pair.post({ type: "attached", info: "hello" });
      await world.pass(1_000);
      pair.post({ type: "event", event: seed });
      await world.pass(1_000);
      expect(notes).toEqual(["hello", `event ${seed}`]);
    }
  });

  test("lets the page hear the greeting of every further end, also one that says the same", async () => {
    const { world, leader, notes } = ends(1);
    for (let i = 1; i <= 3; i++) {
      const pair = leader();
      pair.post({ type: "attached", info: "hello" });
      await world.pass(1_000);
      pair.close();
      expect(notes).toHaveLength(i);
    }
  });

  test("carries calls to whoever listens, as functions or as objects, until they stop or it is closed", async () => {
    const { world, page, leader } = ends(1);
    const pair = leader();
    await world.pass(1_000);
    const heard: unknown[] = [];
    const listener = (event: Event): void => void heard.push((event as MessageEvent).data);
    const object = { handleEvent: listener };
    pair.endpoint.addEventListener("message", listener);
    pair.endpoint.addEventListener("message", object);
    pair.endpoint.addEventListener("error", () => heard.push("error"));
    page.endpoint.postMessage({ call: 1 });
    await world.pass(1_000);
    pair.endpoint.removeEventListener("message", listener);
    page.endpoint.postMessage({ call: 2 });
    await world.pass(1_000);
    expect(heard).toEqual([{ call: 1 }, { call: 1 }, { call: 2 }]);
    page.endpoint.postMessage({ call: 3 });
    pair.close();
    await world.pass(1_000);
    page.close();
    page.endpoint.postMessage({ call: 4 });
    expect(heard).toHaveLength(3);
  });

  test("lets no call through that was made to the end before, whoever hears it", async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const { world, page, leader, notes } = ends(seed);
      const first = leader();
      first.post({ type: "attached", info: "hello" });
      await world.until(() => notes.length === 1);
      first.close();
      const second = leader();
      const heard: unknown[] = [];
      second.endpoint.addEventListener("message", (event) => heard.push((event as MessageEvent).data));
      for (let call = 1; call <= 5; call++) page.endpoint.postMessage(call);
      await world.pass(1_000);
      second.post({ type: "attached", info: "hello" });
      await world.until(() => notes.length === 2);
      page.endpoint.postMessage(6);
      await world.pass(1_000);
      expect(heard).toEqual([6]);
    }
  });

  test("carries what the page asks as soon as it is greeted, each time", async () => {
    const world = new TabsWorld(1);
    const [one, other] = [world.realm("page"), world.realm("worker")];
    const page = openPair<string, number>(one.channels.open("pair"), () => page.endpoint.postMessage("asked"));
    for (let i = 0; i < 3; i++) {
      const heard: unknown[] = [];
      const leader = openPair<string, number>(other.channels.open("pair"));
      leader.endpoint.addEventListener("message", (event) => heard.push((event as MessageEvent).data));
      leader.post({ type: "attached", info: "hello" });
      await world.pass(1_000);
      leader.close();
      expect(heard).toEqual(["asked"]);
    }
  });

  test("[TABS-3] leaves aside what is neither call nor note", async () => {
    const { world, leader, notes } = ends(1);
    const pair = leader();
    const stranger = world.realm("stranger").channels.open("pair");
    const heard: unknown[] = [];
    pair.endpoint.addEventListener("message", (event) => heard.push(event));
    await world.pass(1_000);
    for (const garbage of [undefined, null, 1, "call", [], {}, { type: 1 }, { type: "other" }]) stranger.post(garbage);
    await world.pass(1_000);
    expect([heard, notes]).toEqual([[], []]);
  });
});
