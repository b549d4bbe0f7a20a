/** The recorded writing sessions in data/, as what was written one keystroke after the other. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import * as A from "@automerge/automerge";

/** Positions and lengths are those of a JavaScript string: nothing recorded lies outside the Basic Multilingual Plane. */
export type Patch = readonly [position: number, deleted: number, inserted: string];

/** How many keystrokes of a recording are written: all of them take minutes, and `npm run soak` does that. */
export const recordedMax: number = Number(process.env.RECORDED_KEYSTROKES ?? 3_000);

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

/** What there is after some of them by two, beginning with nothing: by Automerge alone, each written on exactly what its author had before. */
export function mergedText(keystrokes: readonly SharedKeystroke[]): string {
  const empty = A.change(A.init<{ text: string }>(), (draft) => {
    draft.text = "";
  });
  const docs = [A.clone(empty), A.clone(empty)];
  const written: [A.Change[], A.Change[]] = [[], []];
  const taken = [0, 0];
  /** How many of each had been written where that one had been. */
  const seen: [number, number][] = [];
  for (const { agent, parents, patches } of keystrokes) {
    const before = parents.map((parent) => seen[parent] ?? [0, 0]);
    const wanted = Math.max(0, ...before.map((counts) => counts[1 - agent] as number));
    const lacking = (written[1 - agent] as A.Change[]).slice(taken[agent], wanted);
    taken[agent] = Math.max(taken[agent] as number, wanted);
    const [now] = A.applyChanges(docs[agent] as typeof empty, lacking);
    const next = A.change(now, (draft) => {
      for (const [position, deleted, inserted] of patches) A.splice(draft, ["text"], position, deleted, inserted);
    });
    docs[agent] = next;
    written[agent]?.push(A.getLastLocalChange(next) as A.Change);
    const own = written[agent]?.length ?? 0;
    seen.push(agent === 0 ? [own, taken[0] as number] : [taken[1] as number, own]);
  }
  return A.merge(docs[0] as typeof empty, docs[1] as typeof empty).text;
}

function read<Of extends Keystroke>(name: string): Recording<Of> {
  const file = new URL(`../e2e/data/${name}.json.gz`, import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(file)).toString());
}
