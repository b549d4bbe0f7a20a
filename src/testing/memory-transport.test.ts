import { describe, expect, test } from "vitest";
import { publicKeyFromBytes } from "../core/ids.ts";
import { relayTransport } from "../engine/relay-transport.ts";
import type { Channel, Transport } from "../ports/transport.ts";
import { SimulatedClock } from "./clock.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { MemorySwitchboard } from "./memory-transport.ts";
import { SeededRandom } from "./random.ts";
import { checksFor, type TransportSubject } from "./transport-contract.ts";
import { turn } from "./turn.ts";

/** Lets time pass until the condition holds, at most for a minute. */
async function until(clock: SimulatedClock, condition: () => boolean): Promise<void> {
  const end = clock.now() + 60_000;
  for (await turn(); !condition(); await turn()) {
    if (clock.now() >= end) throw new Error("not so after a minute");
    if (!clock.runNext()) clock.advance(1_000);
  }
}

function onClock(clock: SimulatedClock): Pick<TransportSubject, "until" | "pass"> {
  return {
    until: (condition) => until(clock, condition),
    pass: async () => {
      const end = clock.now() + 5_000;
      await until(clock, () => clock.now() >= end);
    },
  };
}

function memorySubject(seed = 1): TransportSubject & { readonly switchboard: MemorySwitchboard } {
  const clock = new SimulatedClock();
  const switchboard = new MemorySwitchboard({ clock, random: new SeededRandom(seed) });
  const build = (name: string): Transport =>
    switchboard.builder.build({ name, config: { key: name }, state: undefined });
  const dialling = { empty: "memory:nobody", malformed: "memory:" };
  return {
    ...onClock(clock),
    left: build("left"),
    right: build("right"),
    dialling,
    meeting: "memory:hall",
    switchboard,
  };
}

function relaySubject(): TransportSubject {
  const clock = new SimulatedClock();
  const network = new MemoryNetwork({ clock, random: new SeededRandom(1) });
  const build = (n: number): Transport => {
    const key = publicKeyFromBytes(new Uint8Array(32).fill(n));
    return relayTransport(() => network.join(key)).build({ name: "webrtc", config: undefined, state: undefined });
  };
  return { ...onClock(clock), left: build(1), right: build(2), dialling: undefined, meeting: "relay:wss://relay.test" };
}

describe("a transport in memory", () => {
  for (const { title, check } of checksFor(memorySubject())) test(title, () => check(memorySubject()));
});

describe("the transport of relays", () => {
  for (const { title, check } of checksFor(relaySubject())) test(title, () => check(relaySubject()));
});

describe("[TRANSPORT-10] at a switchboard", () => {
  const never = new AbortController().signal;
  const listener = { connected: () => {}, relayChanged: () => {}, stateChanged: () => {} };

  test("a test can sit at an address itself", async () => {
    const { left, switchboard, until } = memorySubject();
    await left.start(listener);
    const ends: Channel[] = [];
    switchboard.answer("raw", (channel) => ends.push(channel));
    void left.dial("memory:raw", never).then((channel) => ends.push(channel));
    await until(() => ends.length === 2);
    expect(ends[0]?.binding).toEqual(ends[1]?.binding);
    expect(switchboard.between("left", "raw")).toHaveLength(1);
  });

  test("whoever dials an address that is swallowed hears nothing", async () => {
    const { left, switchboard, pass } = memorySubject();
    await left.start(listener);
    switchboard.swallow("ghost");
    let settled = false;
    void left.dial("memory:ghost", never).finally(() => {
      settled = true;
    });
    await pass();
    expect([settled, switchboard.dialled]).toEqual([false, ["ghost"]]);
  });

  test("two that met in a room meet again after their channel broke", async () => {
    const subject = memorySubject();
    const { left, right, switchboard } = subject;
    for (const transport of [left, right]) {
      await transport.start(listener);
      transport.seek("memory:hall", new Uint8Array(32));
    }
    await subject.until(() => switchboard.between("left", "right").length === 1);
    switchboard.between("left", "right")[0]?.left.drop();
    await subject.until(() => switchboard.between("left", "right").length === 0);
    await subject.until(() => switchboard.between("left", "right").length === 1);
  });

  test("a key belongs to one transport at a time", async () => {
    const { left, switchboard } = memorySubject();
    await left.start(listener);
    const other = switchboard.builder.build({ name: "other", config: { key: "left" }, state: undefined });
    await expect(other.start(listener)).rejects.toMatchObject({ code: "TRANSPORT_CONFIG" });
    await left.stop();
    await expect(other.start(listener)).resolves.toBeUndefined();
  });

  test("the same seed connects at the same milliseconds", async () => {
    const run = async (seed: number): Promise<number> => {
      const { left, right, until, switchboard } = memorySubject(seed);
      await left.start(listener);
      await right.start(listener);
      right.accept(true);
      const dialled = left.dial("memory:right", never);
      let isUp = false;
      void dialled.then(() => {
        isUp = true;
      });
      await until(() => isUp);
      return switchboard.clock.now();
    };
    const times = await Promise.all([run(1), run(1), run(2), run(3)]);
    expect(times[0]).toBe(times[1]);
    expect(new Set(times).size).toBeGreaterThan(1);
  });
});
