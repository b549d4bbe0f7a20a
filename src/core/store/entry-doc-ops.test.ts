import { describe, expect, test } from "vitest";
import { tailOfMany } from "../../testing/document-tail.ts";
import { encodeDocPayload } from "../document/doc-payload.ts";
import type { StorePart } from "../entry.ts";
import { docOpsMax } from "../limits.ts";
import { decodeSealedStores, decodeStores } from "./kinds.ts";
import { encodeContent } from "./sealed.ts";

/** Less than 100 bytes of a document that hold so many ops. */
function partOf(name: string, count: number): StorePart {
  const tail = tailOfMany(count);
  return {
    name,
    type: "doc",
    payload: encodeDocPayload(new Uint8Array(16), [{ tail, deps: [], label: new Uint8Array() }]),
  };
}

describe("[DOC-41] the documents of an entry", () => {
  const half = docOpsMax / 2;
  const full = ["a", "b"].map((name) => partOf(name, half));

  test("hold so many ops together, and not one more, however few bytes they are", () => {
    const beyond = [...full, partOf("c", 1)];
    expect(beyond.reduce((sum, { payload }) => sum + payload.length, 0)).toBeLessThan(300);
    expect(decodeStores(full).ok).toBe(true);
    for (const decode of [decodeStores(beyond), decodeSealedStores(encodeContent(beyond))])
      expect(decode).toMatchObject({ ok: false, failure: { code: "ENTRY_PAYLOAD", details: { store: "c" } } });
  });
});
