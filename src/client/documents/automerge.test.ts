import * as A from "@automerge/automerge";
import { expect, test } from "vitest";
import { type Automerge, automergeLoader } from "./automerge.ts";

const automerge: Automerge = A;

test("[DOC-55] the Automerge that the package names makes the known change as it is known, wherever it comes from", async () => {
  expect(await automergeLoader({}, async () => automerge)()).toBe(automerge);
  expect((await automergeLoader({})()).change).toBe(A.change);
});

const others: Readonly<Record<string, Partial<Automerge>>> = {
  "writes other contents": {
    change: (doc, options, callback) => automerge.change(doc, { ...options, time: 2 }, callback),
  },
  "hands out other bytes than it hashes": {
    getChangesSince: (doc, heads) =>
      automerge.getChangesSince(doc, heads).map((bytes) => bytes.map((byte, at) => (at === 9 ? byte + 1 : byte))),
  },
  "hashes otherwise": { getHeads: () => ["0".repeat(64)] },
  "makes two changes of one": {
    getChangesSince: (doc, heads) => automerge.getChangesSince(doc, heads).flatMap((bytes) => [bytes, bytes]),
  },
};

test.each(Object.entries(others))("[DOC-55] an Automerge that %s is DOC_UNAVAILABLE, each time", async (_, other) => {
  const load = automergeLoader({}, async () => ({ ...automerge, ...other }));
  for (let time = 0; time < 2; time++) {
    await expect(load()).rejects.toMatchObject({
      code: "DOC_UNAVAILABLE",
      details: { reason: expect.stringContaining("encodes changes otherwise") },
    });
  }
});
