/** How fast something grows: over the last seconds, from what was seen of it. */
const windowMs = 5_000;

interface Sample {
  readonly atMs: number;
  readonly entries: number;
  readonly bytes: number;
}

export class Rate {
  #samples: readonly Sample[] = [];

  add(entries: number, bytes: number): void {
    const atMs = performance.now();
    const kept = this.#samples.filter((sample) => sample.atMs > atMs - windowMs && sample.entries <= entries);
    this.#samples = [...kept, { atMs, entries, bytes }].slice(-200);
  }

  /** Per second; undefined as long as nothing can be said. */
  read(): { readonly entries: number; readonly bytes: number } | undefined {
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined) return undefined;
    const seconds = (performance.now() - first.atMs) / 1_000;
    if (seconds < 0.5) return undefined;
    return { entries: (last.entries - first.entries) / seconds, bytes: (last.bytes - first.bytes) / seconds };
  }

  clear(): void {
    this.#samples = [];
  }
}
