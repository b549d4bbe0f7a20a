/**
 * Who is there in one database: what pages of this device say of themselves, and what is heard of others, passed on and never stored.
 *
 * [PRESENCE-9] Whoever may read a database may say that it is there. From others nothing is taken, checked or passed on, and nothing is told to them.
 * [PRESENCE-11] What is new is passed on once to each peer that may read, but not to those who know it: whoever brought it, and for ten seconds those
 *   who brought what was known. A peer is told of a page ten times a second at most, and of nobody while it is slow; then it hears the newest.
 * [PRESENCE-12] A peer that comes is told of everybody who is there.
 * [PRESENCE-13] A forged signature counts against whoever brought it; what cannot be read is not passed on.
 */

import type { DatabaseId, PublicKey } from "../core/ids.ts";
import {
  presenceElsewhereMs,
  presenceEveryMs,
  presenceLifeMs,
  presencePagesMax,
  presenceQueueMax,
} from "../core/limits.ts";
import {
  type Announcement,
  type AnnouncementBody,
  announcementMessage,
  type Origin,
  originOf,
  type PageId,
} from "../core/presence/announcement.ts";
import { isThere, Roster, type Seen } from "../core/presence/roster.ts";
import { READ } from "../core/store/power.ts";
import type { JsonValue } from "../core/store/values.ts";
import type { OpenDatabase } from "./database.ts";
import { OwnPage } from "./own-page.ts";
import type { Path } from "./path.ts";
import type { EnginePorts } from "./ports.ts";
import { PresenceSeal } from "./presence-seal.ts";

/** A page that is there. */
export interface PresentPage {
  readonly key: PublicKey;
  readonly page: PageId;
  readonly state: JsonValue;
}

/** What came of an announcement, for the account of whoever brought it. */
export type Checked = "unchecked" | "valid" | "forged";

export interface PresenceRoomOptions {
  readonly id: DatabaseId;
  readonly ports: Pick<EnginePorts, "clock" | "verifier" | "sealing" | "random" | "sha256">;
  /** Undefined while it is not open. */
  readonly database: () => OpenDatabase | undefined;
  /** Those that carry a session. */
  readonly paths: () => readonly Path[];
  /** These came, went or say something else. */
  readonly changed: (origins: readonly Origin[]) => void;
}

/** Those whose time has come are found this often: nobody sees the difference. */
const tickMs = 1_000;

export class PresenceRoom {
  readonly #options: PresenceRoomOptions;
  readonly #seal: PresenceSeal;
  readonly #roster = new Roster();
  readonly #own = new Map<PageId, OwnPage>();
  /** Those that listeners were told of. */
  readonly #shown = new Set<Origin>();
  /** Of whom each peer is to be told. */
  readonly #unsent = new Map<Path, Set<Origin>>();
  /** Of whom each peer hears from others, and until when that is believed. */
  readonly #elsewhere = new WeakMap<Path, Map<Origin, number>>();
  #cancelFlush: (() => void) | undefined;
  #cancelTick: (() => void) | undefined;
  #isClosed = false;

  constructor(options: PresenceRoomOptions) {
    this.#options = options;
    this.#seal = new PresenceSeal(options.ports, options.id);
  }

  /** Those that are there and may be, in no order. */
  pages(): readonly PresentPage[] {
    return [...this.#shown].flatMap((origin) => this.page(origin) ?? []);
  }

  /** Undefined: it is not there. */
  page(origin: Origin): PresentPage | undefined {
    const seen = this.#roster.get(origin);
    if (seen?.state === undefined || !isThere(seen, this.#nowMs)) return undefined;
    const { author, page } = seen.announcement;
    return this.#mayRead(author) ? { key: author, page, state: seen.state } : undefined;
  }

  /** A page of this device says something, or that it goes. `turn`: see own-page.ts. */
  set(page: PageId, turn: number, state: Uint8Array | undefined): void {
    const known = this.#own.get(page);
    if (known === undefined && state === undefined) return;
    const own = known ?? this.#createOwn(page);
    own.set(turn, state);
  }

  /** Never rejects. `ageMs`: how old it is, as the peer says. */
  async take(path: Path, announcement: Announcement, ageMs: number): Promise<Checked> {
    const origin = originOf(announcement);
    const verdict = this.#roster.judge(announcement, ageMs, this.#nowMs);
    if (verdict === "same") this.#noteElsewhere(path, origin);
    if (verdict !== "new" || !this.#mayRead(announcement.author)) return "unchecked";
    const { verifier } = this.#options.ports;
    const message = announcementMessage(this.#options.id, announcement);
    const arrivedMs = this.#nowMs;
    if (!(await verifier.verify(announcement.author, message, announcement.signature))) return "forged";
    const opened = await this.#open(announcement);
    if (opened === undefined || this.#isClosed || this.#roster.judge(announcement, ageMs, this.#nowMs) !== "new")
      return "valid";
    this.#take({ announcement, ...opened, sentHereMs: arrivedMs - ageMs, arrivedMs, isOwn: false }, path);
    return "valid";
  }

  /** The peer may be told from now on. */
  greet(path: Path): void {
    const there = [...this.#roster.there(this.#nowMs)].map(([origin]) => origin);
    if (there.length === 0) return;
    this.#unsent.set(path, new Set(there));
    this.#flushSoon();
  }

  /** Who may read, or which keys are here, may be different now. */
  async permissionsChanged(): Promise<void> {
    for (const origin of [...this.#shown]) if (this.page(origin) === undefined) this.#show(origin);
    for (const [origin, seen] of [...this.#roster.there(this.#nowMs)]) {
      if (seen.state !== undefined) continue;
      const opened = await this.#open(seen.announcement);
      if (opened?.state === undefined || this.#roster.get(origin) !== seen) continue;
      this.#roster.open(origin, opened.state);
      this.#show(origin);
    }
  }

  /** Nothing is said, passed on or told any more, when what waits to be said of pages that go is. Never rejects. */
  async close(): Promise<void> {
    await Promise.all([...this.#own.values()].map((own) => own.close()));
    this.#cancelFlush?.();
    this.#flush();
    this.#isClosed = true;
    this.#cancelFlush?.();
    this.#cancelTick?.();
  }

  get #nowMs(): number {
    return this.#options.ports.clock.now();
  }

  #mayRead(key: PublicKey): boolean {
    const power = this.#options.database()?.replica.authority.power(key);
    return power !== undefined && power <= READ;
  }

  // --- Pages of this device

  #createOwn(page: PageId): OwnPage {
    const { clock } = this.#options.ports;
    const own = new OwnPage({
      ...{ page, clock },
      say: (saying, state) => this.#say(saying, state).catch(() => {}), // No key to sign with: it is tried again with the next beat.
      gone: () => this.#own.delete(page),
    });
    this.#own.set(page, own);
    return own;
  }

  async #say(own: OwnPage, state: Uint8Array | undefined): Promise<void> {
    const { id } = this.#options;
    const database = this.#options.database();
    if (database === undefined || !database.hasRoot || !this.#mayRead(database.identity.publicKey)) return;
    const { identity, encryption } = database;
    const { page } = own;
    const nowMs = this.#nowMs;
    // Of a clock that may know parts of milliseconds.
    const sentMs = Math.floor(nowMs);
    const header = { author: identity.publicKey, page, counter: own.count(), sentMs, lifeMs: presenceLifeMs };
    const content = state === undefined ? new Uint8Array() : await this.#seal.seal(encryption, header, state);
    if (content === undefined) return;
    const body: AnnouncementBody = { ...header, content };
    const announcement = { ...body, signature: await identity.sign(announcementMessage(id, body)) };
    const opened = await this.#open(announcement);
    if (opened === undefined || this.#isClosed) return;
    this.#take({ announcement, ...opened, sentHereMs: nowMs, arrivedMs: nowMs, isOwn: true }, undefined);
  }

  // --- What is known

  /** Undefined: it can never be read. */
  async #open(announcement: Announcement): Promise<Pick<Seen, "state"> | undefined> {
    if (announcement.content.length === 0) return { state: undefined };
    const encryption = this.#options.database()?.encryption;
    const opened = encryption && (await this.#seal.open(encryption, announcement));
    if (opened === undefined || opened.type === "broken") return undefined;
    return { state: opened.type === "open" ? opened.state : undefined };
  }

  #take(seen: Seen, from: Path | undefined): void {
    const origin = originOf(seen.announcement);
    this.#roster.take(seen, this.#nowMs);
    this.#show(origin);
    for (const path of this.#options.paths()) {
      if (path === from) this.#unsent.get(path)?.delete(origin);
      else this.#unsentTo(path).add(origin);
    }
    this.#flushSoon();
    this.#cancelTick ??= this.#options.ports.clock.after(tickMs, () => this.#tick());
  }

  #show(origin: Origin): void {
    const isNow = this.page(origin) !== undefined;
    const was = this.#shown.has(origin);
    if (isNow) this.#shown.add(origin);
    else this.#shown.delete(origin);
    if (isNow || was) this.#options.changed([origin]);
  }

  #tick(): void {
    const over = [...this.#shown].filter((origin) => this.page(origin) === undefined);
    for (const origin of over) this.#shown.delete(origin);
    if (over.length > 0) this.#options.changed(over);
    this.#roster.forget(this.#nowMs);
    const isDone = this.#roster.size === 0;
    this.#cancelTick = isDone ? undefined : this.#options.ports.clock.after(tickMs, () => this.#tick());
  }

  // --- What peers are told

  #unsentTo(path: Path): Set<Origin> {
    const unsent = this.#unsent.get(path) ?? new Set();
    this.#unsent.set(path, unsent);
    return unsent;
  }

  #noteElsewhere(path: Path, origin: Origin): void {
    this.#unsent.get(path)?.delete(origin);
    const known = this.#elsewhere.get(path);
    const elsewhere = known === undefined || known.size >= presencePagesMax ? new Map<Origin, number>() : known;
    elsewhere.set(origin, this.#nowMs + presenceElsewhereMs);
    this.#elsewhere.set(path, elsewhere);
  }

  /** At once when nothing was told for a while, else when that is over: all that is new since then, each page once. */
  #flushSoon(): void {
    if (this.#cancelFlush === undefined && !this.#isClosed) this.#flush();
  }

  #flush(): void {
    this.#cancelFlush = undefined;
    if (this.#unsent.size === 0) return;
    this.#cancelFlush = this.#options.ports.clock.after(presenceEveryMs, () => this.#flush());
    for (const [path, origins] of this.#unsent) {
      if (path.isOpen && path.session?.mayPresent(this.#options.id) === true) this.#tell(path, origins);
      else this.#unsent.delete(path);
      if (origins.size === 0) this.#unsent.delete(path);
    }
  }

  #tell(path: Path, origins: Set<Origin>): void {
    for (const origin of origins) {
      if (path.waiting.outbound > presenceQueueMax) return;
      origins.delete(origin);
      const seen = this.#roster.get(origin);
      if (seen !== undefined && this.#isToHear(path, origin, seen)) this.#present(path, seen);
    }
  }

  #isToHear(path: Path, origin: Origin, { announcement, isOwn }: Seen): boolean {
    if (!this.#mayRead(announcement.author)) return false;
    const untilMs = this.#elsewhere.get(path)?.get(origin);
    return isOwn || untilMs === undefined || untilMs <= this.#nowMs;
  }

  #present(path: Path, { announcement, sentHereMs }: Seen): void {
    const ageMs = Math.max(0, Math.floor(this.#nowMs - sentHereMs));
    if (ageMs < announcement.lifeMs) path.step({ type: "presenting", database: this.#options.id, ageMs, announcement });
  }
}
