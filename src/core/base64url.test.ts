import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";

test("[TICKET-3] base64url is what the platform writes, and comes back as the same bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = encodeBase64Url(bytes);
      expect(text).toBe(Buffer.from(bytes).toString("base64url"));
      expect(decodeBase64Url(text)).toEqual(bytes);
    }),
  );
});

test("[TICKET-3] no bytes have two texts: whatever decodes encodes to the same text", () => {
  const characters = fc.constantFrom(..."ABCwxyz019-_+/= é");
  fc.assert(
    fc.property(fc.array(characters, { maxLength: 12 }), (list) => {
      const text = list.join("");
      const bytes = decodeBase64Url(text);
      if (bytes !== undefined) expect(encodeBase64Url(bytes)).toBe(text);
      else expect(encodeBase64Url(Buffer.from(text, "base64url"))).not.toBe(text);
    }),
    { numRuns: 1_000 },
  );
});
