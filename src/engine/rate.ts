/** How fast something went over the last five seconds. */
import type { Clock } from "../ports/clock.ts";

export interface TransferRate {
  readonly entriesPerSecond: number;
  readonly bytesPerSecond: number;
}

const rateWindowMs = 5_000;
/** What comes within a slot is added up, so that at most 51 are kept. */
const slotMs = 100;
/** A rate over less time than this says nothing. */
const shortestMs = 1_000;

interface Slot {
  readonly atMs: number;
  entries: number;
  bytes: number;
}

export class Rate {
  readonly #clock: Clock;
  #slots: Slot[] = [];
  #startedMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedMs = clock.now();
  }

  /** What came before does not count: work begins, or goes on after a pause. */
  restart(): void {
    this.#slots = [];
    this.#startedMs = this.#clock.now();
  }

  add(entries: number, bytes: number): void {
    const nowMs = this.#clock.now();
    const last = this.#slots.at(-1);
    if (last !== undefined && nowMs >= last.atMs && nowMs - last.atMs < slotMs) {
      last.entries += entries;
      last.bytes += bytes;
      return;
    }
    this.#slots = [...this.#recent(), { atMs: nowMs, entries, bytes }];
  }

  read(): TransferRate {
    const recent = this.#recent();
    const sinceStartMs = this.#clock.now() - this.#startedMs;
    const seconds = Math.min(rateWindowMs, Math.max(shortestMs, sinceStartMs)) / 1_000;
    return {
      entriesPerSecond: recent.reduce((sum, { entries }) => sum + entries, 0) / seconds,
      bytesPerSecond: recent.reduce((sum, { bytes }) => sum + bytes, 0) / seconds,
    };
  }

  /** Without what a clock that was set back left in the future. */
  #recent(): Slot[] {
    const nowMs = this.#clock.now();
    return this.#slots.filter(({ atMs }) => atMs <= nowMs && nowMs - atMs < rateWindowMs);
  }
}
