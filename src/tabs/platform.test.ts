import { describe, expect, test } from "vitest";
import type { Locks } from "../ports/tabs.ts";
import { channelsContract, locksContract } from "../testing/tabs-contract.ts";
import { type Realm, TabsWorld } from "../testing/tabs-world.ts";
import { AskedLocks } from "./asked-lock.ts";

function asked(realm: Realm, world: TabsWorld): Locks {
  return new AskedLocks({ name: "test", channels: realm.channels, clock: realm.clock, random: world.random.fork() });
}

const kinds: Readonly<Record<string, (realm: Realm, world: TabsWorld) => Locks>> = {
  simulated: (realm) => realm.locks,
  asked,
};

for (const [kind, open] of Object.entries(kinds)) {
  describe(`[TABS-1] a lock, ${kind},`, () => {
    test.each(locksContract)("$name", async ({ run }) => {
      for (let seed = 1; seed <= 20; seed++) {
        const world = new TabsWorld(seed);
        const [first, second] = [world.realm("first"), world.realm("second")];
        await run({
          first: open(first, world),
          second: open(second, world),
          settle: (promise) => world.settle(promise),
        });
      }
    });
  });
}

describe("[TABS-2] a simulated channel", () => {
  test.each(channelsContract)("$name", async ({ run }) => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new TabsWorld(seed);
      const [first, second] = [world.realm("first").channels, world.realm("second").channels];
      const until = async (condition: () => boolean): Promise<void> => {
        while (!condition()) await world.pass(10);
      };
      await run({ first, second, until });
    }
  });
});

describe("[TABS-13] without Web Locks", () => {
  const crowd = 6;

  async function crowded(seed: number): Promise<{
    readonly world: TabsWorld;
    readonly realms: readonly Realm[];
    readonly locks: readonly AskedLocks[];
  }> {
    const world = new TabsWorld(seed);
    const realms = Array.from({ length: crowd }, (_, i) => world.realm(`tab ${i}`));
    const locks = realms.map((realm) => asked(realm, world) as AskedLocks);
    // Else what is said first is heard by some only.
    await world.pass(100);
    return { world, realms, locks };
  }

  test("of many who ask at the same moment one has the lock, and each gets its turn", async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const { world, locks } = await crowded(seed);
      let holders = 0;
      let turns = 0;
      for (const one of locks) {
        void one.request("a").then((release) => {
          expect(++holders).toBe(1);
          turns++;
          world.clock.after(50, () => {
            holders--;
            release?.();
          });
        });
      }
      await world.until(() => turns === crowd, 30_000);
    }
  });

  test("a holder that dies is noticed, and one that wakes up later learns that it lost", async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const { world, realms, locks } = await crowded(seed);
      let lost = 0;
      await world.settle((locks[0] as AskedLocks).request("a", { lost: () => lost++ }));
      const next = (locks[1] as AskedLocks).request("a", { lost: () => lost++ });
      await world.pass(3_000);
      realms[0]?.freeze();
      const frozenAt = world.clock.now();
      const hold = await world.settle(next);
      expect(world.clock.now() - frozenAt).toBeLessThan(4_000);
      realms[0]?.thaw();
      await world.until(() => lost === 1, 2_000);
      const third = (locks[2] as AskedLocks).request("a");
      await world.pass(2_000);
      expect(lost).toBe(1);
      realms[1]?.kill();
      const killedAt = world.clock.now();
      await world.settle(third);
      expect(world.clock.now() - killedAt).toBeLessThan(4_000);
      hold?.();
    }
  });

  test("what is no message of theirs changes nothing", async () => {
    const { world, realms, locks } = await crowded(1);
    const stranger = (realms[5] as Realm).channels.open("tidemark/test/locks");
    const claims = [{ name: "a", since: Number.NaN }];
    const held = { type: "hold", from: "x", claims: [{ name: "a", since: 1 }] };
    await world.pass(100);
    const request = (locks[0] as AskedLocks).request("a");
    for (const garbage of [undefined, null, 1, [], {}, { ...held, claims }, { ...held, claims: 1 }]) {
      stranger.post(garbage);
      stranger.post({ ...held, from: garbage });
      stranger.post({ ...held, claims: [garbage] });
      stranger.post({ ...held, type: garbage });
    }
    const before = world.clock.now();
    await world.settle(request);
    expect(world.clock.now() - before).toBeLessThan(500);
  });
});
