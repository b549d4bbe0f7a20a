/** What a candidate makes of what it hears, or does not hear, of a leader. */
import { describe, expect, test } from "vitest";
import { failure, other, Scene } from "../testing/candidate-scene.ts";
import type { AskedLock } from "../testing/locks-by-hand.ts";
import { turn } from "../testing/turn.ts";
import { stealLockName } from "./names.ts";

/** So long that whoever hears nothing takes the leader for stalled once, and not twice. */
const silentMs = 8_000;

function robberies({ locks }: Scene): readonly AskedLock[] {
  return locks.asked.filter(({ name }) => name === stealLockName("test"));
}

/** Somebody else robs the leader, and this tab gives that one time. */
async function givenWay(): Promise<Scene> {
  const scene = await Scene.waiting();
  while (robberies(scene).length === 0) await scene.pass(100);
  await robberies(scene)[0]?.refuse();
  return scene;
}

async function waysToRob(scene: Scene): Promise<readonly unknown[]> {
  await scene.pass(silentMs);
  return robberies(scene).map(({ options }) => options);
}

describe("[TABS-7] a tab that finds somebody else robbing the leader", () => {
  test("gives that one as much time as the leader had", async () => {
    const scene = await givenWay();
    await scene.pass(5_900);
    expect(robberies(scene)).toHaveLength(1);
    expect(await waysToRob(scene)).toEqual([{ ifAvailable: true }, { steal: true }]);
  });

  test("looks anew whether anybody robs once it has heard a leader, or has led", async () => {
    const heard = await givenWay();
    heard.hearLead();
    expect(await waysToRob(heard)).toEqual([{ ifAvailable: true }, { ifAvailable: true }]);
    const led = await givenWay();
    await led.lock.give();
    await led.engine.begin();
    led.candidate.stepDown(led.engine.start.id);
    expect(await waysToRob(led)).toEqual([{ ifAvailable: true }, { ifAvailable: true }]);
  });
});

describe("[TABS-4] a tab follows nobody", () => {
  test("of whom it heard before it left", async () => {
    const scene = await Scene.waiting();
    scene.hearLead();
    expect(scene.standing).toBe("following");
    await scene.candidate.suspend();
    scene.candidate.resume();
    await turn();
    await scene.presence.give();
    scene.hear({ type: "here", ...other });
    expect(scene.standing).toBe("waiting");
  });

  test("of whom it heard while it led itself", async () => {
    const scene = await Scene.leading();
    scene.hearLead({ lead: "later", since: scene.clock.now() + 1_000 });
    expect(scene.standing).toBe("leading");
    scene.candidate.stepDown(scene.engine.start.id);
    await turn();
    scene.hear({ type: "here", ...other });
    expect(scene.standing).toBe("waiting");
  });
});

test("[TABS-5] a lead that ends says no more that it leads, though its engine has not stopped yet", async () => {
  const scene = await Scene.waiting();
  await scene.lock.give();
  scene.candidate.stepDown(scene.engine.start.id);
  await turn();
  scene.said();
  scene.hear({ type: "seek", ...other });
  expect(scene.said()).toEqual([]);
  await scene.engine.begin();
});

test("[TABS-14] a pause is as long as the last failure made it, also when a leader was heard in the one before", async () => {
  const scene = await Scene.waiting();
  await scene.lock.fail(failure);
  scene.hearLead();
  expect(scene.asks).toBe(2);
  await scene.lock.fail(failure);
  await scene.pass(1_900);
  expect(scene.asks).toBe(2);
  await scene.pass(200);
  expect(scene.asks).toBe(3);
});

test("[TABS-14] a pause that ends while the tab leads, or its engine still stops, asks for nothing", async () => {
  const scene = await Scene.waiting();
  await scene.lock.fail(failure);
  scene.hearLead();
  await scene.lock.give();
  await scene.pass(1_100);
  expect([scene.asks, scene.locks.asked.length]).toEqual([2, 3]);
  scene.candidate.stepDown(scene.engine.start.id);
  scene.hearLead({ since: scene.clock.now() });
  expect(scene.asks).toBe(2);
  await scene.engine.begin();
  expect(scene.asks).toBe(3);
});
