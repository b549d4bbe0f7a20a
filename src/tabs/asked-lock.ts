/**
 * Locks where the browser has none: whoever wants one asks all others, and has it when nobody objects in time.
 *
 * [TABS-13] Without Web Locks tabs agree all the same, only slower; two that both think they hold a lock find out, and the later one has it.
 *
 * A holder that is frozen or busy for seconds is taken for gone. That is safe because nothing depends on these locks but who should
 * write: the claim on storage says who can.
 */
import { TidemarkError } from "../core/errors.ts";
import { encodeHex } from "../core/ids.ts";
import { askedLockAgainMs, askedLockAnswerMs, askedLockSilentMax } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Channels, LockOptions, Locks, TabChannel } from "../ports/tabs.ts";
import { askedLocksChannelName } from "./names.ts";

export interface AskedLocksOptions {
  /** Of the instance: all who share locks have the same. */
  readonly name: string;
  readonly channels: Channels;
  readonly clock: Clock;
  readonly random: Random;
}

/** When somebody began to want a lock, or to hold it: milliseconds since 1970, and who it is, by which ties are broken. */
interface Claim {
  readonly name: string;
  readonly since: number;
}

/**
 * ask: may I have these? hold: I have these, as an answer and when they are taken. before: I asked earlier than you.
 * free: I let this go.
 */
interface LockMessage {
  readonly type: "ask" | "hold" | "before" | "free";
  readonly from: string;
  readonly claims: readonly Claim[];
}

interface Held extends Claim {
  readonly lost: (() => void) | undefined;
}

interface Taking {
  readonly name: string;
  readonly lost: (() => void) | undefined;
  /** The least that `since` may be. */
  readonly earliest: number;
}

interface Wanted extends Claim {
  readonly options: LockOptions;
  readonly resolve: (release: (() => void) | undefined) => void;
  /** Somebody objected since it was asked for last. */
  isRefused: boolean;
  /** Rounds without an answer of a holder that once had answered; undefined when none has. */
  silent: number | undefined;
}

export class AskedLocks implements Locks {
  readonly #id: string;
  readonly #clock: Clock;
  readonly #channel: TabChannel;
  readonly #held = new Map<string, Held>();
  readonly #wanted = new Set<Wanted>();
  /** The latest claim that was heard of, so that a thief's is later. */
  #latest = 0;
  #round: "none" | "asked" | "resting" = "none";
  #cancelRest: (() => void) | undefined;

  constructor({ name, channels, clock, random }: AskedLocksOptions) {
    this.#id = encodeHex(random.bytes(8));
    this.#clock = clock;
    this.#channel = channels.open(askedLocksChannelName(name));
    this.#channel.listen((message) => {
      if (isLockMessage(message)) this.#hear(message);
    });
  }

  request(name: string, options: LockOptions = {}): Promise<(() => void) | undefined> {
    const { signal } = options;
    const aborted = (): TidemarkError => new TidemarkError("ABORTED", { call: `lock ${name}` });
    if (signal?.aborted) return Promise.reject(aborted());
    if (options.steal === true) {
      // A thief may not have heard since when it was held; that was not after now.
      return Promise.resolve(this.#take({ name, lost: options.lost, earliest: this.#clock.now() + 1 }));
    }
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#wanted.delete(wanted);
        reject(aborted());
      };
      const settle = (release: (() => void) | undefined): void => {
        signal?.removeEventListener("abort", abort);
        this.#wanted.delete(wanted);
        resolve(release);
      };
      const since = this.#clock.now();
      const wanted: Wanted = { name, since, options, resolve: settle, isRefused: false, silent: undefined };
      signal?.addEventListener("abort", abort);
      this.#wanted.add(wanted);
      this.#askSoon();
    });
  }

  /** Whatever is held counts as gone a while later. */
  close(): void {
    this.#wanted.clear();
    this.#cancelRest?.();
    this.#channel.close();
  }

  /** At once, unless answers are being waited for: then right after that. */
  #askSoon(): void {
    if (this.#round === "asked") return;
    this.#cancelRest?.();
    this.#ask();
  }

  #ask(): void {
    this.#round = "none";
    if (this.#wanted.size === 0) return;
    this.#round = "asked";
    const asked = [...this.#wanted];
    for (const wanted of asked) wanted.isRefused = false;
    this.#post("ask", asked);
    const askedAt = this.#clock.now();
    this.#clock.after(askedLockAnswerMs, () => {
      // Whoever slept meanwhile has not heard the answers yet.
      if (Math.abs(this.#clock.now() - askedAt) < 2 * askedLockAnswerMs) this.#decide(asked);
      else this.#ask();
    });
  }

  #decide(asked: readonly Wanted[]): void {
    this.#round = "resting";
    for (const wanted of asked) if (this.#wanted.has(wanted)) this.#decideOne(wanted);
    const hasNew = [...this.#wanted].some((wanted) => !asked.includes(wanted));
    this.#cancelRest = this.#clock.after(hasNew ? 0 : askedLockAgainMs - askedLockAnswerMs, () => this.#ask());
  }

  #decideOne(wanted: Wanted): void {
    if (!wanted.isRefused && wanted.silent !== undefined) wanted.silent++;
    const isSilent = wanted.silent === undefined || wanted.silent >= askedLockSilentMax;
    const isFree = !wanted.isRefused && isSilent && !this.#held.has(wanted.name);
    const { name, options } = wanted;
    if (isFree) wanted.resolve(this.#take({ name, lost: options.lost, earliest: this.#clock.now() }));
    else if (options.ifAvailable === true) wanted.resolve(undefined);
  }

  #take({ name, lost, earliest }: Taking): () => void {
    this.#held.get(name)?.lost?.();
    this.#latest = Math.max(earliest, this.#latest + 1);
    const held: Held = { name, since: this.#latest, lost };
    this.#held.set(name, held);
    this.#post("hold", [held]);
    return () => {
      if (this.#held.get(name) !== held) return;
      this.#held.delete(name);
      this.#post("free", [held]);
      if (this.#wants(name).length > 0) this.#askSoon();
    };
  }

  #hear({ type, from, claims }: LockMessage): void {
    if (type === "ask") this.#answer(from, claims);
    for (const claim of claims) {
      if (type === "hold") this.#heardHolder(from, claim);
      if (type === "before") this.#heardBefore(from, claim);
      if (type === "free") this.#heardFree(claim);
    }
  }

  #answer(from: string, claims: readonly Claim[]): void {
    const held = claims.flatMap(({ name }) => this.#held.get(name) ?? []);
    if (held.length > 0) this.#post("hold", held);
    const before = claims.flatMap((claim) =>
      this.#wants(claim.name).filter((own) => isEarlier(own, this.#id, claim, from)),
    );
    if (before.length > 0) this.#post("before", before);
  }

  #heardHolder(from: string, claim: Claim): void {
    this.#latest = Math.max(this.#latest, claim.since);
    for (const wanted of this.#wants(claim.name)) {
      wanted.isRefused = true;
      wanted.silent = 0;
    }
    const own = this.#held.get(claim.name);
    if (own === undefined) return;
    if (isEarlier(claim, from, own, this.#id)) return this.#post("hold", [own]);
    this.#held.delete(claim.name);
    own.lost?.();
  }

  #heardBefore(from: string, claim: Claim): void {
    for (const own of this.#wants(claim.name)) if (isEarlier(claim, from, own, this.#id)) own.isRefused = true;
  }

  #heardFree({ name }: Claim): void {
    const waiting = this.#wants(name);
    for (const wanted of waiting) wanted.silent = undefined;
    if (waiting.length > 0) this.#askSoon();
  }

  #wants(name: string): readonly Wanted[] {
    return [...this.#wanted].filter((wanted) => wanted.name === name);
  }

  #post(type: LockMessage["type"], claims: readonly Claim[]): void {
    const plain = claims.map(({ name, since }) => ({ name, since }));
    this.#channel.post({ type, from: this.#id, claims: plain } satisfies LockMessage);
  }
}

function isEarlier(a: Claim, aFrom: string, b: Claim, bFrom: string): boolean {
  return a.since < b.since || (a.since === b.since && aFrom < bFrom);
}

function isLockMessage(value: unknown): value is LockMessage {
  if (typeof value !== "object" || value === null) return false;
  const { type, from, claims } = value as Partial<Record<keyof LockMessage, unknown>>;
  const isKnown = type === "ask" || type === "hold" || type === "before" || type === "free";
  return isKnown && typeof from === "string" && Array.isArray(claims) && claims.every(isClaim);
}

function isClaim(value: unknown): value is Claim {
  if (typeof value !== "object" || value === null) return false;
  const { name, since } = value as Partial<Record<keyof Claim, unknown>>;
  return typeof name === "string" && Number.isFinite(since);
}
