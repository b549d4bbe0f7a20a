import { describe, expect, test } from "vitest";
import { TabsWorld } from "../testing/tabs-world.ts";
import { LeadLock } from "./lead-lock.ts";
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
