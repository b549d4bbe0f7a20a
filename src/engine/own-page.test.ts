import { expect, test } from "vitest";
import { presenceBeatMs, presenceEveryMs } from "../core/limits.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { pageOf } from "../testing/presence-pages.ts";
import { turn } from "../testing/turn.ts";
import { OwnPage } from "./own-page.ts";

interface Scene {
  readonly clock: SimulatedClock;
  readonly page: OwnPage;
  /** What was said and when, and "gone" at the end. */
  readonly said: string[];
  readonly counters: number[];
  /** Lets so much time pass, a millisecond at a time. */
  readonly pass: (ms: number) => Promise<void>;
}

function setUp(): Scene {
  const clock = new SimulatedClock();
  const [said, counters]: [string[], number[]] = [[], []];
  const startMs = clock.now();
  const page = new OwnPage({
    ...{ page: pageOf(1), clock },
    say: async (own, state) => {
      counters.push(own.count());
      said.push(`${state?.[0]} at ${clock.now() - startMs}`);
    },
    gone: () => said.push("gone"),
  });
  const pass = async (ms: number): Promise<void> => {
    for (let i = 0; i < ms; i++) {
      clock.advance(1);
      await turn();
    }
  };
  return { clock, page, said, counters, pass };
}

test("[PRESENCE-8] what is said is signed ten times a second at most, the newest alone, then every ten seconds", async () => {
  const { clock, page, said, pass } = setUp();
  for (let i = 0; i < 25; i++) {
    page.set(1, Uint8Array.of(i));
    await pass(10);
  }
  expect(said).toEqual(["0 at 0", "9 at 100", "19 at 200"]);
  await pass(presenceEveryMs);
  for (let i = 0; i < 2; i++) {
    clock.advance(presenceBeatMs);
    await turn();
  }
  expect(said.slice(3)).toEqual(["24 at 300", "24 at 10300", "24 at 20350"]);
});

test("[PRESENCE-14] numbers grow, also with the first of another leader, and after the end nothing is said but that it goes", async () => {
  const { page, said, counters, pass } = setUp();
  page.set(1, Uint8Array.of(1));
  await pass(presenceEveryMs);
  page.set(1, Uint8Array.of(2));
  await pass(presenceEveryMs);
  page.set(2, Uint8Array.of(3));
  await pass(1);
  expect(counters).toEqual([...counters].sort((a, b) => a - b));
  expect(counters[2]).toBe(2 * 2 ** 32 + 1);
  page.set(2, undefined);
  await page.close();
  page.set(2, Uint8Array.of(4));
  await pass(2 * presenceEveryMs);
  expect(said.map((each) => each.split(" ")[0])).toEqual(["1", "2", "3", "undefined"]);
});

test("[PRESENCE-5] what has gone is said once, and is no more", async () => {
  const { clock, page, said, pass } = setUp();
  page.set(1, Uint8Array.of(1));
  page.set(1, undefined);
  await pass(presenceEveryMs);
  clock.advance(3 * presenceBeatMs);
  await turn();
  expect(said).toEqual(["1 at 0", "undefined at 100", "gone"]);
});
