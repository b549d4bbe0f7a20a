/** What happens to documents, and to who is there, in one simulated life: drawn from a seed as data, like the rest of a plan. */
import { NONE, READ, WRITE } from "../core/store/power.ts";
import type { Action, Deed } from "./plan.ts";
import { SeededRandom } from "./random.ts";

/** Numbers of peers, tabs and documents are taken modulo what there is. */
interface Place {
  readonly peer: number;
  readonly tab: number;
  readonly doc: number;
}

interface OpenPlace {
  readonly peer: number;
  readonly doc: number;
}

export type DocumentDeed =
  /** A tab writes to a document, which it opens before: so many changes, drawn from a seed. */
  | (Place & { readonly type: "edit"; readonly changes: number; readonly seed: number })
  /** The same, in one transaction with a row. */
  | (Place & { readonly type: "transact"; readonly seed: number })
  | (Place & { readonly type: "openDoc" })
  /** In some tab, to some document that it has open; the last: the tab ends without a word. */
  | (OpenPlace & { readonly type: "closeDoc" | "undo" | "redo" | "snapshot" | "endTab" })
  /** A tab says what it is; null: that it goes. */
  | { readonly type: "say"; readonly peer: number; readonly tab: number; readonly state: number | null }
  /** Mallory writes what is no document, or two of the same number. */
  | { readonly type: "falsify"; readonly times: number };

const deedTypes: ReadonlySet<Action["type"]> = new Set<DocumentDeed["type"]>([
  ...(["edit", "transact", "openDoc", "closeDoc", "undo", "redo", "snapshot"] as const),
  ...(["endTab", "say", "falsify"] as const),
]);

export function isAboutDocuments({ type }: Action): boolean {
  return deedTypes.has(type);
}

/** Documents beside tables in some lives only: Automerge takes its time. */
const livesWithDocuments = 0.15;
/** What of their actions is about documents. */
const share = 0.5;

/** Draws apart from everything else, so that a life without documents is what it is without this. */
export function addDocuments(seed: number, actions: readonly Action[], lives: "some" | "all"): readonly Action[] {
  const random = new SeededRandom(seed ^ 0xd0c5);
  if (!random.chance(livesWithDocuments) && lives === "some") return actions;
  return actions.map((action) =>
    random.chance(share) ? { ...drawDocumentDeed(random), pauseMs: action.pauseMs } : action,
  );
}

function drawDocumentDeed(random: SeededRandom): Deed {
  const place = (): Place => ({ peer: random.int(840), tab: random.int(840), doc: random.int(840) });
  const open = (): OpenPlace => ({ peer: random.int(840), doc: random.int(840) });
  const deeds: readonly (readonly [weight: number, draw: () => Deed])[] = [
    [40, () => ({ type: "edit", ...place(), changes: 1 + random.int(4), seed: random.int(2 ** 30) })],
    [6, () => ({ type: "transact", ...place(), seed: random.int(2 ** 30) })],
    [5, () => ({ type: "openDoc", ...place() })],
    [4, () => ({ type: "closeDoc", ...open() })],
    [6, () => ({ type: "undo", ...open() })],
    [3, () => ({ type: "redo", ...open() })],
    [4, () => ({ type: "snapshot", ...open() })],
    [2, () => ({ type: "endTab", ...open() })],
    [6, () => ({ type: "falsify", times: 1 + random.int(3) })],
    [6, () => ({ type: "say", peer: random.int(840), tab: random.int(840), state: drawState(random) })],
    // More than elsewhere: what was written comes, goes, and comes again.
    [4, () => ({ type: "set", by: random.int(840), peer: random.int(840), power: random.pick([READ, NONE]) })],
    [4, () => ({ type: "set", by: random.int(840), peer: random.int(840), power: WRITE })],
  ];
  let left = random.int(deeds.reduce((sum, [weight]) => sum + weight, 0));
  const drawn = deeds.find(([weight]) => {
    left -= weight;
    return left < 0;
  });
  return (drawn ?? (deeds[0] as (typeof deeds)[number]))[1]();
}

function drawState(random: SeededRandom): number | null {
  return random.chance(0.25) ? null : random.int(1_000);
}
