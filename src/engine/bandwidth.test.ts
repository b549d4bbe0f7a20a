import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SimulatedClock } from "../testing/clock.ts";
import { turn } from "../testing/turn.ts";
import { Bandwidth, batchBytesOf, type PeerBandwidth, windowBytesOf } from "./bandwidth.ts";
import { defaultSettings, type SyncSettings } from "./settings.ts";

const kib = 1024;
const directions = ["sending", "receiving"] as const;
type Direction = (typeof directions)[number];
type Pass = { readonly atMs: number; readonly bytes: number; readonly peer: number };

function settingsOf(changes: Partial<SyncSettings>): SyncSettings {
  return { ...defaultSettings, ...changes };
}

const passedMax = 400_000;

/** Runs every timer. Far fewer than a thousand are due anywhere here but for polling. */
function runAll(clock: SimulatedClock): number {
  let timers = 0;
  while (clock.runNext()) {
    timers += 1;
    expect(timers).toBeLessThan(1_000);
  }
  return timers;
}

/** Over all peers and for each, in the direction that is asked about; the other way there is no cap. */
function capped(direction: Direction, all: number, each = 0): SyncSettings {
  return settingsOf(
    direction === "sending"
      ? { sendBytesPerSecond: all, peerSendBytesPerSecond: each }
      : { receiveBytesPerSecond: all, peerReceiveBytesPerSecond: each },
  );
}

/** Peers that always have something to send: messages of these sizes, over and over. */
class Crowd {
  readonly clock = new SimulatedClock();
  readonly passed: Pass[] = [];
  readonly startMs: number = this.clock.now();
  readonly peers: readonly PeerBandwidth[];
  readonly bandwidth: Bandwidth;
  #isOver = false;

  constructor(direction: Direction, settings: SyncSettings, sizesByPeer: readonly (readonly number[])[]) {
    this.bandwidth = new Bandwidth(this.clock, settings);
    this.peers = sizesByPeer.map(() => this.bandwidth.peer());
    sizesByPeer.forEach((sizes, peer) => void this.#pump(direction, peer, sizes));
  }

  async #pump(direction: Direction, peer: number, sizes: readonly number[]): Promise<void> {
    // So many pass only where nothing holds them back: the sums say so.
    for (let n = 0; !this.#isOver && this.passed.length < passedMax; n++) {
      const bytes = sizes[n % sizes.length] as number;
      await this.peers[peer]?.[direction](bytes);
      this.passed.push({ atMs: this.clock.now(), bytes, peer });
    }
  }

  async run(ms: number): Promise<void> {
    const endMs = this.clock.now() + ms;
    for (;;) {
      await turn();
      if ((this.clock.nextAt ?? Number.POSITIVE_INFINITY) > endMs) break;
      this.clock.runNext();
    }
    this.clock.advance(endMs - this.clock.now());
  }

  async end(): Promise<void> {
    this.#isOver = true;
    for (const peer of this.peers) peer.close();
    await turn();
  }

  bytes(peer?: number): number {
    return sumOf(this.passed.filter((pass) => peer === undefined || pass.peer === peer));
  }
}

function sumOf(passes: readonly Pass[]): number {
  return passes.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Over all windows of 10 s and more that begin with one message and end with another: the worst of those ends there. */
function worstExcess(passes: readonly Pass[], cap: number): number {
  let worst = Number.NEGATIVE_INFINITY;
  for (let first = 0; first < passes.length; first += Math.max(1, Math.floor(passes.length / 50))) {
    const fromMs = passes[first]?.atMs as number;
    let sum = 0;
    for (let last = first; last < passes.length; last++) {
      const { atMs, bytes } = passes[last] as Pass;
      sum += bytes;
      worst = Math.max(worst, sum - (1.1 * cap * Math.max(10_000, atMs - fromMs)) / 1_000);
    }
  }
  return worst;
}

const sizes = fc.array(
  fc.oneof(fc.integer({ min: 10, max: 500 }), fc.integer({ min: 10, max: 20_000 }), fc.constant(256 * kib)),
  { minLength: 1, maxLength: 8 },
);
/** So that a run has at most some 20,000 messages: very small ones are mixed with larger ones. */
const mixed = sizes.map((drawn) => [...drawn, 30_000]);
const crowd = fc.record({
  direction: fc.constantFrom(...directions),
  cap: fc.integer({ min: 4 * kib, max: 512 * kib }),
  sizesByPeer: fc.array(mixed, { minLength: 1, maxLength: 5 }),
});

describe("a cap over all peers", () => {
  test("[BANDWIDTH-1] [BANDWIDTH-2] what passes in any window of 10 s and more is within a tenth of it", async () => {
    await fc.assert(
      fc.asyncProperty(crowd, async ({ direction, cap, sizesByPeer }) => {
        const crowd = new Crowd(direction, capped(direction, cap), sizesByPeer);
        await crowd.run(60_000);
        const largest = Math.max(...sizesByPeer.flat());
        expect(worstExcess(crowd.passed, cap)).toBeLessThanOrEqual(largest);
        expect(crowd.bytes()).toBeGreaterThanOrEqual(0.9 * cap * 60);
        await crowd.end();
      }),
      { numRuns: 30 },
    );
  }, 30_000);

  test("[BANDWIDTH-1] [BANDWIDTH-2] messages far smaller than the cap come within 2 % of it, without a message to spare", async () => {
    const crowd = new Crowd("sending", capped("sending", 100_000), [[10, 90], [1_000]]);
    await crowd.run(30_000);
    expect(worstExcess(crowd.passed, 100_000)).toBeLessThanOrEqual(0);
    expect(crowd.bytes() / 3_000_000).toBeCloseTo(1, 1);
    expect(Math.abs(crowd.bytes() / 3_000_000 - 1)).toBeLessThan(0.02);
    await crowd.end();
  });

  test("[BANDWIDTH-4] no peer gets more than twice what another gets, whatever the sizes of their messages", async () => {
    await fc.assert(
      fc.asyncProperty(crowd, async ({ direction, cap, sizesByPeer }) => {
        const crowd = new Crowd(direction, capped(direction, cap), sizesByPeer);
        const largest = Math.max(...sizesByPeer.flat());
        // Long enough for ten of the largest messages to each: a share is no finer than a message.
        await crowd.run((10 * largest * sizesByPeer.length * 1_000) / cap);
        const shares = sizesByPeer.map((_, peer) => crowd.bytes(peer));
        expect(Math.max(...shares)).toBeLessThanOrEqual(2 * Math.min(...shares));
        await crowd.end();
      }),
      { numRuns: 30 },
    );
  }, 30_000);

  test("[BANDWIDTH-4] a peer of many small messages gets its share beside one of large ones", async () => {
    const crowd = new Crowd("sending", capped("sending", 1_000_000), [[10], [1_000], [30_000]]);
    await crowd.run(10_000);
    const shares = [0, 1, 2].map((peer) => crowd.bytes(peer));
    expect(Math.max(...shares)).toBeLessThanOrEqual(1.2 * Math.min(...shares));
    await crowd.end();
  });

  test("[BANDWIDTH-4] a peer that was silent is next, and does not make up for its silence", async () => {
    const crowd = new Crowd("sending", capped("sending", 10_000), [[1_000], [1_000]]);
    await crowd.run(100_000);
    const late = crowd.bandwidth.peer();
    const before = crowd.passed.length;
    await Promise.race([late.sending(100), crowd.run(1_000)]);
    expect(crowd.passed.length - before).toBeLessThanOrEqual(2);
    let got = 100;
    const pump = (async () => {
      for (; got < 200_000; got += 1_000) await late.sending(1_000);
    })();
    const others = crowd.bytes();
    await crowd.run(30_000);
    expect(crowd.bytes() - others).toBeGreaterThan(0.6 * 10_000 * 30);
    expect(got).toBeGreaterThan(0.3 * 10_000 * 30);
    late.close();
    await pump;
    await crowd.end();
  });
});

describe("a cap for each peer", () => {
  test("[BANDWIDTH-1] [BANDWIDTH-2] holds for each, and is reached by each", async () => {
    await fc.assert(
      fc.asyncProperty(crowd, async ({ direction, cap, sizesByPeer }) => {
        const crowd = new Crowd(direction, capped(direction, 0, cap), sizesByPeer);
        await crowd.run(40_000);
        sizesByPeer.forEach((sizes, peer) => {
          const passed = crowd.passed.filter((pass) => pass.peer === peer);
          expect(worstExcess(passed, cap)).toBeLessThanOrEqual(Math.max(...sizes));
          expect(sumOf(passed)).toBeGreaterThanOrEqual(0.9 * cap * 40);
        });
        await crowd.end();
      }),
      { numRuns: 20 },
    );
  }, 30_000);

  test("[BANDWIDTH-1] [BANDWIDTH-2] together with one over all both hold, and the lower one is reached", async () => {
    for (const [all, each] of [
      [30_000, 60_000],
      [200_000, 20_000],
    ] as const) {
      const crowd = new Crowd("sending", capped("sending", all, each), [[500], [4_000], [10, 12_000]]);
      await crowd.run(60_000);
      expect(worstExcess(crowd.passed, all)).toBeLessThanOrEqual(12_000);
      for (const peer of [0, 1, 2]) {
        const passed = crowd.passed.filter((pass) => pass.peer === peer);
        expect(worstExcess(passed, each)).toBeLessThanOrEqual(12_000);
      }
      expect(crowd.bytes()).toBeGreaterThanOrEqual(0.9 * Math.min(all, 3 * each) * 60);
      await crowd.end();
    }
  });

  test("[BANDWIDTH-5] what a peer asks for caps what is sent to it alone, at 1 KiB/s at least, and 0 takes that back", async () => {
    const crowd = new Crowd("sending", capped("sending", 0, 50_000), [[500], [500]]);
    crowd.peers[0]?.askedFor(5_000);
    await crowd.run(20_000);
    expect(crowd.bytes(0) / 20).toBeLessThan(5_500);
    expect(crowd.bytes(1) / 20).toBeGreaterThan(45_000);
    for (const asked of [1, 1e-9, 1_024]) {
      crowd.peers[0]?.askedFor(asked);
      const before = crowd.bytes(0);
      await crowd.run(20_000);
      expect(Math.abs((crowd.bytes(0) - before) / 20 / 1_024 - 1)).toBeLessThan(0.1);
    }
    for (const none of [0, -5, Number.NaN, Number.POSITIVE_INFINITY]) {
      crowd.peers[0]?.askedFor(none);
      const before = crowd.bytes(0);
      await crowd.run(10_000);
      expect(crowd.bytes(0) - before).toBeGreaterThan(450_000);
      crowd.peers[0]?.askedFor(5_000);
    }
    await crowd.end();
  });
});

describe("one message", () => {
  test("[BANDWIDTH-3] of 32 MiB passes at once after silence, and others wait until it is paid for", async () => {
    const clock = new SimulatedClock();
    const peer = new Bandwidth(clock, capped("sending", 1_024 * kib)).peer();
    expect(peer.sending(32 * 1_024 * kib)).toBeUndefined();
    const startMs = clock.now();
    const next = peer.sending(10);
    expect(next).toBeDefined();
    runAll(clock);
    await next;
    expect(clock.now() - startMs).toBeGreaterThan(31_000);
    expect(clock.now() - startMs).toBeLessThanOrEqual(32_000);
  });

  test("[BANDWIDTH-3] larger than half a second waits until that much was not used, and is not overtaken for ever", async () => {
    const crowd = new Crowd("sending", capped("sending", 10_000), [[100], [100], [50_000]]);
    await crowd.run(60_000);
    expect(crowd.bytes(2)).toBeGreaterThanOrEqual(3 * 50_000);
    await crowd.end();
  });
});

test("[BANDWIDTH-5] without a cap nothing waits, and no timer is set", () => {
  const clock = new SimulatedClock();
  const peer = new Bandwidth(clock, defaultSettings).peer();
  for (let n = 0; n < 1_000; n++) expect(peer.sending(256 * kib) ?? peer.receiving(256 * kib)).toBeUndefined();
  expect(clock.nextAt).toBeUndefined();
});

test("[BANDWIDTH-5] settings that change count at once, for those who wait too", async () => {
  const crowd = new Crowd("sending", capped("sending", 2_000), [[1_000], [1_000]]);
  await crowd.run(10_000);
  expect(crowd.bytes() / 10).toBeLessThan(2_200);
  crowd.bandwidth.change(capped("sending", 200_000));
  const slow = crowd.bytes();
  await crowd.run(10_000);
  expect((crowd.bytes() - slow) / 10).toBeGreaterThan(180_000);
  crowd.bandwidth.change(capped("sending", 0, 20_000));
  const fast = crowd.bytes();
  await crowd.run(10_000);
  expect((crowd.bytes() - fast) / 10 / 40_000).toBeLessThan(1.1);
  await crowd.end();

  const clock = new SimulatedClock();
  const bandwidth = new Bandwidth(clock, capped("receiving", 1_024));
  const peer = bandwidth.peer();
  void peer.receiving(1e9);
  const waiting = peer.receiving(1);
  bandwidth.change(defaultSettings);
  await waiting;
  expect(clock.nextAt).toBeUndefined();
});

test("[BANDWIDTH-5] messages of one peer pass in their order", async () => {
  const clock = new SimulatedClock();
  const peer = new Bandwidth(clock, capped("sending", 2_048)).peer();
  const order: number[] = [];
  const all = [5_000, 10, 3_000, 1].map((bytes, n) => Promise.resolve(peer.sending(bytes)).then(() => order.push(n)));
  for (let n = 0; n < 100 && clock.runNext(); n++) await turn();
  expect(all).toHaveLength(order.length);
  expect(order).toEqual([0, 1, 2, 3]);
});

test("[BANDWIDTH-5] timers are set only for what is due next, and none when nobody waits", async () => {
  const clock = new SimulatedClock();
  const bandwidth = new Bandwidth(clock, capped("sending", 1_024, 2_048));
  const peers = [bandwidth.peer(), bandwidth.peer(), bandwidth.peer()];
  for (const peer of peers) for (let n = 0; n < 5; n++) void peer.sending(10_000);
  // Fifteen messages, each of which may be held back by the peer's cap and then by that over all.
  expect(runAll(clock)).toBeLessThanOrEqual(30);
});

test("[BANDWIDTH-5] a peer that is closed is waited for by nobody: what waits for it goes on, and so do the others", async () => {
  const clock = new SimulatedClock();
  const bandwidth = new Bandwidth(clock, capped("sending", 1_024));
  const [gone, stays] = [bandwidth.peer(), bandwidth.peer()];
  void gone.sending(1);
  void stays.sending(511);
  const waiting = gone.sending(1e12);
  const other = stays.sending(100);
  gone.close();
  gone.close();
  await waiting;
  expect(gone.sending(1e12)).toBeUndefined();
  const startMs = clock.now();
  runAll(clock);
  await other;
  expect(clock.now() - startMs).toBeLessThan(200);
  expect(clock.nextAt).toBeUndefined();
});

test("[BANDWIDTH-5] whoever waits for days sets no timer that is longer than an hour", async () => {
  const clock = new SimulatedClock();
  const peer = new Bandwidth(clock, capped("sending", 1_024)).peer();
  void peer.sending(1_024 * 86_400 * 30);
  const next = peer.sending(1);
  expect((clock.nextAt as number) - clock.now()).toBeLessThanOrEqual(3_600_000);
  const startMs = clock.now();
  runAll(clock);
  await next;
  expect((clock.now() - startMs) / 86_400_000).toBeCloseTo(30, 2);
});

test("[BANDWIDTH-6] under a cap the window is what passes in a second, and a batch what passes in a quarter of one", () => {
  const most = 8 * 256 * kib;
  const low = settingsOf({ sendBytesPerSecond: 64 * kib, peerSendBytesPerSecond: 128 * kib });
  expect([windowBytesOf(defaultSettings, 0), batchBytesOf(defaultSettings, 0)]).toEqual([most, 256 * kib]);
  expect([windowBytesOf(low, 0), batchBytesOf(low, 0)]).toEqual([64 * kib, 16 * kib]);
  expect([windowBytesOf(low, 32 * kib), batchBytesOf(low, 32 * kib)]).toEqual([32 * kib, 8 * kib]);
  fc.assert(
    fc.property(fc.nat(2 ** 26), fc.nat(2 ** 26), fc.integer({ min: 1, max: 256 * kib }), (all, asked, batchBytes) => {
      const settings = settingsOf({ sendBytesPerSecond: all, batchBytes });
      const [window, batch] = [windowBytesOf(settings, asked), batchBytesOf(settings, asked)];
      expect(batch).toBeLessThanOrEqual(batchBytes);
      expect(batch).toBeGreaterThanOrEqual(Math.min(batchBytes, 4_096));
      expect(window).toBeGreaterThanOrEqual(batch);
      expect(window).toBeLessThanOrEqual(most);
      const cap = Math.min(all || Number.POSITIVE_INFINITY, asked || Number.POSITIVE_INFINITY);
      expect(window).toBeLessThanOrEqual(Math.max(cap, 4_096));
    }),
  );
});
