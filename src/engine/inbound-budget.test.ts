import { describe, expect, test } from "vitest";
import { Cluster } from "../testing/cluster.ts";
import { createChannelPair, type MemoryChannel } from "../testing/memory-channel.ts";
import { SimulatedVerifier } from "../testing/simulated-keys.ts";
import { InboundBudget } from "./inbound-budget.ts";
import { Path } from "./path.ts";
import type { PathOwner } from "./path-owner.ts";
import { defaultSettings } from "./settings.ts";

/** Whoever holds what is said, and what it was told. */
class Holder {
  readonly overruns: (readonly [number, number])[] = [];
  overrun(got: number, max: number): void {
    this.overruns.push([got, max]);
  }
}

describe("[PATH-6] when more waits than there may be", () => {
  test("whoever holds most is told, not who came last", () => {
    const budget = new InboundBudget(100);
    const [modest, greedy] = [new Holder(), new Holder()];
    budget.add(greedy, 70);
    budget.add(modest, 30);
    expect([modest.overruns, greedy.overruns]).toEqual([[], []]);
    budget.add(modest, 1);
    expect([modest.overruns, greedy.overruns]).toEqual([[], [[101, 100]]]);
    budget.release(greedy);
    budget.take(greedy, 70);
    budget.add(modest, 69);
    expect(modest.overruns).toEqual([]);
    budget.take(modest, 100);
    budget.add(greedy, 100);
    expect(greedy.overruns).toHaveLength(1);
  });

  test("its path is cut off, and the others go on", async () => {
    const cluster = new Cluster(1);
    const { identity, sha256 } = await cluster.addIdentity();
    const inbound = new InboundBudget(100_000);
    const ended: (readonly [Path, string | undefined])[] = [];
    const open = (): readonly [Path, MemoryChannel] => {
      const line = { clock: cluster.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
      const { left, right } = createChannelPair(line, cluster.random.bytes(32));
      const path = new Path({
        ports: {
          identity,
          verifier: new SimulatedVerifier(sha256),
          sha256,
          clock: cluster.clock,
          random: cluster.random,
        },
        epoch: "00".repeat(16),
        boot: "00".repeat(8),
        settings: () => defaultSettings,
        // Nothing is ever taken.
        bandwidth: {
          sending: () => undefined,
          receiving: () => new Promise(() => {}),
          askedFor: () => {},
          close: () => {},
        },
        inbound,
        owner: {} as PathOwner,
        keeper: { proven: () => {}, measured: () => {}, ended: (path, error) => ended.push([path, error?.code]) },
        channel: left,
        expected: undefined,
        address: undefined,
      });
      path.start();
      return [path, right];
    };
    const [greedy, fromGreedy] = open();
    const [modest, fromModest] = open();
    fromGreedy.send(new Uint8Array(60_000));
    for (let i = 0; i < 4; i++) fromModest.send(new Uint8Array(10_000));
    await cluster.pass(100);
    expect(ended).toEqual([]);
    fromModest.send(new Uint8Array(10_000));
    await cluster.pass(100);
    expect([ended, greedy.isOpen, modest.isOpen]).toEqual([[[greedy, "MESSAGE_TOO_LARGE"]], false, true]);
    for (let i = 0; i < 4; i++) fromModest.send(new Uint8Array(10_000));
    await cluster.pass(100);
    expect(modest.isOpen).toBe(true);
  });
});
