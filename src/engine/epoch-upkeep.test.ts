/** When an admin's device looks at the epochs, and when it leaves them. */
import { describe, expect, test } from "vitest";
import { ADMIN, type Power, WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { turn } from "../testing/turn.ts";
import { EpochUpkeep, type EpochUpkeepOptions } from "./epoch-upkeep.ts";

interface Given {
  readonly power?: Power;
  readonly isRemoved?: boolean;
  readonly isOn?: boolean;
  readonly canSeal?: boolean;
  readonly random?: number;
}

/** Something is always left to be done: two entries. */
class Upkeep extends EpochUpkeep {
  override async plan(): Promise<readonly (readonly SettingsOp[])[]> {
    return [[{ type: "name", name: "one" }], [{ type: "name", name: "two" }]];
  }
}

class World {
  readonly clock = new SimulatedClock(0);
  readonly commits: string[] = [];
  readonly failures: unknown[] = [];
  readonly upkeep: EpochUpkeep;
  committed: () => void = () => {};

  constructor({ power = ADMIN, isRemoved = false, isOn = true, canSeal = true, random = 0 }: Given = {}) {
    const options = {
      ports: {
        clock: this.clock,
        random: { bytes: () => Uint8Array.of(random, random) },
        ...(canSeal && { sealing: {} }),
      },
      replica: { settings: { removed: isRemoved ? {} : undefined }, authority: { power: () => power } },
      encryption: { isOn },
      self: () => "ann",
      commit: async ([op]: readonly SettingsOp[]) => {
        this.commits.push(JSON.stringify(op));
        this.committed();
      },
      failed: (error: unknown) => this.failures.push(error),
    };
    this.upkeep = new Upkeep(options as unknown as EpochUpkeepOptions);
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await turn();
  }
}

describe("[ENCRYPTION-14] an admin's device", () => {
  test.each([
    [0, 500],
    [255, 4_499],
  ])("looks after half a second to four and a half, however often there is a change (%i)", async (random, ms) => {
    const world = new World({ random });
    for (let i = 0; i < 3; i++) world.upkeep.wake();
    await world.pass(ms - 1);
    expect(world.commits).toEqual([]);
    await world.pass(1);
    expect(world.commits).toHaveLength(2);
    await world.pass(60_000);
    expect(world.commits).toHaveLength(2);
    world.upkeep.wake();
    await world.pass(ms);
    expect(world.commits).toHaveLength(4);
  });

  test("does nothing more once it is stopped, not even what it has begun", async () => {
    const waiting = new World();
    waiting.upkeep.wake();
    waiting.upkeep.stop();
    waiting.upkeep.wake();
    expect(waiting.clock.nextAt).toBeUndefined();
    const idle = new World();
    idle.upkeep.stop();
    idle.upkeep.wake();
    expect(idle.clock.nextAt).toBeUndefined();
    const begun = new World();
    begun.committed = () => begun.upkeep.stop();
    begun.upkeep.wake();
    await begun.pass(5_000);
    expect(begun.commits).toHaveLength(1);
  });

  test("tells what failed", async () => {
    const world = new World();
    const error = new Error("no room");
    world.committed = () => {
      throw error;
    };
    world.upkeep.wake();
    await world.pass(5_000);
    expect(world.failures).toEqual([error]);
  });

  test.each<readonly [string, Given]>([
    ["is no admin's", { power: WRITE }],
    ["has an open database", { isOn: false }],
    ["cannot seal", { canSeal: false }],
    ["has heard that it was removed", { isRemoved: true }],
  ])("leaves it to others when it %s", (_what, given) => {
    const { upkeep, clock } = new World(given);
    upkeep.wake();
    expect(clock.nextAt).toBeUndefined();
  });
});
