import * as A from "@automerge/automerge";
import { expect, test } from "vitest";
import { bridgeTo } from "./crossing.ts";

interface Page {
  text: string;
  more?: number;
}

const ours = "aa".repeat(16);

function write(doc: A.Doc<Page>, index: number, text: string, actor: string): A.Doc<Page> {
  return A.change(A.clone(doc, { actor }), (draft) => A.splice(draft, ["text"], index, 0, text));
}

/** What an editor does to its text, one after the other, that knows only heads. */
function texts(...shown: readonly A.Doc<Page>[]): readonly unknown[] {
  return shown.map((doc, at) => {
    const before = shown[at - 1];
    return before === undefined ? doc.text : A.diff(doc, A.getHeads(before), A.getHeads(doc));
  });
}

const empty = A.change(A.init<Page>({ actor: ours }), (draft) => {
  draft.text = "Hello";
});

test("[REPO-11] nothing is between two states of one history", () => {
  expect(bridgeTo(empty, write(empty, 5, "!", ours))).toBeUndefined();
  expect(bridgeTo(A.init(), empty)).toBeUndefined();
});

test("[REPO-11] between a history and one that lacks some of it is one that tells what is different", () => {
  const other = write(empty, 5, "!", "bb".repeat(16));
  const shown = A.merge(write(empty, 0, "Refused ", ours), other);
  const next = A.clone(other, { actor: "cc".repeat(16) });
  const bridge = bridgeTo(shown, next) as A.Doc<Page>;
  expect(bridge).toEqual(next);
  expect(texts(shown, bridge, next)).toEqual(["Refused Hello!", [{ action: "del", path: ["text", 0], length: 8 }], []]);
});

test("[REPO-11] where two histories have another change under one number, all is different", () => {
  const other = write(empty, 5, "!", "bb".repeat(16));
  const shown = A.merge(write(empty, 0, "One ", ours), other);
  const next = A.merge(write(empty, 0, "Another ", ours), other);
  const bridge = bridgeTo(shown, next) as A.Doc<Page>;
  expect(bridge).toEqual(next);
  const anew = [
    { action: "put", path: ["text"], value: "" },
    { action: "splice", path: ["text", 0], value: "Another Hello!" },
  ];
  expect(texts(shown, bridge, next)).toEqual(["One Hello!", expect.arrayContaining(anew), anew]);
});
