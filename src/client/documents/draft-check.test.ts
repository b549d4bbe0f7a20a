import * as A from "@automerge/automerge";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { splitChange } from "../../core/document/change-bytes.ts";
import {
  changeMessageBytesMax,
  changeOpsMax,
  changeTailBytesMax,
  counterStartMax,
  counterStepMax,
} from "../../core/limits.ts";
import { arbitraryEdits, playEdits } from "../../testing/automerge-edits.ts";
import { changesOf } from "../../testing/document-entries.ts";
import { checkDraft } from "./draft-check.ts";

type Draft = Record<string, unknown>;

/** The last change of a document in which somebody did this. */
function tailOf(edit: (draft: Draft) => void, message = ""): Uint8Array {
  const empty = A.from<Draft>({ counter: new A.Counter(1), text: "some" });
  const changed = A.change(empty, { time: 0, message }, (draft) => edit(draft as Draft));
  const [last] = A.getChangesSince(changed, A.getHeads(empty)) as [Uint8Array];
  return splitChange(last).tail;
}

function increment(by: number): (draft: Draft) => void {
  return (draft) => (draft.counter as A.Counter).increment(by);
}

describe("[DOC-43] a change that a page has made", () => {
  test("is for others, whatever Automerge's own calls write within the limits", () => {
    fc.assert(
      fc.property(arbitraryEdits, (edits) => {
        for (const change of changesOf(playEdits(edits))) {
          const { fault, ops } = checkDraft(splitChange(change).tail);
          expect(fault).toBeUndefined();
          expect(ops).toBe(A.decodeChange(change).ops.length);
        }
      }),
      { numRuns: 10 },
    );
    expect(checkDraft(tailOf(increment(counterStepMax))).fault).toBeUndefined();
    expect(checkDraft(tailOf((draft) => Object.assign(draft, { x: new A.Counter(counterStartMax) }))).fault).toBe(
      undefined,
    );
  });

  test.each<[string, (draft: Draft) => void, string]>([
    ["an integer of 2^53", (draft) => void Object.assign(draft, { x: 2 ** 53 }), "integer beyond"],
    ["an integer of 10^300", (draft) => void Object.assign(draft, { x: 1e300 }), "integer beyond"],
    ["a bigint of 2^60", (draft) => void Object.assign(draft, { x: 2n ** 60n }), "integer beyond"],
    ["an integer of −2^60", (draft) => void Object.assign(draft, { x: -(2 ** 60) }), "integer beyond"],
    [
      "one that is written over in the same change",
      (draft) => {
        draft.x = 2 ** 60;
        draft.x = 1;
      },
      "integer beyond",
    ],
    ["a large counter", (draft) => void Object.assign(draft, { x: new A.Counter(2 ** 52 + 2) }), "a counter of"],
    ["a large increment", increment(counterStepMax + 1), "an increment by"],
    ["a large decrement", increment(-counterStepMax - 1), "an increment by"],
    [
      "a mark called __proto__",
      (draft) => A.mark(draft as A.Doc<Draft>, ["text"], { start: 0, end: 2 }, "__proto__", true),
      "the name __proto__",
    ],
  ])("with %s is INPUT_INVALID, and says so", (_, edit, got) => {
    const { fault } = checkDraft(tailOf(edit));
    expect(fault).toMatchObject({ code: "INPUT_INVALID", details: { got: expect.stringContaining(got) } });
  });

  test("with a long message is INPUT_INVALID, with too much in it ENTRY_TOO_LARGE", () => {
    const long = "m".repeat(changeMessageBytesMax + 1);
    expect(checkDraft(tailOf((draft) => void Object.assign(draft, { x: 1 }), long)).fault?.code).toBe("INPUT_INVALID");
    const pasted = checkDraft(tailOf((draft) => void Object.assign(draft, { text: "x".repeat(changeOpsMax + 1) })));
    expect([pasted.fault?.code, pasted.ops > changeOpsMax]).toEqual(["ENTRY_TOO_LARGE", true]);
    const fitting = checkDraft(tailOf((draft) => void Object.assign(draft, { text: "x".repeat(changeOpsMax - 1) })));
    expect(fitting).toEqual({ ops: changeOpsMax });
    const bytes = new Uint8Array(changeTailBytesMax);
    expect(checkDraft(tailOf((draft) => void Object.assign(draft, { bytes }))).fault?.code).toBe("ENTRY_TOO_LARGE");
  });
});
