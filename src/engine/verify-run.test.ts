/** What one run of verifying does and counts, on a disk of which only that is told. */
import { describe, expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import type { InspectedRecords } from "../ports/storage.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { listenersOf } from "../testing/listeners-of.ts";
import { turn } from "../testing/turn.ts";
import type { OpenDatabase } from "./database.ts";
import { Verification, type VerifyProgress, type VerifyReport } from "./verify.ts";

/** What is on a disk with one database. Default: nothing is wrong. */
interface Told {
  readonly stored?: number;
  readonly entryBytes?: number;
  readonly ofDatabase?: Partial<InspectedRecords>;
  readonly ofOthers?: Partial<InspectedRecords>;
  readonly damaged?: readonly number[];
  /** At each look. */
  readonly salvaged?: number;
  /** How many of these, or of others, are gone at the end. */
  readonly left?: number;
  readonly isForgotten?: boolean;
}

/** A verification of what is told. */
class Teller {
  readonly clock = new SimulatedClock();
  readonly calls: string[] = [];
  readonly verification: Verification;

  constructor({ stored = 10, entryBytes = 100, ofDatabase, ofOthers, left = 0, isForgotten = false, ...found }: Told) {
    const { damaged = [], salvaged = 0 } = found;
    const id = "d".repeat(64) as DatabaseId;
    const look = async (from: number, to: number): Promise<unknown> => {
      this.calls.push(`look ${from} ${to}`);
      return { damaged: damaged.filter((position) => position >= from && position < to), salvaged };
    };
    const database = {
      record: { id, name: "Notes", relays: [] },
      replica: { stored, graph: { at: () => ({ size: entryBytes }) } },
      healing: { damaged: left, look },
    } as unknown as OpenDatabase;
    this.verification = new Verification({
      clock: this.clock,
      storage: {
        inspect: async (of) => ({ checked: 0, damaged: [], mended: 0, ...(of === undefined ? ofOthers : ofDatabase) }),
        uncache: async () => {},
        putDatabase: async ({ name }) => void this.calls.push(`put ${name}`),
      },
      databases: () => [id],
      find: () => (isForgotten ? undefined : database),
      reload: async () => void this.calls.push("reload"),
      renewRecords: async () => void this.calls.push("renew"),
    });
  }

  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = (): void => {
      isSettled = true;
    };
    promise.then(done, done);
    for (; !isSettled; this.clock.runNext()) await turn();
    return await promise;
  }

  async report(): Promise<VerifyReport> {
    return await this.settle(this.verification.run({}));
  }
}

describe("[VERIFY-2] of what is damaged beside entries", () => {
  test("a database's record is written anew where neither copy is sound, and only there", async () => {
    const lost = new Teller({ ofDatabase: { damaged: ["database"] } });
    expect(await lost.report()).toMatchObject({ damaged: 1, salvaged: 1 });
    expect(lost.calls).toEqual(["put Notes", "look 0 10"]);
    const mended = new Teller({ ofDatabase: { damaged: ["database"], mended: 1 } });
    expect(await mended.report()).toMatchObject({ damaged: 1, salvaged: 1 });
    expect(mended.calls).toEqual(["look 0 10"]);
    // Loading reads the record: by then it is what memory holds.
    const more = new Teller({ ofDatabase: { damaged: ["database", "index"] } });
    expect(await more.report()).toMatchObject({ damaged: 2, salvaged: 2 });
    expect(more.calls).toEqual(["put Notes", "reload", "look 0 10"]);
  });

  test("indexes and checkpoints are made anew by loading once, local records by writing them once", async () => {
    const teller = new Teller({
      ofDatabase: { damaged: ["index", "checkpoint", "checkpoint"] },
      ofOthers: { damaged: ["local", "value", "write"], mended: 1 },
    });
    expect(await teller.report()).toMatchObject({ damaged: 6, salvaged: 5 });
    expect(teller.calls).toEqual(["reload", "look 0 10", "renew"]);
    const sound = new Teller({ ofOthers: { damaged: ["write"] } });
    expect(await sound.report()).toMatchObject({ damaged: 1, salvaged: 0 });
    expect(sound.calls).toEqual(["look 0 10"]);
  });

  test("nothing is done for a database that was forgotten meanwhile", async () => {
    const teller = new Teller({ ofDatabase: { checked: 3, damaged: ["database"] }, isForgotten: true });
    expect(await teller.report()).toMatchObject({ entries: 0, checked: 0, damaged: 0, salvaged: 0 });
    expect(teller.calls).toEqual([]);
  });
});

test("[VERIFY-2] what was saved, and what came again by the end, is counted, and less than nothing never is", async () => {
  const damaged = [1, 2, 1_500];
  expect(await new Teller({ stored: 2_000, damaged, left: 1 }).report()).toMatchObject({ damaged: 3, healed: 2 });
  expect(await new Teller({ damaged: [1], salvaged: 5 }).report()).toMatchObject({
    damaged: 6,
    salvaged: 5,
    healed: 1,
  });
  expect(await new Teller({ damaged: [1], left: 4 }).report()).toMatchObject({ damaged: 1, healed: 0 });
});

test("[VERIFY-1] records are part of what was looked at, and of the total as soon as that is known", async () => {
  const teller = new Teller({ ofDatabase: { checked: 7 }, ofOthers: { checked: 2 } });
  const seen: VerifyProgress[] = [];
  await teller.settle(teller.verification.run({ onProgress: (progress) => seen.push(progress) }));
  expect(seen).toEqual([
    { checked: 0, total: 10 },
    { checked: 7, total: 17 },
    { checked: 17, total: 17 },
    { checked: 19, total: 19 },
  ]);
});

test("[VERIFY-4] at most 1,000 entries, or as many as have 1 MiB, are read at a time", async () => {
  const small = new Teller({ stored: 2_500 });
  await small.report();
  expect(small.calls).toEqual(["look 0 1000", "look 1000 2000", "look 2000 2500"]);
  const large = new Teller({ stored: 5, entryBytes: 600_000 });
  await large.report();
  expect(large.calls).toEqual(["look 0 2", "look 2 4", "look 4 5"]);
});

describe("[VERIFY-3] who stops waiting", () => {
  test("hears nothing more, leaves nothing on its signal, and others who handed in the same function do", async () => {
    const teller = new Teller({ stored: 3_000 });
    const heard: number[] = [];
    const onProgress = ({ checked }: VerifyProgress): void => void heard.push(checked);
    const controller = new AbortController();
    const { signal } = controller;
    const listening = listenersOf(signal);
    const stopped = teller.verification.run({ signal, onProgress }).catch(({ code }) => code);
    const stayed = teller.verification.run({ onProgress });
    controller.abort();
    expect(await stopped).toBe("ABORTED");
    heard.length = 0;
    await teller.settle(stayed);
    expect(heard).toEqual([1_000, 2_000, 3_000, 3_000]);
    expect(listening.size).toBe(0);
  });

  test("ends nothing for others, also those who ask later", async () => {
    const teller = new Teller({ stored: 3_000 });
    const controller = new AbortController();
    const stopped = teller.verification.run({ signal: controller.signal }).catch(({ code }) => code);
    const stayed = teller.verification.run({});
    controller.abort();
    await stopped;
    const late = teller.verification.run({});
    expect(await teller.settle(late)).toBe(await stayed);
    expect(teller.calls).toEqual(["look 0 1000", "look 1000 2000", "look 2000 3000"]);
  });

  test("because the instance closes gets ABORTED", async () => {
    const teller = new Teller({ stored: 3_000 });
    const asked = teller.verification.run({}).catch(({ code }) => code);
    await turn();
    teller.verification.close();
    expect(await teller.settle(asked)).toBe("ABORTED");
    expect(teller.calls).toEqual(["look 0 1000"]);
  });
});
