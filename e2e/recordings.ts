/** The recorded writing sessions in data/, as what was written one keystroke after the other. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** Positions and lengths are those of a JavaScript string: nothing recorded lies outside the Basic Multilingual Plane. */
export type Patch = readonly [position: number, deleted: number, inserted: string];

export interface Keystroke {
  readonly patches: readonly Patch[];
}

export interface SharedKeystroke extends Keystroke {
  /** Indexes of earlier ones: what its author had before, and nothing else. */
  readonly parents: readonly number[];
  /** 0 or 1: who wrote it. */
  readonly agent: number;
}

export interface Recording<Of extends Keystroke> {
  readonly txns: readonly Of[];
  /** What there is when all of it is written. */
  readonly endContent: string;
}

/** Two people who write one text at the same time, 26,078 keystrokes. */
export function readFriends(): Recording<SharedKeystroke> {
  return read("friendsforever");
}

/** One person who writes a component, 18,335 keystrokes. */
export function readComponent(): Recording<Keystroke> {
  return read("sveltecomponent");
}

/** What there is after some of them, beginning with nothing. */
export function textAfter(keystrokes: readonly Keystroke[]): string {
  let text = "";
  for (const { patches } of keystrokes) {
    for (const [position, deleted, inserted] of patches)
      text = text.slice(0, position) + inserted + text.slice(position + deleted);
  }
  return text;
}

function read<Of extends Keystroke>(name: string): Recording<Of> {
  const file = new URL(`../e2e/data/${name}.json.gz`, import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(file)).toString());
}
