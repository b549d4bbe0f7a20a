import { describe, expect, test } from "vitest";
import type { LockOptions, TabChannel } from "../ports/tabs.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { turn } from "../testing/turn.ts";
import { AskedLocks } from "./asked-lock.ts";

interface Message {
  readonly type: "ask" | "hold" | "before" | "free";
  readonly from: string;
  readonly claims: readonly { readonly name: string; readonly since: number }[];
}

/** Below and above the one of the scene's own tab. */
const [lowId, highId] = ["0".repeat(16), "f".repeat(16)];

/** One tab's locks, and whoever else there is: the test says what they say, and hears what they hear. */
class Scene {
  readonly clock = new SimulatedClock();
  readonly heard: Message[] = [];
  readonly locks: AskedLocks;
  isClosed = false;
  /** By which the wall clock is ahead of the time that has passed. */
  jumpedMs = 0;
  #listener: (message: unknown) => void = () => {};

  constructor() {
    const channel: TabChannel = {
      post: (message) => void this.heard.push(structuredClone(message) as Message),
      listen: (listener) => {
        this.#listener = listener;
      },
      close: () => {
        this.isClosed = true;
      },
    };
    this.locks = new AskedLocks({
      name: "test",
      channels: { open: () => channel },
      clock: { now: () => this.now, after: (ms, action) => this.clock.after(ms, action) },
      random: { bytes: (count) => new Uint8Array(count).fill(0x77) },
    });
  }

  get now(): number {
    return this.clock.now() + this.jumpedMs;
  }

  say(type: Message["type"], since: number, from: string = highId, name: unknown = "a"): void {
    this.#listener({ type, from, claims: [{ name, since }] });
  }

  /** What was said since it was asked for last. */
  said(): readonly string[] {
    return this.heard.splice(0).map(({ type, claims }) => `${type} ${claims.map(({ name }) => name).join()}`);
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await turn();
  }

  request(options: LockOptions = {}, name = "a"): Asked {
    const asked: Asked = { outcome: "waits", release: () => {}, lost: 0 };
    const lost = (): void => void asked.lost++;
    const got = (release: (() => void) | undefined): void => {
      asked.outcome = release === undefined ? "refused" : "has it";
      asked.release = release ?? (() => {});
    };
    this.locks.request(name, { lost, ...options }).then(got, ({ code }) => {
      asked.outcome = code;
    });
    return asked;
  }
}

interface Asked {
  outcome: string;
  release: () => void;
  lost: number;
}

describe("[TABS-13] who asks for a lock", () => {
  test("has it when nobody objects for 300 ms, and says nothing more while nobody asks", async () => {
    const scene = new Scene();
    const asked = scene.request();
    await scene.pass(299);
    expect(asked.outcome).toBe("waits");
    await scene.pass(1);
    expect([asked.outcome, scene.said()]).toEqual(["has it", ["ask a", "hold a"]]);
    await scene.pass(60_000);
    expect([scene.said(), scene.clock.nextAt]).toEqual([[], undefined]);
    asked.release();
    asked.release();
    await scene.pass(60_000);
    expect(scene.said()).toEqual(["free a"]);
  });

  test("asks again each second, and waits until the holder was silent twice in a row", async () => {
    const scene = new Scene();
    const asked = scene.request();
    for (const isAnswered of [true, true, false, true, false]) {
      expect(scene.said()).toEqual(["ask a"]);
      if (isAnswered) scene.say("hold", scene.now - 5_000);
      await scene.pass(1_000);
      expect(asked.outcome).toBe("waits");
    }
    await scene.pass(300);
    expect([asked.outcome, scene.said()]).toEqual(["has it", ["ask a", "hold a"]]);
  });

  test("does not count a round in which somebody else objected", async () => {
    const scene = new Scene();
    const asked = scene.request();
    scene.say("hold", scene.now - 5_000);
    for (let i = 0; i < 4; i++) {
      await scene.pass(1_000);
      scene.say("before", scene.now - 20_000);
    }
    await scene.pass(1_300);
    expect(asked.outcome).toBe("waits");
    await scene.pass(1_000);
    expect(asked.outcome).toBe("has it");
  });

  test("asks at once when it is let go", async () => {
    const scene = new Scene();
    const asked = scene.request();
    scene.say("hold", scene.now - 5_000);
    await scene.pass(700);
    scene.said();
    scene.say("free", scene.now - 5_000, highId, "another");
    expect(scene.said()).toEqual([]);
    scene.say("free", scene.now - 5_000);
    expect(scene.said()).toEqual(["ask a"]);
    await scene.pass(300);
    expect([asked.outcome, scene.said()]).toEqual(["has it", ["hold a"]]);
    await scene.pass(10_000);
    expect(scene.said()).toEqual([]);
  });

  test("asks again when it slept while answers came, also when the clock was set back", async () => {
    for (const jumpMs of [3_600_000, -3_600_000]) {
      const scene = new Scene();
      const asked = scene.request();
      scene.said();
      scene.jumpedMs = jumpMs;
      await scene.pass(300);
      expect([asked.outcome, scene.said()]).toEqual(["waits", ["ask a"]]);
      await scene.pass(300);
      expect(asked.outcome).toBe("has it");
    }
  });

  test("is asked for right after the answers that are waited for, and not in the middle of it", async () => {
    const scene = new Scene();
    const first = scene.request();
    await scene.pass(200);
    const second = scene.request({}, "b");
    expect(scene.said()).toEqual(["ask a"]);
    await scene.pass(100);
    expect([first.outcome, scene.said()]).toEqual(["has it", ["hold a", "ask b"]]);
    await scene.pass(300);
    expect(second.outcome).toBe("has it");
  });

  test("asks at once while it rests from another one, once", async () => {
    const scene = new Scene();
    scene.request();
    scene.say("hold", scene.now - 5_000);
    await scene.pass(500);
    scene.said();
    const second = scene.request({}, "b");
    expect(scene.said()).toEqual(["ask a,b"]);
    scene.say("hold", scene.now - 5_000);
    await scene.pass(700);
    expect([second.outcome, scene.said()]).toEqual(["has it", ["hold b"]]);
    await scene.pass(300);
    expect(scene.said()).toEqual(["ask a"]);
  });

  test("does not have it that it gave up, whether it was asked already or not", async () => {
    for (const afterMs of [100, 700]) {
      const scene = new Scene();
      const giving = new AbortController();
      const asked = scene.request({ signal: giving.signal });
      scene.say(afterMs < 300 ? "free" : "hold", scene.now - 5_000);
      await scene.pass(afterMs);
      giving.abort();
      await scene.pass(10_000);
      expect(asked.outcome).toBe("ABORTED");
      expect(scene.said().filter((said) => said.startsWith("hold"))).toEqual([]);
      scene.say("ask", scene.now);
      expect(scene.said()).toEqual([]);
      expect(scene.request({ signal: giving.signal }).outcome).toBe("waits");
      await turn();
      expect(scene.said()).toEqual([]);
    }
  });

  test("waits for itself too, and has it soon after it let go", async () => {
    const scene = new Scene();
    const first = scene.request();
    await scene.pass(300);
    const second = scene.request();
    const impatient = scene.request({ ifAvailable: true });
    // It asked just before.
    await scene.pass(3_700);
    expect([second.outcome, impatient.outcome]).toEqual(["waits", "refused"]);
    first.release();
    await scene.pass(300);
    expect(second.outcome).toBe("has it");
  });
});

describe("[TABS-13] of two that ask", () => {
  test("the one that asked first objects, of equal ones the one with the lower name", async () => {
    const scene = new Scene();
    scene.request();
    await scene.pass(100);
    scene.said();
    const own = scene.now - 100;
    const answers: readonly (readonly [number, string, readonly string[]])[] = [
      [own + 1, lowId, ["before a"]],
      [own, highId, ["before a"]],
      [own, lowId, []],
      [own - 1, highId, []],
    ];
    for (const [since, from, said] of answers) {
      scene.say("ask", since, from);
      expect(scene.said()).toEqual(said);
    }
    scene.say("ask", own + 1, highId, "another");
    expect(scene.said()).toEqual([]);
  });

  test("the one that asked later minds", async () => {
    const cases: readonly (readonly [number, string, string])[] = [
      [-1, highId, "waits"],
      [0, lowId, "waits"],
      [0, highId, "has it"],
      [1, lowId, "has it"],
    ];
    for (const [offsetMs, from, outcome] of cases) {
      const scene = new Scene();
      const asked = scene.request();
      scene.say("before", scene.now + offsetMs, from);
      await scene.pass(300);
      expect(asked.outcome).toBe(outcome);
      await scene.pass(1_000);
      expect(asked.outcome).toBe("has it");
    }
  });
});

describe("[TABS-13] of two that hold the lock", () => {
  async function held(): Promise<{ readonly scene: Scene; readonly asked: Asked; readonly since: number }> {
    const scene = new Scene();
    const asked = scene.request();
    await scene.pass(300);
    const since = scene.heard.at(-1)?.claims[0]?.since as number;
    scene.said();
    return { scene, asked, since };
  }

  test("the later one has it, of equal ones the one with the higher name, and tells the other", async () => {
    const cases: readonly (readonly [number, string, number])[] = [
      [-1, highId, 0],
      [0, lowId, 0],
      [0, highId, 1],
      [1, lowId, 1],
    ];
    for (const [offsetMs, from, lost] of cases) {
      const { scene, asked, since } = await held();
      scene.say("hold", since + offsetMs, from, "another");
      expect(scene.said()).toEqual([]);
      scene.say("hold", since + offsetMs, from);
      scene.say("hold", since + offsetMs, from);
      const again = lost === 0 ? ["hold a", "hold a"] : [];
      expect([asked.lost, scene.said()]).toEqual([lost, again]);
      // Who lost it answers for it no more, and lets nothing go.
      scene.say("ask", since + 5_000);
      expect(scene.said()).toEqual(lost === 0 ? ["hold a"] : []);
      asked.release();
      expect(scene.said()).toEqual(lost === 0 ? ["free a"] : []);
    }
  });

  test("a thief is later than whoever it has heard of, and than whoever began just now, itself as well", async () => {
    const { scene, asked } = await held();
    scene.say("hold", scene.now - 1, highId, "another");
    // No name at all.
    scene.say("hold", scene.now + 86_400_000, highId, 7);
    const first = scene.request({ steal: true });
    await turn();
    expect([asked.lost, first.outcome]).toEqual([1, "has it"]);
    expect(scene.heard.at(-1)?.claims[0]?.since).toBe(scene.now + 1);
    scene.say("hold", scene.now + 3_600_000);
    expect(first.lost).toBe(1);
    scene.request({ steal: true });
    expect(scene.heard.at(-1)?.claims[0]?.since).toBe(scene.now + 3_600_001);
  });
});

test("[TABS-13] once closed nobody has anything, and nothing is waited for", async () => {
  const scene = new Scene();
  const waiting = scene.request();
  scene.locks.close();
  await scene.pass(10_000);
  expect([waiting.outcome, scene.isClosed, scene.clock.nextAt]).toEqual(["waits", true, undefined]);
  const resting = new Scene();
  const refused = resting.request();
  resting.say("hold", resting.now);
  await resting.pass(500);
  resting.locks.close();
  expect([refused.outcome, resting.clock.nextAt]).toEqual(["waits", undefined]);
});
