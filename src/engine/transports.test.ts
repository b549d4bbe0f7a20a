import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { Channel, Transport, TransportBuilder, TransportListener } from "../ports/transport.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { createChannelPair } from "../testing/memory-channel.ts";
import { MemorySwitchboard } from "../testing/memory-transport.ts";
import { SeededRandom } from "../testing/random.ts";
import { StubNetwork } from "../testing/stub-network.ts";
import { turn } from "../testing/turn.ts";
import type { TransportRecord } from "./records.ts";
import { relayTransport } from "./relay-transport.ts";
import { Transports } from "./transports.ts";

/** What an instance has, without the instance: what is stored, and what was told. */
class Desk {
  readonly stored = new Map<string, TransportRecord>();
  readonly clock = new SimulatedClock();
  readonly switchboard = new MemorySwitchboard({ clock: this.clock, random: new SeededRandom(1) });
  readonly probe = new Probe();
  readonly connected: Channel[] = [];
  readonly reports: string[] = [];
  readonly started: string[] = [];

  /** A life of the instance; what the one before stored is there. */
  open(builders: readonly TransportBuilder[] = [this.switchboard.builder, this.probe]): Transports {
    return new Transports({
      builders,
      store: {
        all: () => [...this.stored.values()],
        put: (_kind, key, value) => this.stored.set(key, structuredClone(value)),
        delete: (_kind, key) => this.stored.delete(key),
      },
      listener: {
        connected: (channel) => this.connected.push(channel),
        relayChanged: () => {},
        started: (name) => this.started.push(name),
        reported: (error) => this.reports.push(error.code),
      },
    });
  }

  openOnline(builders?: readonly TransportBuilder[]): Transports {
    const transports = this.open(builders);
    transports.setOnline(true);
    return transports;
  }

  /** Lets time pass until the promise is settled. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    promise.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    for (await turn(); !isSettled; await turn()) this.clock.runNext();
    return await promise;
  }
}

/** A type of transport that notes what is asked of it. */
class Probe implements TransportBuilder {
  readonly type = "probe";
  readonly addressTypes: readonly string[] = ["probe"];
  readonly calls: string[] = [];
  /** What the next start fails with. */
  failure: unknown;
  listener: TransportListener | undefined;
  /** What a dial resolves with; without it nobody is there. */
  coming: Promise<Channel> | undefined;

  checkConfig(name: string, config: unknown): void {
    if (config === "wrong") {
      throw new TidemarkError("TRANSPORT_CONFIG", { name, field: "config", got: "wrong", expected: "right" });
    }
  }

  build({
    name,
    config,
    state,
  }: {
    readonly name: string;
    readonly config: unknown;
    readonly state: unknown;
  }): Transport {
    this.calls.push(`build ${name} ${JSON.stringify(config)} ${JSON.stringify(state)}`);
    const note = (what: string): void => {
      this.calls.push(`${what} ${name}`);
    };
    return {
      start: async (listener) => {
        note("start");
        const failure = this.failure;
        this.failure = undefined;
        if (failure !== undefined) throw failure;
        this.listener = listener;
      },
      stop: async () => note("stop"),
      addresses: () => [`probe:${name}`],
      accept: (isOn) => note(`accept ${isOn}`),
      dial: async (address) => {
        note(`dial ${address}`);
        if (this.coming !== undefined) return await this.coming;
        throw new Error("nobody");
      },
      seek: (address) => {
        note(`seek ${address}`);
        return () => note(`leave ${address}`);
      },
      retry: () => note("retry"),
    };
  }

  take(): readonly string[] {
    return this.calls.splice(0);
  }
}

const never = new AbortController().signal;
const room = new Uint8Array(32);

function codeOf(action: () => unknown): string {
  try {
    action();
    return "none";
  } catch (error) {
    return error instanceof TidemarkError ? error.code : String(error);
  }
}

describe("[TRANSPORT-5] a name", () => {
  test("belongs to one transport", () => {
    const transports = new Desk().open();
    transports.add("lan", "memory", { key: "a" });
    expect(codeOf(() => transports.add("lan", "memory", { key: "a" }))).toBe("TRANSPORT_EXISTS");
    expect(codeOf(() => transports.add("lan", "probe", undefined))).toBe("TRANSPORT_TYPE");
    expect(codeOf(() => transports.add("", "memory", { key: "b" }))).toBe("INPUT_INVALID");
    expect(codeOf(() => transports.add("wan", "pigeon", {}))).toBe("INPUT_INVALID");
    expect(codeOf(() => transports.add("wan", "memory", {}))).toBe("TRANSPORT_CONFIG");
    expect(transports.all().map(({ name }) => name)).toEqual(["lan"]);
  });

  test("keeps its type, state and configuration over a restart", async () => {
    const desk = new Desk();
    const first = desk.openOnline();
    first.add("p", "probe", { port: 1 });
    await first.start("p");
    first.accept(true, "p");
    desk.probe.listener?.stateChanged({ ticket: 7 });
    await first.close();
    expect(desk.probe.take()).toEqual([
      'build p {"port":1} undefined',
      "accept false p",
      "start p",
      "accept true p",
      "stop p",
    ]);
    const second = desk.openOnline();
    await turn();
    expect(desk.probe.take()).toEqual(['build p {"port":1} {"ticket":7}', "accept true p", "start p"]);
    expect(codeOf(() => second.add("p", "memory", { key: "a" }))).toBe("TRANSPORT_TYPE");
    second.add("p", "probe", { port: 1 });
    expect(desk.probe.take()).toEqual([]);
    expect(codeOf(() => second.add("p", "probe", { port: 1 }))).toBe("TRANSPORT_EXISTS");
  });

  test("with another configuration than in the life before is built anew", async () => {
    const desk = new Desk();
    const first = desk.openOnline();
    first.add("p", "probe", { port: 1 });
    await first.start("p");
    await first.close();
    const second = desk.openOnline();
    await turn();
    desk.probe.take();
    expect(codeOf(() => second.add("p", "probe", "wrong"))).toBe("TRANSPORT_CONFIG");
    second.add("p", "probe", { port: 2 });
    await turn();
    expect(desk.probe.take()).toEqual(["stop p", 'build p {"port":2} undefined', "accept false p", "start p"]);
    expect(desk.stored.get("p")?.config).toEqual({ port: 2 });
  });

  test("is not taken by a configuration that cannot be stored, and what was there before stays", async () => {
    const desk = new Desk();
    const transports = desk.openOnline();
    expect(codeOf(() => transports.add("p", "probe", () => {}))).toContain("DataCloneError");
    expect([transports.all(), desk.stored.size]).toEqual([[], 0]);
    transports.add("p", "probe", { port: 1 });
    await transports.start("p");
    desk.probe.listener?.stateChanged(() => {});
    expect([desk.reports, desk.stored.get("p")?.state]).toEqual([["INTERNAL"], undefined]);
    await transports.close();
    const again = desk.open();
    expect(codeOf(() => again.add("p", "probe", () => {}))).toContain("DataCloneError");
    expect(again.all()).toMatchObject([{ config: { port: 1 } }]);
    again.add("p", "probe", { port: 1 });
  });

  test("that was removed is free, and forgotten", async () => {
    const desk = new Desk();
    const transports = desk.openOnline();
    transports.add("p", "probe", undefined);
    await transports.start("p");
    await transports.remove("p");
    expect([desk.stored.size, transports.all(), desk.probe.calls.at(-1)]).toEqual([0, [], "stop p"]);
    await expect(transports.remove("p")).rejects.toMatchObject({ code: "TRANSPORT_UNKNOWN" });
    transports.add("p", "memory", { key: "a" });
  });
});

function isRunning(transports: Transports, name: string): boolean | undefined {
  return transports.all().find((each) => each.name === name)?.isRunning;
}

describe("[TRANSPORT-6] a transport", () => {
  test("is started once and stopped once", async () => {
    const transports = new Desk().openOnline();
    transports.add("p", "probe", undefined);
    await expect(transports.stop("p")).rejects.toMatchObject({ code: "TRANSPORT_STOPPED", details: { name: "p" } });
    expect(codeOf(() => transports.addresses("p"))).toBe("TRANSPORT_STOPPED");
    const started = transports.start("p");
    await expect(transports.start("p")).rejects.toMatchObject({ code: "TRANSPORT_STARTED", details: { name: "p" } });
    expect((await started).addresses).toEqual(["probe:p"]);
    expect([isRunning(transports, "p"), transports.addresses("p")]).toEqual([true, ["probe:p"]]);
    expect((await transports.stop("p")).isRunning).toBe(false);
    await expect(transports.stop("p")).rejects.toMatchObject({ code: "TRANSPORT_STOPPED" });
    expect(isRunning(transports, "p")).toBe(false);
  });

  test("that is not there has a code of its own", async () => {
    const transports = new Desk().openOnline();
    await expect(transports.start("x")).rejects.toMatchObject({ code: "TRANSPORT_UNKNOWN" });
    await expect(transports.stop("x")).rejects.toMatchObject({ code: "TRANSPORT_UNKNOWN" });
    for (const ask of [() => transports.addresses("x"), () => transports.accept(true, "x")])
      expect(codeOf(ask)).toBe("TRANSPORT_UNKNOWN");
  });

  test("is not built before it is started, nor started while the instance is offline", async () => {
    const desk = new Desk();
    const transports = desk.open();
    transports.add("p", "probe", undefined);
    transports.accept(true);
    transports.seek("probe:x", room);
    await transports.start("p");
    expect(desk.probe.take()).toEqual([]);
    transports.setOnline(true);
    await turn();
    transports.setOnline(false);
    await turn();
    expect(desk.probe.take()).toEqual([
      "build p undefined undefined",
      "accept true p",
      "start p",
      "seek probe:x p",
      "stop p",
    ]);
    expect([isRunning(transports, "p"), transports.addresses("p")]).toEqual([true, []]);
  });

  test("that is stopped while it starts ends stopped", async () => {
    const desk = new Desk();
    const transports = desk.openOnline();
    transports.add("p", "probe", undefined);
    await Promise.all([transports.start("p"), transports.stop("p")]);
    expect(desk.probe.calls.slice(-2)).toEqual(["start p", "stop p"]);
    await Promise.all([transports.start("p"), transports.stop("p"), transports.start("p")]);
    await expect(transports.dial("probe:x", never)).rejects.toMatchObject({ code: "CONNECT_FAILED" });
  });
});

test("[TRANSPORT-7] one of two that fails to start leaves the other working, and can be started later", async () => {
  const desk = new Desk();
  const transports = desk.openOnline();
  transports.add("p", "probe", undefined);
  transports.add("m", "memory", { key: "m" });
  desk.probe.failure = new Error("no port");
  const [failed, started] = await Promise.allSettled([transports.start("p"), transports.start("m")]);
  expect([failed.status, started.status, isRunning(transports, "p")]).toEqual(["rejected", "fulfilled", false]);
  desk.switchboard.answer("x", () => {});
  await expect(desk.settle(transports.dial("memory:x", never))).resolves.toMatchObject({ path: "memory" });
  await transports.start("p");
  expect(isRunning(transports, "p")).toBe(true);
});

test("[TRANSPORT-7] one that ran before and fails to start is reported, and tried again on retry", async () => {
  const desk = new Desk();
  const first = desk.openOnline();
  first.add("p", "probe", undefined);
  await first.start("p");
  await first.close();
  desk.probe.failure = new TidemarkError("CONNECT_FAILED", { address: "probe:p", reason: "busy" });
  const second = desk.openOnline();
  await turn();
  expect([desk.reports, isRunning(second, "p"), second.addresses("p")]).toEqual([["CONNECT_FAILED"], true, []]);
  second.retry();
  await turn();
  expect(second.addresses("p")).toEqual(["probe:p"]);
});

describe("[TRANSPORT-8] an address", () => {
  test("is for the transports of its type: several of one kind are tried one after the other", async () => {
    const desk = new Desk();
    const elsewhere = new MemorySwitchboard({ clock: desk.clock, random: new SeededRandom(2) });
    const second: TransportBuilder = { ...elsewhere.builder, type: "memory2" };
    const transports = desk.openOnline([desk.switchboard.builder, second]);
    transports.add("a", "memory", { key: "a" });
    transports.add("b", "memory2", { key: "b" });
    await expect(transports.dial("memory:x", never)).rejects.toMatchObject({ code: "TRANSPORT_STOPPED" });
    await Promise.all([transports.start("a"), transports.start("b")]);
    elsewhere.answer("x", () => {});
    await expect(desk.settle(transports.dial("memory:x", never))).resolves.toMatchObject({ path: "memory" });
    expect([desk.switchboard.dialled, elsewhere.dialled]).toEqual([["x"], ["x"]]);
    await expect(desk.settle(transports.dial("memory:y", never))).rejects.toMatchObject({ code: "CONNECT_FAILED" });
  });

  test("of a type that no transport serves is ADDRESS_INVALID", async () => {
    const transports = new Desk().openOnline();
    await expect(transports.dial("memory:x", never)).rejects.toMatchObject({ code: "ADDRESS_INVALID" });
    await expect(transports.dial("nonsense", never)).rejects.toMatchObject({ code: "ADDRESS_INVALID" });
    expect(codeOf(() => transports.seek("relay:wss://x", room))).toBe("ADDRESS_INVALID");
  });

  test("whose transport fails without a code is CONNECT_FAILED, and an aborted dial ABORTED", async () => {
    const desk = new Desk();
    const transports = desk.openOnline();
    transports.add("p", "probe", undefined);
    transports.add("m", "memory", { key: "m" });
    await Promise.all([transports.start("p"), transports.start("m")]);
    await expect(transports.dial("probe:x", never)).rejects.toMatchObject({ code: "CONNECT_FAILED" });
    desk.switchboard.swallow("ghost");
    const controller = new AbortController();
    const dialled = transports.dial("memory:ghost", controller.signal);
    controller.abort();
    await expect(dialled).rejects.toMatchObject({ code: "ABORTED" });
  });

  test("is dialled as soon as its transport has started", async () => {
    const desk = new Desk();
    const transports = desk.openOnline();
    transports.add("m", "memory", { key: "m" });
    desk.switchboard.answer("x", () => {});
    const started = transports.start("m");
    const dialled = transports.dial("memory:x", never);
    await expect(desk.settle(dialled)).resolves.toMatchObject({ path: "memory" });
    await started;
  });

  test("whose transport does not heed the signal is aborted all the same, and what comes too late is closed", async () => {
    const desk = new Desk();
    const transports = desk.openOnline();
    transports.add("p", "probe", undefined);
    await transports.start("p");
    const line = { clock: desk.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
    const { left } = createChannelPair(line, new Uint8Array(32));
    const coming = new Promise<Channel>((resolve) => desk.clock.after(1_000, () => resolve(left)));
    desk.probe.coming = coming;
    const controller = new AbortController();
    const dialled = transports.dial("probe:x", controller.signal);
    await turn();
    controller.abort();
    await expect(dialled).rejects.toMatchObject({ code: "ABORTED" });
    desk.clock.advance(2_000);
    await turn();
    expect(left.isOpen).toBe(false);
  });

  test("of a room is sought by all that serve it, whenever they run, until nobody wants it", async () => {
    const desk = new Desk();
    const transports = desk.openOnline();
    transports.add("p", "probe", undefined);
    const leave = transports.seek("probe:hall", room);
    await transports.start("p");
    transports.add("q", "probe", undefined);
    await transports.start("q");
    await transports.stop("p");
    await transports.start("p");
    leave();
    await transports.stop("q");
    await transports.start("q");
    expect(desk.probe.calls.filter((call) => /seek|leave/.test(call))).toEqual([
      "seek probe:hall p",
      "seek probe:hall q",
      "seek probe:hall p",
      "leave probe:hall p",
      "leave probe:hall q",
    ]);
  });
});

describe("[TRANSPORT-9] a stored transport", () => {
  test("without a builder is reported, kept and not started", async () => {
    const desk = new Desk();
    const first = desk.openOnline();
    first.add("p", "probe", { port: 1 });
    await first.start("p");
    await first.close();
    const second = desk.openOnline([desk.switchboard.builder]);
    expect([desk.reports, second.all()]).toMatchObject([
      ["TRANSPORT_TYPE"],
      [{ name: "p", type: "probe", addresses: [] }],
    ]);
    await second.stop("p");
    await expect(second.start("p")).rejects.toMatchObject({ code: "TRANSPORT_TYPE" });
    expect(desk.stored.get("p")).toMatchObject({ type: "probe", config: { port: 1 } });
  });

  test("whose configuration is not valid any more is reported, and works once it is configured anew", async () => {
    const desk = new Desk();
    desk.stored.set("p", { name: "p", type: "probe", config: "wrong", state: 1, isRunning: true, accepts: false });
    const transports = desk.openOnline();
    await turn();
    expect(desk.reports).toEqual(["TRANSPORT_CONFIG", "TRANSPORT_CONFIG"]);
    transports.add("p", "probe", "right");
    await turn();
    expect(transports.addresses("p")).toEqual(["probe:p"]);
  });
});

describe("[TRANSPORT-1] what a transport says after it was stopped", () => {
  test("is not heard, nor is what a relay says that was left before", async () => {
    const desk = new Desk();
    const networks: StubNetwork[] = [];
    const openNetwork = (): StubNetwork => {
      networks.push(new StubNetwork());
      return networks.at(-1) as StubNetwork;
    };
    const transports = desk.openOnline([relayTransport(openNetwork)]);
    transports.ensure("webrtc", "webrtc");
    transports.seek("relay:wss://a", room);
    await turn();
    networks[0]?.listener?.relayChanged({ url: "x", state: "connected" });
    expect(transports.relays()).toEqual([{ url: "wss://a", state: "connected" }]);
    transports.setOnline(false);
    expect([networks[0]?.isClosed, transports.relays()]).toEqual([true, []]);
    transports.setOnline(true);
    await turn();
    networks[0]?.listener?.relayChanged({ url: "x", state: "waiting" });
    expect([networks.length, transports.relays()]).toEqual([2, []]);
  });

  test("is not heard, and a channel that comes too late is closed", async () => {
    const desk = new Desk();
    const transports = desk.openOnline();
    transports.add("p", "probe", undefined);
    await transports.start("p");
    const { listener } = desk.probe;
    await transports.stop("p");
    listener?.relayChanged({ url: "x", state: "waiting" });
    const line = { clock: desk.clock, latencyMs: () => 1, sent: () => {}, ended: () => {} };
    const { left } = createChannelPair(line, new Uint8Array(32));
    listener?.connected(left, undefined);
    expect([transports.relays(), desk.connected, left.isOpen]).toEqual([[], [], false]);
  });
});
