/** How sync is to behave, in the words of its presets: remembered per instance. */
import type { Preset } from "tidemark";

export interface PaceChoice {
  readonly value: Preset;
  readonly title: string;
  readonly text: string;
}

export const paceChoices: readonly PaceChoice[] = [
  { value: "interactive", title: "At once", text: "Every change goes out as it is made" },
  { value: "bulk", title: "Gathered", text: "Changes gather for a second: less traffic" },
  { value: "lowBandwidth", title: "Slow line", text: "Gathered for five seconds, at most 32 KiB a second" },
  { value: "lan", title: "Same network", text: "At once, and others are looked after more often" },
];

export class Pace {
  readonly #key: string;

  constructor(instance: string) {
    this.#key = `tidemark-board/${instance}/pace`;
  }

  get(): Preset {
    try {
      const kept = localStorage.getItem(this.#key);
      return paceChoices.find(({ value }) => value === kept)?.value ?? "interactive";
    } catch {
      return "interactive";
    }
  }

  set(preset: Preset): void {
    try {
      localStorage.setItem(this.#key, preset);
    } catch {
      // Site data is blocked: the choice lasts until the page is left.
    }
  }
}
