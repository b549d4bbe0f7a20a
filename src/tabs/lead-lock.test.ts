import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { LocksByHand } from "../testing/locks-by-hand.ts";
import { TabsWorld } from "../testing/tabs-world.ts";
import { type LeadHold, LeadLock } from "./lead-lock.ts";
import { leaderLockName, stealLockName } from "./names.ts";

interface Robber {
  readonly lock: LeadLock;
  isStalled: boolean;
  got: number;
  gaveWay: number;
}

function robber(world: TabsWorld, name: string): Robber {
  const own: Robber = {
    lock: new LeadLock({
      name: "test",
      locks: world.realm(name).locks,
      isAlone: false,
      isStalled: () => own.isStalled,
      listenAnew: () => own.gaveWay++,
      got: () => own.got++,
      failed: (error) => expect(error).toBeUndefined(),
    }),
    isStalled: true,
    got: 0,
    gaveWay: 0,
  };
  own.lock.ask();
  return own;
}

async function robbed(seed: number): Promise<TabsWorld> {
  const world = new TabsWorld(seed);
  await world.settle(world.realm("leader").locks.request(leaderLockName("test")));
  return world;
}

describe("[TABS-7] a leader is robbed", () => {
  test("by one of many who notice at the same moment; the others give it time", async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const world = await robbed(seed);
      const robbers = Array.from({ length: 5 }, (_, i) => robber(world, `tab ${i}`));
      await world.pass(1_000);
      for (const { lock } of robbers) void lock.rob();
      await world.pass(1_000);
      expect(robbers.filter(({ got }) => got === 1)).toHaveLength(1);
      expect(robbers.filter(({ gaveWay }) => gaveWay === 1)).toHaveLength(4);
    }
  });

  test("not when it was heard in the meantime, nor by who does not ask for the lock any more", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = await robbed(seed);
      const [calmed, left] = [robber(world, "calmed"), robber(world, "left")];
      await world.pass(1_000);
      void calmed.lock.rob();
      calmed.isStalled = false;
      await world.pass(1_000);
      void left.lock.rob();
      left.lock.stop();
      await world.pass(1_000);
      void left.lock.rob();
      await world.pass(1_000);
      expect([calmed.got, left.got]).toEqual([0, 0]);
      expect(world.browser.holderOf(leaderLockName("test"))?.name).toBe("leader");
      expect(world.browser.holderOf(stealLockName("test"))).toBeUndefined();
    }
  });
});

interface Scene {
  readonly lock: LeadLock;
  readonly locks: LocksByHand;
  readonly holds: LeadHold[];
  readonly failures: string[];
  isStalled: boolean;
  gaveWay: number;
}

function setUp({ isAlone = false } = {}): Scene {
  const locks = new LocksByHand();
  const scene: Scene = {
    lock: new LeadLock({
      ...{ name: "test", locks, isAlone },
      isStalled: () => scene.isStalled,
      listenAnew: () => scene.gaveWay++,
      got: (hold) => void scene.holds.push(hold),
      failed: ({ code }) => void scene.failures.push(code),
    }),
    ...{ locks, holds: [], failures: [], isStalled: true, gaveWay: 0 },
  };
  return scene;
}

/** What was asked for since, and how. */
function asked({ locks }: Scene): readonly string[] {
  return locks.asked.map(({ name, options: { steal, ifAvailable, signal } }) => {
    const how = steal === true ? "steal" : ifAvailable === true ? "if available" : "wait";
    return `${name === leaderLockName("test") ? "lead" : "rob"}: ${how}${signal?.aborted === true ? ", given up" : ""}`;
  });
}

const unsupported = new TidemarkError("ENVIRONMENT_UNSUPPORTED", { missing: "navigator.locks" });

describe("[TABS-6] the leader's lock", () => {
  test("is asked for once, and again when it was got", async () => {
    const scene = setUp();
    scene.lock.ask();
    scene.lock.ask();
    expect(asked(scene)).toEqual(["lead: wait"]);
    await scene.locks.at(0).give();
    expect(scene.holds).toHaveLength(1);
    scene.lock.ask();
    expect(asked(scene)).toEqual(["lead: wait", "lead: wait"]);
    scene.holds[0]?.release();
    expect(scene.locks.at(0).isReleased).toBe(true);
  });

  test("is let go when it comes too late, and nobody hears that it was given up", async () => {
    const scene = setUp();
    scene.lock.ask();
    scene.lock.stop();
    scene.lock.ask();
    scene.lock.stop();
    expect(asked(scene)).toEqual(["lead: wait, given up", "lead: wait, given up"]);
    await scene.locks.at(0).give();
    await scene.locks.at(1).fail(new TidemarkError("ABORTED", { call: "lock" }));
    expect([scene.holds, scene.failures, scene.locks.at(0).isReleased]).toEqual([[], [], true]);
    scene.lock.ask();
    expect(asked(scene).at(-1)).toBe("lead: wait");
  });

  test("that cannot be had is told, and asked for again when somebody wants it", async () => {
    const scene = setUp();
    scene.lock.ask();
    await scene.locks.at(0).fail(unsupported);
    expect(scene.failures).toEqual(["ENVIRONMENT_UNSUPPORTED"]);
    scene.lock.ask();
    await scene.locks.at(1).give();
    expect(scene.holds).toHaveLength(1);
  });

  test("is not waited for where nobody can be heard", async () => {
    const scene = setUp({ isAlone: true });
    scene.lock.ask();
    expect(asked(scene)).toEqual(["lead: if available"]);
    await scene.locks.at(0).refuse();
    expect([scene.failures, scene.holds]).toEqual([["INSTANCE_IN_USE"], []]);
    scene.lock.ask();
    await scene.locks.at(1).give();
    expect(scene.holds).toHaveLength(1);
  });

  test("that is stolen is told, also when that was before anybody asked, and once", async () => {
    for (const isEarly of [true, false]) {
      const scene = setUp();
      scene.lock.ask();
      await scene.locks.at(0).give();
      let lost = 0;
      if (isEarly) scene.locks.at(0).options.lost?.();
      scene.holds[0]?.whenLost(() => lost++);
      if (!isEarly) {
        expect(lost).toBe(0);
        scene.locks.at(0).options.lost?.();
      }
      expect(lost).toBe(1);
    }
  });

  test("that the leader keeps for a tab is taken by it at once, if it asks for it", async () => {
    const scene = setUp();
    await scene.lock.inherit();
    expect(asked(scene)).toEqual([]);
    scene.lock.ask();
    void scene.lock.inherit();
    expect(asked(scene)).toEqual(["lead: wait, given up", "lead: steal"]);
    await scene.locks.at(1).give();
    let lost = 0;
    scene.holds[0]?.whenLost(() => lost++);
    scene.locks.at(1).options.lost?.();
    expect([scene.holds.length, lost]).toEqual([1, 1]);
    scene.holds[0]?.release();
    expect(scene.locks.at(1).isReleased).toBe(true);
    scene.lock.ask();
    expect(asked(scene).at(-1)).toBe("lead: wait");
  });
});

describe("[TABS-7] whoever robs", () => {
  test("asks for the lock of robbers once, and keeps it until it leads", async () => {
    const scene = setUp();
    void scene.lock.rob();
    expect(asked(scene)).toEqual([]);
    scene.lock.ask();
    void scene.lock.rob();
    void scene.lock.rob();
    expect(asked(scene)).toEqual(["lead: wait", "rob: if available"]);
    expect(scene.locks.at(1).name).toBe(stealLockName("test"));
    await scene.locks.at(1).give();
    expect(asked(scene)).toEqual(["lead: wait, given up", "rob: if available", "lead: steal"]);
    await scene.locks.at(2).give();
    expect([scene.holds.length, scene.locks.at(1).isReleased]).toEqual([1, false]);
    scene.holds[0]?.begun();
    expect([scene.locks.at(1).isReleased, scene.locks.at(2).isReleased]).toEqual([true, false]);
  });

  test("lets both go when it ends before it leads", async () => {
    const scene = setUp();
    scene.lock.ask();
    void scene.lock.rob();
    await scene.locks.at(1).give();
    await scene.locks.at(2).give();
    scene.holds[0]?.release();
    expect([scene.locks.at(1).isReleased, scene.locks.at(2).isReleased]).toEqual([true, true]);
  });

  test("gives way to another one once, and robs over it when no leader was heard since", async () => {
    const scene = setUp();
    scene.lock.ask();
    void scene.lock.rob();
    await scene.locks.at(-1).refuse();
    expect(scene.gaveWay).toBe(1);
    void scene.lock.rob();
    expect(asked(scene).at(-1)).toBe("rob: steal");
    await scene.locks.at(-1).refuse();
    scene.lock.led();
    void scene.lock.rob();
    expect(asked(scene).at(-1)).toBe("rob: if available");
  });

  test("leaves it when the leader was heard meanwhile, the lock came by itself, or it was told to stop", async () => {
    const changes: readonly ((scene: Scene) => Promise<void> | void)[] = [
      (scene) => {
        scene.isStalled = false;
      },
      ({ locks }) => locks.at(0).give(),
      ({ lock }) => lock.stop(),
      ({ lock }) => {
        lock.stop();
        lock.ask();
      },
    ];
    for (const change of changes) {
      const scene = setUp();
      scene.lock.ask();
      void scene.lock.rob();
      await change(scene);
      await scene.locks.at(1).give();
      expect(asked(scene)).not.toContain("lead: steal");
      expect(scene.locks.at(1).isReleased).toBe(true);
    }
  });

  test("lets everything go when it is told to stop while it takes the lock", async () => {
    const scene = setUp();
    scene.lock.ask();
    void scene.lock.rob();
    await scene.locks.at(1).give();
    scene.lock.stop();
    await scene.locks.at(2).give();
    expect([scene.holds, scene.locks.at(1).isReleased, scene.locks.at(2).isReleased]).toEqual([[], true, true]);
  });

  test("tells what it fails with, holds up nobody, and may rob and ask again", async () => {
    const scene = setUp();
    scene.lock.ask();
    void scene.lock.rob();
    await scene.locks.at(1).fail(unsupported);
    expect(scene.failures).toEqual(["ENVIRONMENT_UNSUPPORTED"]);
    void scene.lock.rob();
    await scene.locks.at(2).give();
    await scene.locks.at(3).fail(unsupported);
    expect([scene.failures.length, scene.locks.at(2).isReleased]).toEqual([2, true]);
    scene.lock.ask();
    expect(asked(scene).slice(4)).toEqual(["lead: wait"]);
  });

  test("asks anew, as it was told, though what it did before fails later", async () => {
    const scene = setUp();
    scene.lock.ask();
    void scene.lock.inherit();
    scene.lock.stop();
    scene.lock.ask();
    await scene.locks.at(1).fail(unsupported);
    scene.lock.ask();
    expect(asked(scene)).toEqual(["lead: wait, given up", "lead: steal", "lead: wait"]);
  });
});
