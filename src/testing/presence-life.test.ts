/** Presence while links, devices and permissions come and go: in the end everybody who may read sees the same, and nobody else ever heard of it. */
import { expect, test } from "vitest";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { presenceBeatMs, presenceLifeMs } from "../core/limits.ts";
import { decodeMessage } from "../core/protocol/message.ts";
import { NONE, type Power, READ, WRITE } from "../core/store/power.ts";
import type { JsonValue } from "../core/store/values.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { nameOf, sayAt, shownAt } from "./presence-pages.ts";
import type { SeededRandom } from "./random.ts";

interface Page {
  readonly number: number;
  turn: number;
  /** Undefined: it has gone, or has said nothing. */
  state: JsonValue | undefined;
}

/** A device, and its pages. */
interface Member {
  device: Device;
  power: Power;
  readonly pages: readonly Page[];
}

class Life {
  readonly cluster: Cluster;
  readonly id: DatabaseId;
  readonly members: readonly Member[];
  /** What was told to whom it should not have been. */
  readonly wrongs: string[] = [];
  readonly #random: SeededRandom;
  #said = 0;

  private constructor(cluster: Cluster, id: DatabaseId, devices: readonly Device[]) {
    this.cluster = cluster;
    this.id = id;
    this.#random = cluster.random.fork();
    const pages = (): readonly Page[] => [1, 2].map((number) => ({ number, turn: 1, state: undefined }));
    this.members = devices.map((device) => ({ device, power: WRITE, pages: pages() }));
    cluster.network.tap = { sent: (from, to, bytes) => this.#check(from, to, bytes), arrived: () => {} };
  }

  static async begin(seed: number): Promise<Life> {
    const cluster = new Cluster(seed);
    const { id, devices } = await cluster.addMembers([1, 2, 3, 4].map(() => ({ power: WRITE })));
    return new Life(cluster, id, devices as readonly Device[]);
  }

  async step(): Promise<void> {
    const member = this.#random.pick(this.members);
    const other = this.#random.pick(this.members);
    const what = this.#random.int(20);
    if (what < 10) this.#say(member, this.#random.pick(member.pages));
    else if (what < 13 && other !== member) this.cluster.cut(member.device.key, other.device.key);
    else if (what < 15 && other !== member) this.cluster.heal(member.device.key, other.device.key);
    else if (what < 16) await this.#restart(member);
    else if (what < 18) await this.#allow(member, this.#random.pick([NONE, READ, WRITE]));
    await this.cluster.pass(this.#random.int(5_000));
  }

  /** What everybody who may read should show. */
  expected(): Readonly<Record<string, JsonValue>> {
    const there = this.members.flatMap(({ device, power, pages }) =>
      power > READ ? [] : pages.map(({ number, state }) => [nameOf(device.key, number), state] as const),
    );
    return Object.fromEntries(there.filter(([, state]) => state !== undefined)) as Readonly<Record<string, JsonValue>>;
  }

  #say({ device }: Member, page: Page): void {
    page.state = this.#random.int(4) === 0 ? undefined : this.#said++;
    sayAt(device, this.id, page.number, page.state, page.turn);
  }

  /** As a leader that dies, whose pages go on with the next one. */
  async #restart(member: Member): Promise<void> {
    member.device.crash();
    member.device = await this.cluster.restart(member.device);
    for (const page of member.pages) {
      page.turn += 1;
      if (page.state !== undefined) sayAt(member.device, this.id, page.number, page.state, page.turn);
    }
  }

  /** By the owner, whom nobody can lower. */
  async #allow(member: Member, power: Power): Promise<void> {
    const [owner] = this.members as readonly [Member];
    if (member === owner) return;
    member.power = power;
    const op = { type: "set", key: member.device.key, power } as const;
    await this.cluster.settle(owner.device.instance.database(this.id).commitSettings(() => [op]));
  }

  #check(from: PublicKey, to: PublicKey, bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    if (!message.ok || message.value.type !== "presence") return;
    const { author } = message.value.announcement;
    const sender = this.members.find(({ device }) => device.key === from)?.device.instance.find(this.id);
    for (const key of [to, author])
      if ((sender?.replica.authority.power(key) ?? NONE) > READ) this.wrongs.push(`${from} told ${to} of ${author}`);
  }
}

test.each([1, 2, 3, 4, 5, 6])(
  "[PRESENCE-9] [PRESENCE-12] whatever happens, those who may read see the same in the end: life %i",
  async (seed) => {
    const life = await Life.begin(seed);
    const { cluster, id, members } = life;
    for (let i = 0; i < 60; i++) await life.step();
    cluster.healAll();
    // Until all have met again, and what was said before is over.
    await cluster.pass(200_000);
    await cluster.pass(presenceLifeMs + presenceBeatMs);
    const expected = life.expected();
    for (const { device, power } of members) if (power <= READ) expect(shownAt(device, id)).toEqual(expected);
    expect(life.wrongs).toEqual([]);
  },
);
