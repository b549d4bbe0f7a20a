import fc from "fast-check";
import { expect, test } from "vitest";
import { comparedLinesMax, comparedUnitsMin, gatheredPlacesMax, gatheredUnitsMax } from "../../core/limits.ts";
import { automerge } from "../../testing/doc-engine.ts";
import { TextEdits, type TextSplice } from "./text-edits.ts";

/** Of few characters, so that what is written is often what was there; two of them have a half in common. */
const alike = fc.array(fc.constantFrom("a", "b", "👍", "👎"), { maxLength: 6 }).map((all) => all.join(""));

const edit = fc.record({
  index: fc.nat(12),
  deleteCount: fc.nat(4),
  text: fc.oneof(alike, fc.string({ maxLength: 3 }), fc.constantFrom("👍", "a👍b", "\ud83d", "\udc4d", "")),
});

function typed(...edits: readonly TextSplice[]): TextEdits {
  const all = new TextEdits(["text"], "Hello world");
  for (const one of edits) expect(all.add(one)).toBe(true);
  return all;
}

function splice(index: number, deleteCount: number, text = ""): TextSplice {
  return { index, deleteCount, text };
}

function apply(text: string, edits: readonly TextSplice[]): string {
  return edits.reduce(
    (before, { index, deleteCount, text: inserted }) =>
      before.slice(0, index) + inserted + before.slice(index + deleteCount),
    text,
  );
}

function isHalf(text: string, index: number): boolean {
  return /[\udc00-\udfff]/.test(text.charAt(index));
}

test("[DOC-74] what is typed in one place is one splice", () => {
  const word = [..."good "].map((letter, i) => splice(6 + i, 0, letter));
  expect(typed(...word).splices).toEqual([splice(6, 0, "good ")]);
  // A slip is put right, and then more is taken than was typed.
  expect(typed(splice(5, 0, "x"), splice(5, 1), splice(5, 0, "!")).splices).toEqual([splice(5, 0, "!")]);
  expect(typed(splice(5, 0, "x"), splice(3, 3)).splices).toEqual([splice(3, 2)]);
  expect(typed(splice(5, 0, "xy"), splice(6, 3, "z")).splices).toEqual([splice(5, 2, "xz")]);
  // Backspace and delete.
  expect(typed(splice(4, 1), splice(3, 1), splice(3, 1)).splices).toEqual([splice(3, 3)]);
  expect(typed(splice(5, 0, "x"), splice(5, 1)).splices).toEqual([]);
});

test("[DOC-74] what is cut and comes back as it was is not touched", () => {
  expect(typed(splice(0, 11), splice(0, 0, "Hello world")).splices).toEqual([]);
  expect(typed(splice(0, 11), splice(0, 0, "Hello new world")).splices).toEqual([splice(6, 0, "new ")]);
  expect(typed(splice(0, 11), splice(0, 0, "Hello, ld"), splice(0, 1, "J")).splices).toEqual([splice(0, 9, "Jello, ")]);
  expect(typed(splice(4, 1, "oo"), splice(0, 0, "!")).splices).toEqual([splice(5, 0, "o"), splice(0, 0, "!")]);
  // Characters that begin or end alike are wholes.
  const faces = new TextEdits(["text"], "a😀b😁c");
  expect(faces.add(splice(1, 2, "😂"))).toBe(true);
  expect(faces.add(splice(4, 2, "\u{2F601}"))).toBe(true);
  expect(faces.splices).toEqual([splice(4, 2, "\u{2F601}"), splice(1, 2, "😂")]);
});

test("[DOC-74] lines that stay where many are replaced are not touched", () => {
  const lines = Array.from({ length: 60 }, (_, i) => `line ${i} of a poem\n`);
  const before = `Title\n${lines.join("")}End`;
  const edits = new TextEdits(["text"], before);
  const changed = lines.with(2, "verse 2 of a poem\n").with(50, "").toSpliced(10, 0, "One more\n");
  expect(edits.add(splice(6, before.length - 9, ["New\n", ...changed, "New\n"].join("")))).toBe(true);
  const after = `Title\nNew\n${changed.join("")}New\nEnd`;
  expect(edits.splices).toEqual([
    splice(6, 0, "New\n"),
    splice(after.indexOf("verse"), 3, "vers"),
    splice(after.indexOf("One more"), 0, "One more\n"),
    splice(after.indexOf("line 51"), "line 50 of a poem\n".length),
    splice(after.length - 7, 0, "New\n"),
  ]);
});

test("[DOC-74] what is short, or has little that stays, is replaced as one", () => {
  const edits = (before: string, after: string): TextEdits => {
    const all = new TextEdits(["text"], before);
    expect(all.add(splice(0, before.length, after))).toBe(true);
    return all;
  };
  const short = "x".repeat(comparedUnitsMin - 3);
  expect(edits(`${short}\n.`, `A\n${short}\n,`).splices).toHaveLength(1);
  expect(edits(`${short}x\n.`, `A\n${short}x\n,`).splices).toHaveLength(2);
  const many = (word: string, count: number): string =>
    Array.from({ length: count }, (_, i) => `${word}${i}\nsame\n`).join("");
  const half = comparedLinesMax / 2;
  expect(edits(many("a", half), many("b", half)).splices).toHaveLength(half);
  expect(edits(many("a", half + 1), many("b", half + 1)).splices).toHaveLength(1);
});

test("[DOC-74] whatever lines are replaced, the splices say the same, and so does Automerge", () => {
  const lines = fc
    .array(fc.constantFrom("if (a) {\n", "}\n", "\n", "👍👍 and more of it\n", "no end", "\r\n", "x\ry\n"), {
      maxLength: 80,
    })
    .map((all) => `${all.join("")}${" ".repeat(comparedUnitsMin)}`);
  fc.assert(
    fc.property(lines, lines, fc.nat(30), fc.nat(30), (before, after, from, to) => {
      const [begin, end] = [isHalf(before, from) ? from + 1 : from, before.length - to];
      const edits = new TextEdits(["text"], before);
      const edit = splice(begin, end - begin, after);
      expect(edits.add(edit)).toBe(true);
      expect(apply(before, edits.splices)).toBe(apply(before, [edit]));
      const units = edits.splices.reduce((sum, { deleteCount, text }) => sum + deleteCount + text.length, 0);
      expect(units).toBeLessThanOrEqual(edit.deleteCount + after.length);
      const doc = automerge.change(automerge.init({ actor: "aa".repeat(16) }), {}, (draft) => {
        Object.assign(draft, { text: before });
        for (const { index, deleteCount, text } of edits.splices)
          automerge.splice(draft, ["text"], index, deleteCount, text);
      });
      expect(doc).toEqual({ text: apply(before, [edit]) });
    }),
    { numRuns: 50 },
  );
});

test("[DOC-74] what is typed in two places is two splices, however often one goes to and fro", () => {
  const here = [splice(0, 0, "a"), splice(8, 0, "c"), splice(1, 0, "b"), splice(10, 0, "d")];
  expect(typed(...here).splices).toEqual([splice(7, 0, "cd"), splice(0, 0, "ab")]);
  // Cut, pasted elsewhere, and that undone.
  const moved = [splice(0, 6), splice(5, 0, "Hello "), splice(5, 6), splice(0, 0, "Hello ")];
  expect(typed(...moved).splices).toEqual([]);
  // What is between two places is deleted with a part of each.
  expect(typed(splice(1, 2, "123"), splice(8, 1, "456"), splice(2, 8, "-")).splices).toEqual([splice(1, 7, "1-6")]);
  expect(typed(splice(3, 1), splice(5, 1), splice(3, 2, "")).splices).toEqual([splice(3, 4)]);
});

test("[DOC-74] edits in too many places are for Automerge to see", () => {
  const edits = new TextEdits(["text"], "-".repeat(2 * gatheredPlacesMax + 2));
  for (let i = 0; i < gatheredPlacesMax; i++) expect(edits.add(splice(i * 3, 0, "x"))).toBe(true);
  expect(edits.add(splice(gatheredPlacesMax * 3, 0, "x"))).toBe(false);
  expect(edits.add(splice(1, 1, "x"))).toBe(true);
  expect(edits.splices).toHaveLength(gatheredPlacesMax);
});

test("[DOC-74] whatever is typed, the splices say the same, and so does Automerge", () => {
  fc.assert(
    fc.property(
      fc.oneof(alike, fc.string({ unit: "binary", maxLength: 8 })),
      fc.array(edit, { maxLength: 12 }),
      (start, edits) => {
        const text = start.replaceAll(/\p{Surrogate}/gu, "?");
        const gathered = new TextEdits(["text"], text);
        const taken = edits.filter((one) => gathered.add(one));
        const expected = apply(text, taken);
        expect(apply(text, gathered.splices)).toBe(expected);
        expect(gathered.splices.length).toBeLessThanOrEqual(taken.length);
        const doc = automerge.change(automerge.init({ actor: "aa".repeat(16) }), {}, (draft) => {
          Object.assign(draft, { text });
          for (const { index, deleteCount, text: inserted } of taken)
            automerge.splice(draft, ["text"], index, deleteCount, inserted);
        });
        expect(doc).toEqual({ text: expected });
      },
    ),
  );
});

test("[DOC-74] what lies outside, halves a character, or is too much is for Automerge to see", () => {
  const edits = new TextEdits(["text"], "a👍b");
  for (const one of [splice(5, 0, "x"), splice(3, 2), splice(2, 0, "x"), splice(1, 1), splice(0, 0, "\ud83d")])
    expect(edits.add(one)).toBe(false);
  expect(edits.add(splice(1, 2))).toBe(true);
  expect(edits.add(splice(2, 1))).toBe(false);
  expect(edits.splices).toEqual([splice(1, 2)]);
  const long = new TextEdits(["text"], "");
  expect(long.add(splice(0, 0, "x".repeat(gatheredUnitsMax - 1)))).toBe(true);
  expect(long.add(splice(0, 1, "y"))).toBe(false);
  expect(long.add(splice(0, 1))).toBe(true);
  expect(long.add(splice(0, 0, "z"))).toBe(false);
});

test("[DOC-74] edits are of one text", () => {
  const path = ["list", 0, "text"];
  const edits = new TextEdits(path, "");
  path[1] = 1;
  expect(edits.isAt(["list", 0, "text"])).toBe(true);
  for (const other of [
    ["list", 1, "text"],
    ["list", 0],
    ["list", 0, "text", 0],
    ["list", "0", "text"],
  ])
    expect(edits.isAt(other)).toBe(false);
});
