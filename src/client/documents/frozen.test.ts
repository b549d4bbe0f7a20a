import { expect, test } from "vitest";
import { freezeDocument } from "./frozen.ts";

test("[DOC-60] what is frozen already is not walked through again", () => {
  const same = Object.freeze(
    Object.defineProperty({}, "deep", { enumerable: true, get: () => expect.fail("it was looked into") }),
  );
  const doc = freezeDocument({ same, list: [{ deep: 1 }] });
  expect([doc, doc.list, doc.list[0]].every(Object.isFrozen)).toBe(true);
  expect(doc.same).toBe(same);
});
