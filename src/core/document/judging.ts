/** What is to be said of a change that follows what is here, before anything is done with it. It depends on the change's own past alone: [DOC-20]. */
import { unwrap } from "../errors.ts";
import type { Sha256 } from "../ids.ts";
import { type ChangeGraph, none, type Placement } from "./change-graph.ts";
import type { OpPlace } from "./op-table.ts";
import type { ReferenceFault, References } from "./references.ts";
import { type ChangeTail, decodeTail } from "./tail.ts";

/** Why a change is left out for what it is: `history` if two of one number are in its past. */
export type ChangeFault = ReferenceFault | "history";

export type Judged =
  | { readonly type: "sound"; readonly digest: Uint8Array; readonly placement: Placement; readonly places: Places }
  /** It is here already. */
  | { readonly type: "known"; readonly node: number }
  | { readonly type: "fault"; readonly reason: ChangeFault };

/** What its ops are for those that name them, as far as that is kept. */
export type Places = readonly OpPlace[];

export interface JudgingParts {
  readonly graph: ChangeGraph;
  readonly references: References;
  readonly sha256: Sha256;
}

/** Of a tail that `decodeTail` takes: `decoded` is what that gave, if it was kept. */
export function judgeChange(
  { graph, references, sha256 }: JudgingParts,
  { tail, decoded }: { readonly tail: Uint8Array; readonly decoded?: ChangeTail | undefined },
  deps: readonly number[],
  actor: number,
): Judged {
  const placement = graph.place(deps, actor);
  if (placement === undefined) return { type: "fault", reason: "history" };
  const digest = graph.digestAt(placement, tail, sha256);
  const node = graph.findBytes(digest);
  if (node !== none) return { type: "known", node };
  const checked = references.check(decoded ?? unwrap(decodeTail("", tail)), placement);
  return typeof checked === "string"
    ? { type: "fault", reason: checked }
    : { type: "sound", digest, placement, places: checked };
}
