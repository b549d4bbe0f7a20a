import { describe, expect, test } from "vitest";
import { SimulatedClock } from "../testing/clock.ts";
import type { LeadFacts } from "./messages.ts";
import { LeaderWatch } from "./watch-leader.ts";

const facts: LeadFacts = {
  lead: "b",
  tab: "tab",
  build: { version: "1.0.0", tabs: 1 },
  state: "ready",
  since: 100,
  carry: { online: true, settings: {} },
};

class Watched {
  readonly clock = new SimulatedClock();
  /** By which the wall clock is ahead of the time that has passed. */
  jumpedMs = 0;
  sought = 0;
  stalled = 0;
  readonly watch: LeaderWatch;

  constructor() {
    this.watch = new LeaderWatch({
      clock: {
        now: () => this.clock.now() + this.jumpedMs,
        after: (ms, action) => this.clock.after(ms, action),
      },
      seek: () => this.sought++,
      stalled: () => this.stalled++,
    });
    this.watch.start(1_000);
  }
}

describe("[TABS-8] silence", () => {
  test("is asked about after five ticks and told after six, and on each one from then on", () => {
    const watched = new Watched();
    watched.clock.advance(4_999);
    expect([watched.sought, watched.stalled]).toEqual([0, 0]);
    watched.clock.advance(1);
    expect([watched.sought, watched.stalled]).toEqual([1, 0]);
    watched.clock.advance(3_000);
    expect([watched.sought, watched.stalled]).toEqual([1, 3]);
    watched.watch.hear(facts);
    watched.clock.advance(5_000);
    expect([watched.sought, watched.stalled]).toEqual([2, 3]);
    watched.watch.stop();
    watched.clock.advance(60_000);
    expect(watched.stalled).toBe(3);
  });

  test("does not grow in ticks that came late, however many, nor over a clock that is set back", () => {
    for (const jumpMs of [2_000, 60_000, -5_000]) {
      const watched = new Watched();
      for (let i = 0; i < 20; i++) {
        watched.clock.advance(3_500);
        watched.jumpedMs += jumpMs;
      }
      expect([watched.sought, watched.stalled]).toEqual([0, 0]);
    }
  });
});

describe("[TABS-8] of two leads", () => {
  test("the later counts, of equal ones the one with the higher name, and what is told of the current one", () => {
    const { watch } = new Watched();
    expect(watch.hear(facts)).toBe(true);
    expect(watch.hear({ ...facts, lead: "a" })).toBe(false);
    expect(watch.hear({ ...facts, lead: "z", since: 99 })).toBe(false);
    expect(watch.current?.lead).toBe("b");
    expect(watch.hear({ ...facts, state: "starting" })).toBe(true);
    expect(watch.hear({ ...facts, lead: "c" })).toBe(true);
    expect(watch.hear({ ...facts, lead: "a", since: 101 })).toBe(true);
    expect(watch.current?.lead).toBe("a");
    expect(watch.latest).toBe(101);
    watch.resigned("b");
    expect(watch.current?.lead).toBe("a");
    watch.resigned("a");
    expect(watch.current).toBeUndefined();
    expect(watch.hear(facts)).toBe(true);
  });

  test("any counts once the current one is silent: clocks may have been set back", () => {
    const { watch, clock } = new Watched();
    watch.hear(facts);
    clock.advance(4_000);
    expect(watch.hear({ ...facts, lead: "z", since: 1 })).toBe(false);
    clock.advance(1_000);
    expect(watch.hear({ ...facts, lead: "z", since: 1 })).toBe(true);
    expect(watch.latest).toBe(100);
  });
});

describe("[TABS-8] counting anew", () => {
  const quiet = 3_000;

  test("begins with whoever is heard, resigns, starts or is told to", () => {
    for (const anew of [
      ({ watch }: Watched) => void watch.hear(facts),
      ({ watch }: Watched) => watch.resigned("b"),
      ({ watch }: Watched) => watch.start(1_000),
      ({ watch }: Watched) => watch.listenAnew(),
    ]) {
      const watched = new Watched();
      watched.watch.hear(facts);
      watched.clock.advance(quiet);
      anew(watched);
      watched.clock.advance(4_000);
      expect(watched.sought).toBe(0);
      watched.clock.advance(1_000);
      expect(watched.sought).toBe(1);
    }
  });

  test("is not begun by somebody else's resigning", () => {
    const watched = new Watched();
    watched.watch.hear(facts);
    watched.clock.advance(quiet);
    watched.watch.resigned("another");
    watched.clock.advance(2_000);
    expect([watched.sought, watched.watch.current]).toEqual([1, facts]);
  });

  test("goes on at one pace, however often it is started", () => {
    const watched = new Watched();
    for (let i = 0; i < 3; i++) watched.watch.start(1_000);
    watched.clock.advance(4_000);
    expect(watched.sought).toBe(0);
    watched.watch.stop();
    expect(watched.clock.nextAt).toBeUndefined();
  });
});
