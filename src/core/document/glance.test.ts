import * as A from "@automerge/automerge";
import fc from "fast-check";
import { expect, test } from "vitest";
import { applyDamage, arbitraryDamage } from "../../testing/arbitrary.ts";
import { arbitraryBatches, playBatches } from "../../testing/batched-edits.ts";
import { unwrap } from "../errors.ts";
import { splitChange } from "./change-bytes.ts";
import { type Glance, glanceAt } from "./glance.ts";
import { action } from "./op.ts";
import { decodeTail } from "./tail.ts";

/** The same, found by reading all of it. */
function readWhole(change: Uint8Array): Glance {
  const { ops, others } = unwrap(decodeTail("page", splitChange(change).tail));
  if (ops.some((op) => op.action === action.increment)) return "anything";
  if (!ops.some((op) => op.action === action.delete)) return "nothing";
  const [first] = ops;
  if (first?.obj === undefined || ops.some(({ obj, key }) => obj !== first.obj || typeof key === "string"))
    return "anything";
  const { actor, counter } = first.obj;
  const name = actor === 0 ? splitChange(change).actor : (others[actor - 1] as Uint8Array);
  return { sequence: `${counter}@${Buffer.from(name).toString("hex")}` };
}

test("[DOC-77] a glance at a change finds what reading all of it finds", () => {
  const found = new Set<string>();
  const check = (change: Uint8Array): void => {
    const glance = glanceAt(change);
    found.add(typeof glance === "string" ? glance : "sequence");
    expect(glance).toEqual(readWhole(change));
  };
  const play = (batches: Parameters<typeof playBatches>[0]): void => playBatches(batches).batches.flat().forEach(check);
  // Always the same ones, in which there is each kind.
  for (const batches of fc.sample(arbitraryBatches, { seed: 1, numRuns: 50 })) play(batches);
  expect([...found].sort()).toEqual(["anything", "nothing", "sequence"]);
  fc.assert(fc.property(arbitraryBatches, play), { numRuns: 50 });
});

test("[DOC-77] a glance at a damaged change, or at what is none, ends", () => {
  const base = A.from({ text: "some text" });
  const change = A.getChanges(
    base,
    A.change(A.clone(base), (draft) => A.splice(draft, ["text"], 2, 1)),
  )[0] as Uint8Array;
  fc.assert(
    fc.property(arbitraryDamage(), (damages) => {
      const glance = glanceAt(applyDamage(change, damages));
      expect(typeof glance === "string" || typeof glance.sequence === "string").toBe(true);
    }),
  );
  expect(glanceAt(new Uint8Array())).toBe("anything");
});
