/** Presence and messages of the app in the tabs of one browser, as another device sees them. */
import { type Endpoint, wrap } from "comlink";
import { describe, expect, test } from "vitest";
import { type Messages, OpenMessages } from "../client/messages.ts";
import { Presence } from "../client/presence.ts";
import type { DatabaseId } from "../core/ids.ts";
import { presenceLifeMs } from "../core/limits.ts";
import { WRITE } from "../core/store/power.ts";
import type { JsonValue } from "../core/store/values.ts";
import { type SitePage, TabSite } from "../testing/tab-site.ts";

const channel = "chess/1";

/** What an app in the page does: the client's own objects on the page's line. */
class App {
  readonly page: SitePage;
  readonly presence: Presence;
  readonly messages: Messages;
  readonly heard: string[] = [];
  /** What the listener was told last, and how often. */
  shown: readonly JsonValue[] = [];
  times = 0;
  readonly #open: OpenMessages;
  #taken = 0;

  constructor(page: SitePage, database: DatabaseId) {
    this.page = page;
    this.presence = new Presence(database, page.line);
    this.presence.subscribe((members) => {
      this.times += 1;
      this.shown = members.map(({ state }) => state).sort();
    });
    this.#open = new OpenMessages(page.line);
    this.messages = this.#open.open(channel);
    this.messages.on("message", ({ bytes }) => this.heard.push(`${bytes[0]}`));
    this.messages.on("peer", ({ isUp }) => this.heard.push(isUp ? "up" : "down"));
  }

  /** Hears what its worker and its leader have said. */
  hear(): void {
    const { events } = this.page;
    for (; this.#taken < events.length; this.#taken++) {
      const event = events[this.#taken];
      if (event?.type === "presence") this.presence.take(event);
      if (event?.type === "message" || event?.type === "messagesPeer") this.#open.take(event);
    }
  }
}

interface Scene {
  readonly site: TabSite;
  /** Two tabs of one device, the first of which leads. */
  readonly first: App;
  readonly second: App;
  /** Another device. */
  readonly other: App;
  /** Lets time pass until it is so. */
  readonly until: (condition: () => boolean, ms?: number) => Promise<void>;
}

async function open(seed: number): Promise<Scene> {
  const wrapped = (endpoint: unknown): unknown => wrap(endpoint as Endpoint);
  const site = await TabSite.open(seed, wrapped);
  const beside = await TabSite.open(seed + 100, wrapped, site);
  const { world } = site;
  const leader = await site.addPage("a");
  await world.until(() => leader.standing.type === "leading");
  const follower = await site.addPage("b");
  const away = await beside.addPage("c");
  await world.until(() => away.standing.type === "leading");
  const made = await world.settle(leader.write((api, write) => api.createDatabase({ name: "Board" }, write)));
  const ticket = await world.settle(leader.write((api, write) => api.share(made.id, { power: WRITE }, write)));
  await world.settle(away.write((api, write) => api.join(ticket, {}, write)));
  await world.settle(away.call((api) => api.ready(made.id)));
  const [first, second, other] = [leader, follower, away].map((page) => new App(page, made.id)) as [App, App, App];
  const until = (condition: () => boolean, ms?: number): Promise<void> => {
    const isSo = (): boolean => {
      for (const app of [first, second, other]) if (app.page.isAlive) app.hear();
      return condition();
    };
    return world.until(isSo, ms);
  };
  await until(() => [first, second, other].every((app) => app.messages.peers().length === 1));
  return { site, first, second, other, until };
}

function isShown({ shown }: App, ...states: readonly JsonValue[]): boolean {
  return shown.join() === [...states].sort().join();
}

describe("[PRESENCE-14] a page of a tab that follows", () => {
  test("is there for everybody, and gone when it says so", async () => {
    const { first, second, other, until } = await open(1);
    second.presence.set("second");
    await until(() => [first, second, other].every((app) => isShown(app, "second")), 5_000);
    first.presence.set("first");
    other.presence.set("other");
    await until(() => [first, second, other].every((app) => isShown(app, "first", "second", "other")), 5_000);
    second.presence.clear();
    await until(() => [first, second, other].every((app) => isShown(app, "first", "other")), 5_000);
  });

  test.each(["killed", "closed"])("stays there while the tab that leads is %s", async (end) => {
    const { site, first, second, other, until } = await open(2);
    first.presence.set("first");
    // Several times: the next leader has to go on with higher numbers.
    for (const state of ["one", "two", "three", "second"]) {
      second.presence.set(state);
      await until(() => isShown(other, "first", state), 5_000);
    }
    let wasAway = false;
    const watched = (condition: () => boolean) => (): boolean => {
      wasAway ||= !other.shown.includes("second");
      return condition();
    };
    const isLeading = (): boolean => second.page.standing.type === "leading";
    if (end === "killed") first.page.kill();
    else {
      first.presence.clear();
      void first.page.close();
    }
    await until(watched(isLeading), 30_000);
    // At once when it said so, else when what it said last is over.
    await until(
      watched(() => isShown(other, "second")),
      end === "killed" ? presenceLifeMs + 2_000 : 2_000,
    );
    const endMs = site.world.clock.now() + 2 * presenceLifeMs;
    await until(
      watched(() => site.world.clock.now() >= endMs),
      3 * presenceLifeMs,
    );
    expect([wasAway, isShown(other, "second")]).toEqual([false, true]);
    second.presence.set("changed");
    await until(() => isShown(other, "changed"), 5_000);
  });

  test("is gone when its tab is let go, and there again when the tab is back", async () => {
    const { second, other, until } = await open(3);
    second.presence.set("second");
    await until(() => isShown(other, "second"), 5_000);
    second.page.suspend(true);
    await until(() => isShown(other), presenceLifeMs + 2_000);
    second.page.resume();
    await until(() => isShown(other, "second"), 30_000);
  });
});

describe("[PRESENCE-15] who listens", () => {
  test("is told first who is there, also by a new leader, and calls of `members` say the same", async () => {
    const { site, first, second, other, until } = await open(4);
    other.presence.set({ at: 1 });
    await until(() => second.shown.length === 1, 5_000);
    const before = second.times;
    first.page.kill();
    await until(() => second.page.standing.type === "leading", 30_000);
    await until(() => second.times > before && second.shown.length === 1, presenceLifeMs);
    const [member] = await site.world.settle(second.presence.members());
    expect(member).toMatchObject({ state: { at: 1 }, isSelf: false });
    const [own] = await site.world.settle(other.presence.members());
    expect(own).toMatchObject({ page: member?.page, key: member?.key, isSelf: true });
  });

  test("hears of many changes twenty times a second at most, and nothing after the end", async () => {
    const { site, second, other, until } = await open(5);
    const stopped: number[] = [];
    const stop = second.presence.subscribe(() => stopped.push(1));
    await until(() => stopped.length === 1, 1_000);
    const [startMs, times] = [site.world.clock.now(), second.times];
    for (let i = 0; i < 100; i++) {
      other.presence.set(i);
      const nextMs = startMs + 20 * i;
      await until(() => site.world.clock.now() >= nextMs, 1_000);
      if (i === 50) stop();
    }
    await until(() => isShown(second, 99), 5_000);
    expect(second.times - times).toBeLessThanOrEqual((20 * (site.world.clock.now() - startMs)) / 1_000 + 1);
    expect(stopped.length).toBeLessThan(second.times);
  });
});

describe("[MESSAGES-6] a channel", () => {
  test("of several tabs is one peer, and each tab gets each message", async () => {
    const { site, first, second, other, until } = await open(6);
    expect(other.messages.peers()).toHaveLength(1);
    const peer = other.messages.peers()[0] as string;
    await site.world.settle(other.messages.send(peer, Uint8Array.of(7)));
    await until(() => [first, second].every(({ heard }) => heard.join() === "up,7"), 5_000);
    await site.world.settle(second.messages.send(second.messages.peers()[0] as string, Uint8Array.of(8)));
    await until(() => other.heard.join() === "up,8", 5_000);
    first.messages.close();
    await site.world.settle(other.messages.send(peer, Uint8Array.of(9)));
    await until(() => second.heard.join() === "up,7,9", 5_000);
    expect([first.heard.join(), other.heard.join()]).toEqual(["up,7", "up,8"]);
    second.messages.close();
    await until(() => other.heard.join() === "up,8,down", 5_000);
    await expect(site.world.settle(other.messages.send(peer, Uint8Array.of(1)))).rejects.toMatchObject({
      code: "PEER_AWAY",
    });
  });

  test("goes on after a change of leaders: every peer went down in between, on both sides", async () => {
    const { site, first, second, other, until } = await open(7);
    first.page.kill();
    await until(() => second.heard.join() === "up,down,up" && other.heard.join() === "up,down,up", 60_000);
    await site.world.settle(second.messages.send(second.messages.peers()[0] as string, Uint8Array.of(8)));
    await until(() => other.heard.join() === "up,down,up,8", 5_000);
  });

  test("[MESSAGES-3] takes bytes up to the limit, of a channel and for a peer that can be", async () => {
    const { site, second } = await open(8);
    const peer = second.messages.peers()[0] as string;
    for (const [to, bytes] of [
      [peer, new Uint8Array(1024 * 1024 + 1)],
      [peer, [1]],
      ["nobody", new Uint8Array(1)],
    ] as const)
      await expect(second.messages.send(to, bytes as Uint8Array)).rejects.toMatchObject({ code: "INPUT_INVALID" });
    for (const name of ["", "x".repeat(65), 5])
      expect(() => new OpenMessages(second.page.line).open(name as string)).toThrow("INPUT_INVALID");
    await site.world.settle(second.messages.send(peer, new Uint8Array(1024 * 1024)));
  });
});
