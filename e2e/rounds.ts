/** Commits in tabs that end at random moments, and what has to be true of the database afterwards. */
import type { Browser, ConsoleMessage } from "@playwright/test";
import { Device } from "./device.ts";
import { expect } from "./fixtures.ts";
import type { Tab } from "./tabs.ts";

/** The same numbers from 0 to 1 for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the tabs of one device were told about their commits. */
export class Witness {
  readonly #resolved = new Set<string>();
  readonly #rejected: string[] = [];

  get resolved(): number {
    return this.#resolved.size;
  }

  /**
   * Commits of this tab from now until it ends, each of two rows in two tables; those that resolve are written down outside of the tab. At
   * full speed for as long as a round may last, then slowly: who is left when another tab ends writes on while the next one opens.
   */
  async watch(tab: Tab, prefix: string): Promise<void> {
    tab.page.on("console", (message) => this.#note(message));
    await tab.run((prefix) => {
      const slowAt = performance.now() + 300;
      const commitOn = async (lane: string): Promise<void> => {
        for (let n = 0; ; n++) {
          const key = `${prefix}.${lane}.${n}`;
          try {
            await db.transact((tx) => {
              tx.table("left").put(key, { n });
              tx.table("right").put(key, { n });
            });
            console.info(`resolved ${key}`);
            if (performance.now() > slowAt) await new Promise((resolve) => setTimeout(resolve, 50));
          } catch (error) {
            return console.info(`rejected ${key} ${error}`);
          }
        }
      };
      for (const lane of ["a", "b", "c"]) void commitOn(lane);
    }, prefix);
  }

  #note(message: ConsoleMessage): void {
    const [what, key = "", ...why] = message.text().split(" ");
    if (what === "resolved") this.#resolved.add(key);
    if (what === "rejected") this.#rejected.push([key, ...why].join(" "));
  }

  /** Every resolved commit is there, whatever is there is whole, and was done once. */
  async check(tab: Tab): Promise<void> {
    expect(this.#rejected, "a tab that ends is no reason to reject").toEqual([]);
    const { left, right, entries } = await tab.run(async () => ({
      left: (await db.table("left").all()).map(({ id }) => id),
      right: (await db.table("right").all()).map(({ id }) => id),
      entries: (await db.digest()).entries,
    }));
    expect(right, "no commit is there by half").toEqual(left);
    const there = new Set<unknown>(left);
    expect(
      [...this.#resolved].filter((key) => !there.has(key)),
      "resolved, and gone",
    ).toEqual([]);
    expect(entries, "the root, and each commit once").toBe(1 + left.length);
  }
}

/** Another device that joins gets every entry from this one: no two of one author with the same place in its chain, and none left out. */
export async function checkChains(browser: Browser, tab: Tab, options: { site: string; relay: string }): Promise<void> {
  const ticket = await tab.run(() => db.share({ permission: "write" }));
  const { entries } = await tab.run(() => db.digest());
  const peer = await Device.open(browser, options);
  const chains = await peer.run(
    async ({ ticket, entries }) => {
      const seqs = new Map<string, number[]>();
      let heard = 0;
      globalThis.db = await tide.join(ticket);
      await new Promise<void>((resolve) => {
        db.onWrite((event) => {
          for (const { author, seq } of event.entries) {
            const chain = seqs.get(author) ?? [];
            seqs.set(author, chain);
            chain.push(seq);
            if (++heard === entries) resolve();
          }
        });
      });
      return [...seqs.values()].map((chain) => chain.sort((a, b) => a - b));
    },
    { ticket, entries },
  );
  expect(chains).toEqual([Array.from({ length: entries }, (_, seq) => seq)]);
  expect(await peer.digest()).toEqual(await tab.run(() => db.digest()));
  await peer.close();
}

/** By hand or by a crash. */
export async function endSomehow(tab: Tab, random: () => number): Promise<void> {
  if (random() < 0.5) await tab.close();
  else await tab.crash();
}
