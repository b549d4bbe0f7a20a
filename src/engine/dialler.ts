/**
 * Reaches peers at their addresses, now or when their time has come.
 *
 * [CONNECT-1] Addresses are dialled one after the other, the best first, each with a time-out of its own.
 * [CONNECT-2] Peers that have a relation and an address are dialled while they are not connected, with a pause that doubles.
 * [CONNECT-3] An address that fails for good is reported once and not dialled again until something changes.
 * [CONNECT-4] After `attemptsMax` failures in a row the peer is given up, which is reported, until something changes.
 * [CONNECT-9] Nothing is timed for a peer that is not to be dialled.
 * [CONNECT-10] A connection that ends because the peer broke the protocol counts as a failure, however long it lasted.
 *
 * Deliberately not here: what becomes of a channel once it is up, and who else may come.
 */
import { TidemarkError } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import { backOffMsMax, breachesForgottenMs, connectionMsMin, connectTimeoutMs, dialsMax } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { Channel } from "../ports/transport.ts";
import { Attempts, breaksProtocol, isPermanent } from "./attempts.ts";
import type { Path } from "./path.ts";
import type { Registry } from "./registry.ts";
import type { SyncSettings } from "./settings.ts";
import type { Transports } from "./transports.ts";

export interface DiallerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Registry;
  readonly transports: Pick<Transports, "dial">;
  readonly settings: () => SyncSettings;
  readonly owner: DiallerOwner;
}

export interface DiallerOwner {
  isOnline(): boolean;
  isConnected(key: PublicKey): boolean;
  /** Runs the handshake on a channel that was dialled; undefined when there is no room. */
  take(channel: Channel, expected: PublicKey | undefined, address: string): Path | undefined;
  /** An address failed for good. */
  parked(key: PublicKey, address: string, error: TidemarkError): void;
  givenUp(key: PublicKey, error: TidemarkError): void;
  changed(key: PublicKey): void;
}

/** How it is with a peer that is not connected. */
export interface DialState {
  readonly type: "connecting" | "waiting" | "parked" | "offline";
  readonly nextAttemptMs: number | undefined;
}

interface Dialling {
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

export class Dialler {
  readonly #options: DiallerOptions;
  readonly #attempts: Attempts;
  readonly #dialling = new Map<PublicKey, Dialling>();
  /** Addresses that failed for good. */
  readonly #parked = new Map<PublicKey, Set<string>>();
  /** Those whom the user disconnected. */
  readonly #held = new Set<PublicKey>();
  #cancelTimer: () => void = () => {};

  constructor(options: DiallerOptions) {
    this.#options = options;
    this.#attempts = new Attempts({ random: options.random, attemptsMax: () => options.settings().attemptsMax });
  }

  /** Dials whoever is due, and comes back when the next one is. */
  run(): void {
    if (!this.#options.owner.isOnline()) return;
    for (const { key } of this.#options.registry.peers()) {
      if (this.#dialling.size >= dialsMax) break;
      if (this.#isDue(key)) this.#dialLater(key);
    }
    this.#arm();
  }

  /** Dials a peer now, whatever failed before. Rejects with what the last address failed with, or with ABORTED. */
  async connect(key: PublicKey, signal: AbortSignal): Promise<void> {
    if (!this.#dialling.has(key)) this.reset(key);
    await aborting(this.#dialling.get(key)?.done ?? this.#dial(key), signal);
  }

  /** Dials an address of whoever is there, or of `expected`. Rejects with why the channel or the handshake failed, or with ABORTED. */
  async dialAddress(address: string, expected: PublicKey | undefined, signal: AbortSignal): Promise<PublicKey> {
    const { transports, owner } = this.#options;
    const channel = await this.#withinTime(address, signal, (limited) => transports.dial(address, limited));
    const path = owner.take(channel, expected, address);
    if (path === undefined)
      throw new TidemarkError("CONNECT_FAILED", { address, reason: "enough peers are connected" });
    const abort = (): void => path.close();
    signal.addEventListener("abort", abort);
    try {
      return await path.proven;
    } catch (error) {
      if (signal.aborted) throw aborted();
      // Other paths lead there already: one more was not needed.
      if (path.key !== undefined && owner.isConnected(path.key)) return path.key;
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  state(key: PublicKey): DialState {
    if (this.#dialling.has(key)) return { type: "connecting", nextAttemptMs: undefined };
    const dueAt = this.#attempts.dueAt(key);
    if (dueAt === undefined || this.#held.has(key)) return { type: "offline", nextAttemptMs: undefined };
    if (dueAt === Number.POSITIVE_INFINITY) return { type: "parked", nextAttemptMs: undefined };
    if (!this.#isWanted(key)) return { type: "offline", nextAttemptMs: undefined };
    return { type: "waiting", nextAttemptMs: dueAt };
  }

  /** The peer is there, whoever made the channel. Its failures are kept: the connection may end at once. */
  met(key: PublicKey): void {
    this.#attempts.began(key);
  }

  /** The last connection to a peer ended. One that did not last, or had to be ended, counts as a failure: the next has to wait. */
  parted(key: PublicKey, lastedMs: number, error: TidemarkError | undefined): void {
    if (this.#held.has(key)) return;
    const isBreach = error !== undefined && breaksProtocol(error.code);
    if (lastedMs >= (isBreach ? breachesForgottenMs : connectionMsMin)) this.reset(key);
    if (lastedMs >= connectionMsMin && !isBreach) return this.run();
    if (this.#isWanted(key))
      this.#failed(key, error ?? new TidemarkError("CHANNEL_CLOSED", { reason: "by the peer" }), false);
    this.run();
  }

  /** Not before something changes: the user wants it so. */
  hold(key: PublicKey): void {
    this.reset(key);
    this.#held.add(key);
    this.#dialling.get(key)?.controller.abort();
  }

  /** It is not to be dialled any more: a dial that is under way ends, without counting as a failure. */
  forget(key: PublicKey): void {
    this.reset(key);
    this.#dialling.get(key)?.controller.abort();
  }

  reset(key: PublicKey): void {
    this.#attempts.reset(key);
    this.#parked.delete(key);
    this.#held.delete(key);
  }

  /** The network came back, the device woke: everybody is due. */
  resetAll(): void {
    this.#attempts.resetAll();
    this.#parked.clear();
    this.#held.clear();
  }

  /** Every dial ends, without counting as a failure. */
  stop(): void {
    this.#cancelTimer();
    for (const { controller } of this.#dialling.values()) controller.abort();
  }

  #isDue(key: PublicKey): boolean {
    return (this.#attempts.dueAt(key) ?? 0) <= this.#options.clock.now() && this.#isAwaited(key);
  }

  /** Whether it is dialled as soon as its time has come. */
  #isAwaited(key: PublicKey): boolean {
    if (this.#options.owner.isConnected(key) || this.#dialling.has(key) || this.#held.has(key)) return false;
    return this.#isWanted(key);
  }

  /** Whether it is dialled without anybody asking for it. */
  #isWanted(key: PublicKey): boolean {
    const { registry } = this.#options;
    if (registry.peer(key)?.state !== "active" || this.#addressesOf(key).length === 0) return false;
    return registry.relations({ peer: key }).some(({ state }) => state === "on");
  }

  #addressesOf(key: PublicKey): readonly string[] {
    const parked = this.#parked.get(key);
    return this.#options.registry.addressesByScore(key).filter((address) => parked?.has(address) !== true);
  }

  #dialLater(key: PublicKey): void {
    this.#dial(key).catch(() => {}); // Noted where it failed.
  }

  #dial(key: PublicKey): Promise<void> {
    const controller = new AbortController();
    const done = this.#dialAll(key, controller.signal).finally(() => {
      this.#dialling.delete(key);
      this.#options.owner.changed(key);
      this.run();
    });
    this.#dialling.set(key, { controller, done });
    this.#attempts.began(key);
    this.#options.owner.changed(key);
    return done;
  }

  async #dialAll(key: PublicKey, signal: AbortSignal): Promise<void> {
    const { registry, owner } = this.#options;
    let last: TidemarkError = new TidemarkError("CONNECT_FAILED", {
      address: "",
      reason: "none of its addresses can be dialled",
    });
    for (const address of this.#addressesOf(key)) {
      if (owner.isConnected(key)) return;
      registry.attempted(key, address);
      try {
        await this.dialAddress(address, key, signal);
        return;
      } catch (error) {
        if (signal.aborted) throw error;
        last = knownError(error, address);
        this.#noteFailure(key, address, last);
      }
    }
    if (owner.isConnected(key)) return;
    this.#failed(key, last, this.#addressesOf(key).length === 0);
    throw last;
  }

  #noteFailure(key: PublicKey, address: string, error: TidemarkError): void {
    const { registry, clock, owner } = this.#options;
    registry.failed(key, address, { code: error.code, atMs: clock.now() });
    if (!isPermanent(error.code)) return;
    this.#parked.set(key, (this.#parked.get(key) ?? new Set()).add(address));
    owner.parked(key, address, error);
  }

  #failed(key: PublicKey, error: TidemarkError, isPermanentFor: boolean): void {
    const { owner, clock } = this.#options;
    const answer = this.#attempts.failed(key, clock.now(), isPermanentFor);
    if (answer.type === "givenUp") {
      const { attempts } = answer;
      owner.givenUp(key, new TidemarkError("PEER_GIVEN_UP", { peer: key, attempts }, { cause: error }));
    }
    this.#arm();
  }

  #arm(): void {
    this.#cancelTimer();
    const { clock, owner } = this.#options;
    // Whoever waits for a turn gets it when a dial ends.
    if (!owner.isOnline() || this.#dialling.size >= dialsMax) return;
    const nextAt = this.#attempts.nextAt((key) => this.#isAwaited(key));
    if (nextAt === undefined) return;
    const waitMs = Math.min(backOffMsMax, Math.max(1, nextAt - clock.now()));
    this.#cancelTimer = clock.after(waitMs, () => this.run());
  }

  /** Transports are expected to heed the signal; whether they do is not left to them. */
  async #withinTime<T>(address: string, signal: AbortSignal, action: (limited: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    let isLate = false;
    const cancel = this.#options.clock.after(connectTimeoutMs, () => {
      isLate = true;
      abort();
    });
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    try {
      return await aborting(action(controller.signal), controller.signal);
    } catch (error) {
      if (!isLate) throw error;
      throw new TidemarkError("CONNECT_FAILED", { address, reason: `no answer within ${connectTimeoutMs} ms` });
    } finally {
      cancel();
      signal.removeEventListener("abort", abort);
    }
  }
}

/** Waits for something that goes on when nobody waits for it any more. */
export function aborting<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(aborted());
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
  });
}

function aborted(): TidemarkError {
  return new TidemarkError("ABORTED", { call: "connect" });
}

function knownError(error: unknown, address: string): TidemarkError {
  if (error instanceof TidemarkError) return error;
  return new TidemarkError("CONNECT_FAILED", { address, reason: String(error) }, { cause: error });
}
