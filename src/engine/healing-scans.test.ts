/** How a damaged log is gone through: in which order, what fails meanwhile, and how it ends. */
import { describe, expect, test } from "vitest";
import type { Entry } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { Node } from "../core/graph.ts";
import { type DatabaseId, type EntryId, entryIdFromDigest } from "../core/ids.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { turn } from "../testing/turn.ts";
import { Healing, type HealingEvent } from "./healing.ts";

const sha256 = await loadSha256();
const corrupt = new TidemarkError("STORAGE_CORRUPT", { where: "an entry" });
const quota = new TidemarkError("STORAGE_QUOTA", { reason: "full" });

interface Stored {
  readonly id: EntryId;
  readonly size: number;
  readonly bytes: Uint8Array;
}

/** A healing on a storage that answers when it is told to, and as it is told. */
class World {
  readonly events: HealingEvent[] = [];
  readonly asked: (readonly EntryId[])[] = [];
  readonly reads: string[] = [];
  /** Positions whose bytes are not what they were. */
  readonly damaged: Set<number>;
  readonly entries: readonly Stored[];
  readonly healing: Healing;
  /** With which reading fails. */
  error: unknown;
  /** How many were reading at once, at most. */
  atOnce = 0;
  #reading = 0;
  #held: (() => void)[] | undefined;

  constructor(count: number, damaged: readonly number[] = []) {
    this.damaged = new Set(damaged);
    this.entries = Array.from({ length: count }, (_, i) => {
      const bytes = Uint8Array.of(i >> 8, i & 255);
      return { id: entryIdFromDigest(sha256(bytes)), size: bytes.length, bytes };
    });
    const there = (from: number, to: number): readonly Uint8Array[] =>
      this.entries.slice(from, to).map(({ bytes }, i) => (this.damaged.has(from + i) ? Uint8Array.of(9, 9, 9) : bytes));
    this.healing = new Healing({
      database: "d".repeat(64) as DatabaseId,
      storage: {
        read: async (_, from, to) => {
          this.reads.push(`${from} ${to}`);
          await this.#pass();
          if (this.error !== undefined) throw this.error;
          return there(from, to);
        },
        salvage: async (_, from, to) => there(from, to),
        replace: async () => {},
      },
      sha256,
      clock: new SimulatedClock(),
      at: (position) => this.entries[position] as Stored,
      stored: () => count,
      want: (ids) => this.asked.push(ids),
      reported: (event) => this.events.push(event),
    });
  }

  /** From now on nothing is read until `release`. */
  hold(): void {
    this.#held = [];
  }

  release(): void {
    for (const go of this.#held ?? []) go();
    this.#held = undefined;
  }

  async check(...positions: readonly number[]): Promise<string> {
    const nodes = positions.map((position) => ({ ...this.entries[position], position }) as unknown as Node);
    return await this.healing.check(nodes, corrupt).then(
      () => "readable",
      ({ code }: TidemarkError) => code,
    );
  }

  take(...positions: readonly number[]): Promise<void> {
    return this.healing.take(positions.map((position) => this.entries[position] as unknown as Entry));
  }

  async #pass(): Promise<void> {
    this.#reading += 1;
    this.atOnce = Math.max(this.atOnce, this.#reading);
    await turn();
    if (this.#held !== undefined) await new Promise<void>((resolve) => this.#held?.push(resolve));
    this.#reading -= 1;
  }
}

describe("[STORAGE-26] what cannot be read", () => {
  test("is looked at whole, in whatever order it was asked for", async () => {
    expect(await new World(20, [2]).check(9, 2)).toBe("STORAGE_CORRUPT");
    expect(await new World(20, [9]).check(9, 2)).toBe("STORAGE_CORRUPT");
    expect(await new World(20, [5]).check(2)).toBe("readable");
  });

  test("is looked for from the first entry of the log on", async () => {
    const world = new World(20, [0]);
    expect(await world.check(7)).toBe("readable");
    await world.healing.look(10, 20);
    expect(world.asked).toEqual([[world.entries[0]?.id]]);
  });

  test("is looked for by one at a time, whoever asks", async () => {
    const world = new World(1_500, [3]);
    const looks = [world.healing.look(0, 10), world.check(4), world.healing.look(0, 10), world.healing.look(5, 9)];
    await Promise.all(looks);
    await world.healing.stop();
    expect([world.atOnce, world.reads.slice(0, 4)]).toEqual([1, ["0 10", "4 5", "0 10", "5 9"]]);
  });

  test("is reported also when it is one entry that could be saved", async () => {
    const world = new World(1);
    world.error = corrupt;
    expect(await world.healing.look(0, 1)).toEqual({ damaged: [], salvaged: 1 });
    expect(world.events).toEqual([{ type: "salvaged", entries: 1 }]);
  });

  test("is asked for anew only when all that was asked for has come, and nothing is asked for where nothing is damaged", async () => {
    const world = new World(20, [1, 2, 3]);
    world.healing.ask();
    expect(world.asked).toEqual([]);
    await world.healing.look(0, 20);
    await world.take(1);
    await world.take(2);
    expect(world.asked).toHaveLength(1);
    await world.take(3);
    expect([world.asked.length, world.healing.damaged]).toEqual([1, 0]);
  });
});

describe("[STORAGE-26] a storage that fails while it is gone through", () => {
  test("is told to whoever looked, and stands in nobody's way", async () => {
    const world = new World(20, [3]);
    world.error = quota;
    await expect(world.healing.look(0, 20)).rejects.toBe(quota);
    world.error = undefined;
    expect(await world.healing.look(0, 20)).toEqual({ damaged: [3], salvaged: 0 });
    expect(world.events).toEqual([{ type: "damaged", entries: 1 }]);
    await world.healing.stop();
  });

  test("is reported when nobody waits for it", async () => {
    const world = new World(20);
    world.error = quota;
    await world.check(3);
    expect(world.events).toEqual([{ type: "failed", error: quota }]);
  });
});

describe("[STORAGE-26] when it is stopped in the middle of a look", () => {
  test.each<readonly [string, unknown]>([
    ["damage is found", undefined],
    ["storage fails", quota],
  ])("it ends with that lot, and nothing is told or asked for, though %s", async (_what, error) => {
    const world = new World(5_000, [3]);
    world.hold();
    const checked = world.check(2_999, 3);
    await turn();
    let isStopped = false;
    const stopped = world.healing.stop().then(() => {
      isStopped = true;
    });
    await turn();
    expect(isStopped).toBe(false);
    world.error = error;
    world.release();
    await Promise.all([checked, stopped]);
    await turn();
    expect([world.reads, world.events, world.asked, world.healing.damaged]).toEqual([["3 1003"], [], [], 0]);
  });
});
