import fc from "fast-check";
import { expect, test } from "vitest";
import { arbitraryEntryId, arbitraryPublicKey, arbitraryValue } from "../../testing/arbitrary.ts";
import { arbitraryAnnouncement } from "../../testing/arbitrary-message.ts";
import { keyOf } from "../../testing/writers.ts";
import type { EntryId } from "../ids.ts";
import { presenceContentBytesMax, presenceLifeMsMax, presenceStateBytesMax } from "../limits.ts";
import { decodeMessage, encodeMessage, type PresenceMessage } from "../protocol/message.ts";
import {
  type Announcement,
  type AnnouncementBody,
  announcementMessage,
  decodePresenceState,
  encodePresenceState,
  pageIdFromHex,
  presenceAssociated,
  readSealedContent,
  sealedContent,
} from "./announcement.ts";

/** What is signed. */
const fields: (keyof AnnouncementBody)[] = ["author", "page", "counter", "sentMs", "lifeMs", "content"];
const database = "12".repeat(32) as EntryId;
const page = pageIdFromHex("ab".repeat(16));

function announcement(changes: Partial<Announcement> = {}): Announcement {
  const [content, signature] = [new Uint8Array([0xf6]), new Uint8Array(64)];
  return { author: keyOf(1), page, counter: 1, sentMs: 1_000, lifeMs: 30_000, content, signature, ...changes };
}

function message(changes: Partial<Announcement>, ageMs = 0): PresenceMessage {
  return { type: "presence", database, ageMs, announcement: announcement(changes) };
}

test.each([
  ["a life of nothing", message({ lifeMs: 0 })],
  ["a life beyond the limit", message({ lifeMs: presenceLifeMsMax + 1 })],
  ["an age beyond it", message({}, presenceLifeMsMax + 1)],
  ["content beyond the limit", message({ content: new Uint8Array(presenceContentBytesMax + 1) })],
  ["a signature of another length", message({ signature: new Uint8Array(63) })],
])("[PRESENCE-1] %s is refused", (_what, sent) => {
  const decoded = decodeMessage(encodeMessage(sent));
  expect(decoded.ok || decoded.failure.code).toMatch(/^(CBOR_|MESSAGE_MALFORMED$)/);
});

test("[PRESENCE-1] content and life up to the limits are read", () => {
  const largest = message({ content: new Uint8Array(presenceContentBytesMax), lifeMs: presenceLifeMsMax });
  expect(decodeMessage(encodeMessage(largest))).toEqual({ ok: true, value: largest });
});

test("[PRESENCE-1] only 32 hex digits name a page", () => {
  for (const name of ["", "ab", "AB".repeat(16), "ab".repeat(17), `${"ab".repeat(15)}zz`])
    expect(() => pageIdFromHex(name)).toThrow("INPUT_INVALID");
});

test("[PRESENCE-2] whatever an announcement says differently, and in another database, something else is signed", () => {
  const announcements = arbitraryAnnouncement(arbitraryPublicKey());
  const pair = fc.tuple(announcements, fc.boolean(), announcements, fc.subarray(fields, { minLength: 1 }));
  fc.assert(
    fc.property(pair, arbitraryEntryId(), ([one, isElsewhere, other, taken], elsewhere) => {
      const changed = { ...one, ...Object.fromEntries(taken.map((field) => [field, other[field]])) };
      const isSame = taken.every((field) => String(one[field]) === String(other[field])) && !isElsewhere;
      const signed = announcementMessage(isElsewhere ? elsewhere : database, changed);
      expect(String(signed) === String(announcementMessage(database, one))).toBe(isSame);
    }),
  );
});

test("[PRESENCE-2] what is sealed is bound to all of that but the content", () => {
  const one = announcement();
  const others = [
    { author: keyOf(2) },
    { page: pageIdFromHex("cd".repeat(16)) },
    { counter: 2 },
    { sentMs: 2 },
    { lifeMs: 2 },
  ];
  const bound = [database, "34".repeat(32) as EntryId].map((id) => String(presenceAssociated(id, one)));
  for (const other of others) bound.push(String(presenceAssociated(database, { ...one, ...other })));
  expect(new Set(bound).size).toBe(bound.length);
});

test("[PRESENCE-3] a state comes out as it went in, and sealed content as it was put together", () => {
  fc.assert(
    fc.property(arbitraryValue(), (value) => {
      const bytes = encodePresenceState(value);
      const decoded = decodePresenceState(bytes);
      expect(decoded.ok && encodePresenceState(decoded.value)).toEqual(bytes);
    }),
  );
  const sealed = {
    keyId: "ab".repeat(16) as never,
    nonce: new Uint8Array(12).fill(1),
    ciphertext: new Uint8Array([2]),
  };
  expect(readSealedContent(sealedContent(sealed))).toEqual(sealed);
  expect(readSealedContent(new Uint8Array(28))).toBeUndefined();
});

test("[PRESENCE-3] a state that has no encoding, or one above the limit, is refused; so is what is no state", () => {
  const text = (length: number): string => "x".repeat(length);
  expect(encodePresenceState(text(presenceStateBytesMax - 3))).toHaveLength(presenceStateBytesMax);
  for (const state of [text(presenceStateBytesMax - 2), undefined, Number.NaN, () => {}])
    expect(() => encodePresenceState(state)).toThrow("INPUT_INVALID");
  for (const bytes of [
    new Uint8Array([0x18, 0x01]),
    new Uint8Array([0xf6, 0xf6]),
    new Uint8Array(presenceStateBytesMax + 1),
  ])
    expect(decodePresenceState(bytes).ok).toBe(false);
});
