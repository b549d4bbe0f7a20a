import fc from "fast-check";
import { expect, test } from "vitest";
import type { Result } from "../errors.ts";
import { encodeHex, type PublicKey, publicKeyFromBytes } from "../ids.ts";
import { cardBytesMax, cardsPerMessageMax, relayMessageBytesMax, sealedNoteBytesMax } from "../limits.ts";
import {
  type ClientMessage,
  decodeClientMessage,
  decodeRelayMessage,
  encodeClientMessage,
  encodeRelayMessage,
  keyOfCard,
  proofBytes,
  type RelayMessage,
  type Room,
  roomFromBytes,
} from "./relay-message.ts";

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const room: fc.Arbitrary<Room> = bytesOf(32).map(roomFromBytes);
const key: fc.Arbitrary<PublicKey> = bytesOf(32).map(publicKeyFromBytes);
const card = fc.uint8Array({ minLength: 32, maxLength: 200 });
const sealed = fc.uint8Array({ maxLength: 300 });
const word = fc.string({ unit: "binary", maxLength: 8 });

const clientMessages: fc.Arbitrary<ClientMessage> = fc.oneof(
  fc.record({ type: fc.constant("prove" as const), card, signature: bytesOf(64) }),
  fc.record({ type: fc.constantFrom("enter" as const, "leave" as const), room }),
  fc.record({ type: fc.constant("send" as const), to: key, sealed }),
);
const relayMessages: fc.Arbitrary<RelayMessage> = fc.oneof(
  fc.record({ type: fc.constant("challenge" as const), version: fc.nat(), nonce: bytesOf(32) }),
  fc.record({ type: fc.constantFrom("welcome" as const, "alive" as const) }),
  fc.record({ type: fc.constant("present" as const), room, cards: fc.array(card, { maxLength: 4 }) }),
  fc.record({ type: fc.constant("entered" as const), room, card }),
  fc.record({ type: fc.constant("left" as const), room, key }),
  fc.record({ type: fc.constant("full" as const), room }),
  fc.record({ type: fc.constant("deliver" as const), from: key, sealed }),
  fc.record({ type: fc.constant("refused" as const), code: word, text: word }),
);

/** A valid message with one byte changed, added, or the rest cut off: near enough to reach every check. */
function damage(bytes: Uint8Array, where: number, value: number, how: "change" | "add" | "cut"): Uint8Array {
  const at = where % Math.min(bytes.length, 60);
  if (how === "change") return bytes.with(at, value);
  const added = how === "add" ? [value, ...bytes.subarray(at)] : [];
  return Uint8Array.of(...bytes.subarray(0, at), ...added);
}

function checkDirection<M>(
  name: string,
  messages: fc.Arbitrary<M>,
  encode: (message: M) => Uint8Array,
  decode: (bytes: Uint8Array) => Result<M>,
): void {
  test(`[RELAY-1] every ${name} message comes back from its bytes`, () => {
    fc.assert(
      fc.property(messages, (message) => {
        expect(decode(encode(message))).toEqual({ ok: true, value: message });
      }),
    );
  });

  test(`[RELAY-1] an array that says it holds more or fewer items than the ${name} message has is refused`, () => {
    fc.assert(
      fc.property(messages, fc.constantFrom(-1, 1), (message, difference) => {
        const bytes = encode(message);
        expect(decode(bytes.with(0, (bytes[0] ?? 0) + difference)).ok).toBe(false);
      }),
    );
  });

  test(`[RELAY-1] bytes decode as a ${name} message only if it encodes to them; others are refused with a code`, () => {
    const how = fc.constantFrom("change" as const, "add" as const, "cut" as const);
    const damaged = fc.tuple(messages.map(encode), fc.nat(), fc.nat(255), how).map((damages) => damage(...damages));
    const counts = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(fc.oneof(damaged, damaged, fc.uint8Array({ maxLength: 100 })), (bytes) => {
        const result = decode(bytes);
        counts[result.ok ? "accepted" : "refused"]++;
        if (result.ok) expect(encode(result.value)).toEqual(bytes);
        else expect(result.failure.code).toMatch(/^(CBOR_|RELAY_MESSAGE$)/);
      }),
      { numRuns: 500 },
    );
    expect(counts.accepted).toBeGreaterThan(10);
    expect(counts.refused).toBeGreaterThan(100);
  });
}

checkDirection("client", clientMessages, encodeClientMessage, decodeClientMessage);
checkDirection("relay", relayMessages, encodeRelayMessage, decodeRelayMessage);

const someKey = publicKeyFromBytes(new Uint8Array(32));
const someRoom = roomFromBytes(new Uint8Array(32));
const send = (length: number) => encodeClientMessage({ type: "send", to: someKey, sealed: new Uint8Array(length) });
const prove = (length: number) =>
  encodeClientMessage({ type: "prove", card: new Uint8Array(length), signature: new Uint8Array(64) });
const present = (count: number) => {
  const cards = new Array<Uint8Array>(count).fill(new Uint8Array(cardBytesMax));
  return encodeRelayMessage({ type: "present", room: someRoom, cards });
};

test("[RELAY-1] what is as large as the limits is taken and fits into one frame, what is larger is refused", () => {
  for (const bytes of [send(sealedNoteBytesMax), prove(cardBytesMax), prove(32)]) {
    expect(bytes.length).toBeLessThanOrEqual(relayMessageBytesMax);
    expect(decodeClientMessage(bytes).ok).toBe(true);
  }
  expect(present(cardsPerMessageMax).length).toBeLessThanOrEqual(relayMessageBytesMax);
  expect(decodeRelayMessage(present(cardsPerMessageMax)).ok).toBe(true);

  const tooLarge = { ok: false, failure: { code: "CBOR_TOO_LARGE" } };
  expect(decodeClientMessage(send(sealedNoteBytesMax + 1))).toMatchObject(tooLarge);
  expect(decodeClientMessage(prove(cardBytesMax + 1))).toMatchObject(tooLarge);
  expect(decodeRelayMessage(present(cardsPerMessageMax + 1))).toMatchObject(tooLarge);
  const malformed = { ok: false, failure: { code: "RELAY_MESSAGE" } };
  expect(decodeClientMessage(prove(31))).toMatchObject(malformed);
  expect(decodeClientMessage(new Uint8Array(relayMessageBytesMax + 1))).toMatchObject(malformed);
});

test("[RELAY-2] what is signed differs when the nonce or the host differs", () => {
  const signed = (nonce: Uint8Array, host: string) => encodeHex(proofBytes(nonce, host));
  fc.assert(
    fc.property(
      bytesOf(32),
      bytesOf(32),
      fc.webAuthority(),
      fc.webAuthority(),
      (nonce, otherNonce, host, otherHost) => {
        expect(signed(nonce, host) === signed(otherNonce, host)).toBe(encodeHex(nonce) === encodeHex(otherNonce));
        expect(signed(nonce, host) === signed(nonce, otherHost)).toBe(host === otherHost);
      },
    ),
  );
});

test("[RELAY-2] a card shorter than a key claims none", () => {
  expect(keyOfCard(new Uint8Array(31))).toBeUndefined();
  expect(keyOfCard(new Uint8Array(161))).toBe(someKey);
});
