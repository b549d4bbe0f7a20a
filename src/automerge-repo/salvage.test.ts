import { next as A } from "@automerge/automerge";
import { expect, test } from "vitest";
import { concatBytes, equalBytes } from "../core/bytes.ts";
import { plainSha256 } from "../crypto/plain-sha256.ts";
import { salvage } from "./salvage.ts";

type Text = Readonly<Record<string, string>>;

/** As automerge-repo stores them: a document, then changes. */
function pieces(): readonly Uint8Array[] {
  let doc = A.from<Text>({ begin: "x".repeat(300) }, { actor: "aa" });
  const all = [A.save(doc)];
  for (const text of ["one", "two", "y".repeat(5_000)]) {
    const heads = A.getHeads(doc);
    doc = A.change(doc, { time: 0 }, (draft) => Object.assign(draft, { [`${text.length}${text[0]}`]: text }));
    all.push(A.saveSince(doc, heads));
  }
  return all;
}

const sound = pieces();

test("[REPO-2] of pieces one after the other, all but the one with a flipped bit are sound", () => {
  for (const [i, piece] of sound.entries())
    for (let at = 0; at < piece.length; at += at < 20 ? 1 : 37) {
      const flipped = piece.slice();
      flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
      const { bytes, pieces: count } = salvage(concatBytes(...sound.with(i, flipped)), plainSha256);
      // A beginning or a length that is wrong leads nowhere: then the pieces before it are what is left.
      const isLost = at < 4 || (at >= 9 && at <= piece.findIndex((byte, k) => k >= 9 && byte < 0x80));
      const expected = isLost ? sound.slice(0, i) : sound.toSpliced(i, 1);
      expect([i, at, count]).toEqual([i, at, expected.length]);
      expect(equalBytes(bytes, concatBytes(...expected))).toBe(true);
    }
});

test("[REPO-2] what only looks like a piece inside of one that is damaged is none", () => {
  const [inner] = sound.slice(1);
  const doc = A.from({ inner: inner as Uint8Array }, { actor: "bb" });
  const outer = A.getLastLocalChange(doc)?.slice() as Uint8Array;
  for (const at of [1, 4, 9, outer.length - 2]) {
    const flipped = outer.slice();
    flipped[at] = (flipped[at] as number) ^ 1;
    expect(salvage(flipped, plainSha256).pieces).toBe(0);
  }
});

test.each([[[]], [[0x85]], [[0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]])(
  "%j has no sound piece",
  (bytes) => {
    expect(salvage(new Uint8Array(bytes), plainSha256)).toEqual({ bytes: new Uint8Array(), pieces: 0 });
  },
);
