import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { carry, changedCarry, failure, newer, older, other, Scene } from "../testing/candidate-scene.ts";
import { turn } from "../testing/turn.ts";

describe("[TABS-10] a tab that leaves", () => {
  test("while it shows that it is there lets that go, and asks for nothing", async () => {
    const scene = await Scene.started();
    await scene.candidate.suspend();
    await scene.presence.give();
    expect([scene.presence.isReleased, scene.presence.options.signal?.aborted, scene.asks]).toEqual([true, true, 0]);
    expect([scene.said(), scene.clock.nextAt]).toEqual([[], undefined]);
  });

  test("asks for nothing, though what it tried before fails now", async () => {
    for (const isShown of [false, true]) {
      const scene = isShown ? await Scene.waiting() : await Scene.started();
      if (isShown) scene.hear({ type: "give", lead: "lead", tab: "own" });
      const [left, asks] = [isShown ? scene.lock : scene.presence, scene.asks];
      await scene.candidate.suspend();
      await left.fail(failure);
      await scene.pass(70_000);
      expect([scene.standing, scene.asks, scene.clock.nextAt]).toEqual(["waiting", asks, undefined]);
    }
  });

  test("shows itself no more, forgets who led, and is deaf until it is back", async () => {
    const scene = await Scene.waiting();
    scene.hearLead();
    await scene.candidate.suspend();
    expect([scene.standing, scene.presence.isReleased, scene.lock.options.signal?.aborted]).toEqual([
      "waiting",
      true,
      true,
    ]);
    scene.said();
    scene.hearLead({ build: newer });
    scene.hear({ type: "seek", ...other });
    scene.candidate.setVisible(false);
    await scene.pass(20_000);
    expect([scene.said(), scene.standing, scene.clock.nextAt]).toEqual([[], "waiting", undefined]);
    scene.candidate.resume();
    await turn();
    await scene.presence.give();
    expect([scene.standing, scene.said(), scene.asks]).toEqual(["waiting", ["seek"], 2]);
    scene.hearLead();
    expect(scene.standing).toBe("following");
  });

  test("gives up its pause after a failure, and what a leader refused", async () => {
    const failed = await Scene.waiting();
    await failed.lock.fail(failure);
    expect(failed.standing).toBe("failed");
    const refused = await Scene.waiting();
    refused.hearLead();
    refused.hear({ type: "refuse", lead: "lead", tab: "own" });
    expect(refused.standing).toBe("failed");
    for (const scene of [failed, refused]) {
      await scene.candidate.suspend();
      expect(scene.clock.nextAt).toBeUndefined();
    }
    refused.candidate.resume();
    await turn();
    await refused.presence.give();
    refused.hearLead();
    expect(refused.standing).toBe("following");
  });

  test("is over when its engine has stopped, and closes its channel then", async () => {
    const scene = await Scene.leading();
    const closing = scene.candidate.close();
    expect(scene.isClosed).toBe(false);
    await closing;
    expect([scene.engine.stops, scene.isClosed, scene.lock.isReleased]).toEqual([["resigned"], true, true]);
    expect([scene.presence.isReleased, scene.standing, scene.clock.nextAt]).toEqual([true, "waiting", undefined]);
    scene.candidate.resume();
    await turn();
    expect(scene.asks).toBe(1);
  });

  test("and is back does not mind what it had asked for before", async () => {
    const scene = await Scene.started();
    const { presence } = scene;
    await scene.candidate.suspend();
    scene.candidate.resume();
    await presence.fail(failure);
    expect([scene.standing, scene.clock.nextAt]).toEqual(["waiting", undefined]);
  });

  test("and leads before it has shown that it is back looks for nobody", async () => {
    const scene = await Scene.started();
    scene.hearLead();
    scene.hear({ type: "resign", lead: "lead" });
    await scene.lock.give();
    await scene.engine.begin();
    scene.said();
    await scene.presence.give();
    expect([scene.said(), scene.standing, scene.clock.nextAt]).toEqual([[], "leading", undefined]);
  });

  test("and closes does not come back", async () => {
    const scene = await Scene.waiting();
    await scene.candidate.suspend();
    await scene.candidate.close();
    const asked = scene.locks.asked.length;
    scene.candidate.resume();
    await turn();
    expect(scene.locks.asked).toHaveLength(asked);
  });

  test("stays when it is tied, whether it is told once or twice", async () => {
    const scene = await Scene.leading();
    scene.isTied = true;
    await scene.candidate.suspend();
    await scene.candidate.suspend();
    scene.candidate.resume();
    await turn();
    expect([scene.standing, scene.locks.asked.length]).toEqual(["leading", 2]);
  });

  test("and is back while its engine still starts waits for that, and asks then", async () => {
    const scene = await Scene.waiting();
    await scene.lock.give();
    void scene.candidate.suspend();
    await scene.pass(300);
    scene.candidate.resume();
    await scene.pass(1_000);
    expect([scene.asks, scene.lock.isReleased, scene.engine.start.signal.aborted]).toEqual([1, true, true]);
    await scene.engine.begin();
    expect(scene.engine.stops).toEqual(["resigned"]);
    await scene.presence.give();
    expect(scene.asks).toBe(2);
    // And goes again before it has shown that it is there.
    await scene.lock.give();
    expect(scene.engines).toHaveLength(2);
  });

  test("and is back and goes again while its engine still starts asks for nothing", async () => {
    const scene = await Scene.waiting();
    await scene.lock.give();
    void scene.candidate.suspend();
    await scene.pass(300);
    scene.candidate.resume();
    void scene.candidate.suspend();
    const asked = scene.locks.asked.length;
    await scene.engine.begin();
    expect(scene.locks.asked).toHaveLength(asked);
  });
});

describe("[TABS-14] a tab that fails", () => {
  test("is told once for each reason, and tries again after 1, 2, 4 … 64 s", async () => {
    const scene = await Scene.waiting();
    const pauses: number[] = [];
    for (let i = 0; i < 9; i++) {
      const [asks, from] = [scene.asks, scene.clock.now()];
      await scene.lock.give();
      await scene.engine.fail(new TidemarkError("STORAGE_QUOTA", { reason: `${i}` }));
      while (scene.asks === asks) await scene.pass(100);
      pauses.push(scene.clock.now() - from);
    }
    for (const [i, pause] of pauses.entries()) {
      expect(pause).toBeGreaterThanOrEqual(2 ** Math.min(i, 6) * 500);
      expect(pause).toBeLessThanOrEqual(2 ** Math.min(i, 6) * 1_000 + 100);
    }
    expect(scene.states).toHaveLength(1);
    await scene.lock.fail(new TidemarkError("STORAGE_CLOSED", { reason: "another" }));
    expect(scene.states.map((state) => (state.type === "failed" ? state.error.code : ""))).toEqual([
      "STORAGE_QUOTA",
      "STORAGE_CLOSED",
    ]);
  });

  test("begins with short pauses again when it has led for a minute, not when it failed soon after it began", async () => {
    for (const [ledMs, isShort] of [
      [63_000, false],
      [64_000, true],
    ] as const) {
      const scene = await Scene.leadingAtLast();
      expect(scene.standing).toBe("leading");
      await scene.pass(ledMs);
      scene.candidate.stepDown(scene.engine.start.id, failure);
      await turn();
      expect(scene.standing).toBe("failed");
      const { asks } = scene;
      await scene.pass(1_100);
      expect(scene.asks > asks).toBe(isShort);
    }
  });

  test("that was robbed asks at once, and with short pauses when it fails then", async () => {
    const scene = await Scene.leadingAtLast();
    scene.candidate.stepDown("another");
    await turn();
    expect(scene.standing).toBe("leading");
    const { asks } = scene;
    scene.candidate.stepDown(scene.engine.start.id);
    await turn();
    expect([scene.standing, scene.asks, scene.engine.stops]).toEqual(["waiting", asks + 1, ["lost"]]);
    await scene.lock.fail(failure);
    await scene.pass(1_100);
    expect(scene.asks).toBe(asks + 2);
  });

  test("asks at once when another one is ready to lead, and not when that only starts", async () => {
    const scene = await Scene.waiting();
    await scene.lock.fail(failure);
    scene.hearLead({ state: "starting" });
    expect([scene.standing, scene.asks]).toEqual(["failed", 1]);
    scene.hearLead();
    expect([scene.standing, scene.asks]).toEqual(["following", 2]);
    scene.hear({ type: "resign", lead: "lead" });
    expect(scene.standing).toBe("waiting");
    await scene.pass(70_000);
    expect(scene.asks).toBe(2);
  });

  test("cannot show that it is there, and says so", async () => {
    const scene = await Scene.started();
    await scene.presence.fail(failure);
    expect(scene.candidate.state).toEqual({ type: "failed", error: failure });
    await scene.pass(1_100);
    expect(scene.asks).toBe(1);
  });
});

describe("[TABS-5] a tab", () => {
  test("seeks a leader as it comes, is here for a new one, and says when it is shown or hidden, each once", async () => {
    const scene = await Scene.started();
    expect(scene.said()).toEqual([]);
    await scene.presence.give();
    expect(scene.said()).toEqual(["seek"]);
    scene.hearLead();
    scene.hearLead();
    expect(scene.said()).toEqual(["here"]);
    scene.hearLead({ lead: "next", since: 200 });
    expect(scene.said()).toEqual(["here"]);
    for (const isVisible of [true, false, false, true]) scene.candidate.setVisible(isVisible);
    expect(scene.said()).toEqual(["here", "here"]);
  });

  test("that leads says nothing of being seen, and is later than any other that it heard of", async () => {
    const scene = await Scene.waiting();
    const since = scene.clock.now() + 3_600_000;
    scene.hearLead({ since });
    scene.hear({ type: "resign", lead: "lead" });
    scene.said();
    await scene.lock.give();
    await scene.engine.begin();
    expect(scene.said()).toEqual(["lead", "lead"]);
    scene.candidate.setVisible(false);
    expect(scene.said()).toEqual([]);
    // A lead that is over.
    scene.hearLead({ lead: "late", since: since - 1 });
    scene.hear({ type: "give", lead: "late", tab: "own" });
    expect([scene.standing, scene.asks]).toEqual(["leading", 1]);
    scene.hear({ type: "seek", ...other });
    expect(scene.said()).toEqual(["lead"]);
  });

  test("is not given what is another's, nor refused when another is", async () => {
    const scene = await Scene.waiting();
    scene.hearLead();
    scene.hear({ type: "refuse", lead: "lead", tab: "other" });
    scene.hear({ type: "give", lead: "lead", tab: "other" });
    expect([scene.standing, scene.asks]).toEqual(["following", 1]);
    scene.hear({ type: "give", lead: "lead", tab: "own" });
    expect([scene.asks, scene.lock.options.steal]).toEqual([2, true]);
  });

  test("that was refused asks again after a minute, however often it was told", async () => {
    const scene = await Scene.waiting();
    scene.hearLead();
    scene.said();
    scene.hear({ type: "refuse", lead: "lead", tab: "own" });
    for (let i = 0; i < 60; i++) {
      await scene.pass(1_000);
      scene.hearLead();
      scene.hear({ type: "refuse", lead: "lead", tab: "own" });
    }
    expect([scene.said(), scene.states.length]).toEqual([[], 2]);
    await scene.pass(4_000);
    expect([scene.standing, scene.said()]).toEqual(["following", ["attach"]]);
    // Of the lead before.
    scene.hear({ type: "refuse", lead: "lead", tab: "own" });
    scene.hearLead({ lead: "next", since: 200 });
    expect(scene.standing).toBe("following");
    scene.hear({ type: "refuse", lead: "next", tab: "own" });
    await scene.pass(63_000);
    scene.hearLead({ lead: "next", since: 200 });
    expect(scene.standing).toBe("failed");
  });

  test("asks to be served, and goes, only while it follows", async () => {
    const scene = await Scene.waiting();
    const ask = (): readonly string[] => {
      scene.said();
      scene.candidate.attach();
      scene.candidate.detach();
      return scene.said();
    };
    expect(ask()).toEqual([]);
    scene.hearLead();
    expect(ask()).toEqual(["attach", "detach"]);
    scene.hear({ type: "resign", lead: "another" });
    expect(ask()).toEqual(["attach", "detach"]);
    scene.hear({ type: "resign", lead: "lead" });
    await scene.lock.give();
    await scene.engine.begin();
    expect(ask()).toEqual([]);
  });
});

describe("[TABS-7] a candidate", () => {
  const robbing = ({ locks }: Scene): number => locks.asked.filter(({ name }) => name.endsWith("/steal")).length;

  test("counts the silence from its first tick, asks, and robs a second later", async () => {
    const scene = await Scene.waiting();
    await scene.pass(4_900);
    expect(scene.said()).toEqual([]);
    await scene.pass(100);
    expect([scene.said(), robbing(scene)]).toEqual([["seek"], 0]);
    await scene.pass(1_000);
    expect(robbing(scene)).toBe(1);
  });

  test("that leads watches nobody, and watches again when it leads no more", async () => {
    const scene = await Scene.leading();
    await scene.pass(30_000);
    expect([scene.said(), robbing(scene)]).toEqual([[], 0]);
    scene.candidate.stepDown(scene.engine.start.id);
    await turn();
    scene.said();
    await scene.pass(6_000);
    expect([scene.said(), robbing(scene)]).toEqual([["seek"], 1]);
  });
});

describe("[TABS-11] builds", () => {
  test("that wait tell an older tab that seeks a leader, nobody else", async () => {
    const scene = await Scene.waiting();
    scene.hear({ type: "seek", ...other, build: older });
    expect(scene.said()).toEqual([]);
    scene.hearLead({ build: older });
    expect([scene.standing, scene.said()]).toEqual(["blocked", ["here"]]);
    scene.hear({ type: "here", ...other, build: older });
    scene.hear({ type: "seek", ...other, build: newer });
    scene.hear({ type: "seek", ...other });
    expect(scene.said()).toEqual([]);
    scene.hear({ type: "seek", ...other, build: older });
    expect(scene.said()).toEqual(["here"]);
  });

  test("that are newer are told of, whether they seek or are here, and nothing of older and equal ones", async () => {
    for (const type of ["seek", "here"] as const) {
      const scene = await Scene.leading();
      scene.hear({ type, ...other });
      scene.hear({ type, ...other, build: older });
      expect(scene.candidate.state).not.toHaveProperty("newer");
      scene.hear({ type, ...other, build: newer });
      scene.hear({ type, ...other });
      expect(scene.candidate.state).toMatchObject({ type: "leading", newer });
    }
  });

  test("that are newer and lead, or only start, end all that this one had", async () => {
    for (const state of ["starting", "ready"] as const) {
      const scene = await Scene.waiting();
      scene.hearLead({ build: newer, state });
      expect(scene.candidate.state).toEqual({ type: "outdated", build: newer });
      await turn();
      expect([scene.presence.isReleased, scene.lock.options.signal?.aborted, scene.clock.nextAt]).toEqual([
        true,
        true,
        undefined,
      ]);
      scene.hearLead({ lead: "next", since: 200 });
      expect(scene.standing).toBe("outdated");
    }
  });
});

test("[TABS-18] what is carried is told when it changes, whoever leads, and goes on with the next", async () => {
  const scene = await Scene.waiting();
  scene.hearLead();
  expect(scene.carried).toEqual([]);
  scene.hearLead({ carry: changedCarry });
  scene.hearLead({ carry: changedCarry });
  expect(scene.carried).toEqual([changedCarry]);
  scene.hear({ type: "resign", lead: "lead" });
  await scene.lock.give();
  expect(scene.engine.start.carry).toEqual(changedCarry);
  await scene.engine.begin();
  scene.said();
  scene.candidate.carry(carry);
  expect([scene.said(), scene.carried]).toEqual([["lead"], [changedCarry, carry]]);
  scene.candidate.stepDown(scene.engine.start.id);
  await turn();
  await scene.lock.give();
  expect(scene.engine.start.carry).toEqual(carry);
});
