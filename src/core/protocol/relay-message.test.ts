import fc from "fast-check";
import { expect, test } from "vitest";
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
const card = fc.uint8Array({ minLength: 32, maxLength: cardBytesMax });
const sealed = fc.oneof(fc.uint8Array({ maxLength: 300 }), bytesOf(sealedNoteBytesMax));
const word = fc.string({ unit: "binary", maxLength: 8 });

const clientMessage: fc.Arbitrary<ClientMessage> = fc.oneof(
  fc.record({ type: fc.constant("prove" as const), card, signature: bytesOf(64) }),
  fc.record({ type: fc.constantFrom("enter" as const, "leave" as const), room }),
  fc.record({ type: fc.constant("send" as const), to: key, sealed }),
);
const relayMessage: fc.Arbitrary<RelayMessage> = fc.oneof(
  fc.record({ type: fc.constant("challenge" as const), version: fc.nat(), nonce: bytesOf(32) }),
  fc.record({ type: fc.constantFrom("welcome" as const, "alive" as const) }),
  fc.record({ type: fc.constant("present" as const), room, cards: fc.array(card, { maxLength: cardsPerMessageMax }) }),
  fc.record({ type: fc.constant("entered" as const), room, card }),
  fc.record({ type: fc.constant("left" as const), room, key }),
  fc.record({ type: fc.constant("full" as const), room }),
  fc.record({ type: fc.constant("deliver" as const), from: key, sealed }),
  fc.record({ type: fc.constant("refused" as const), code: word, text: word }),
);

const directions = [
  { name: "client", messages: clientMessage, encode: encodeClientMessage, decode: decodeClientMessage },
  { name: "relay", messages: relayMessage, encode: encodeRelayMessage, decode: decodeRelayMessage },
] as const;

/** Bytes of a valid message with one byte changed, cut off or added: near enough to reach every check. */
const damaged = fc
  .tuple(
    fc.oneof(clientMessage.map(encodeClientMessage), relayMessage.map(encodeRelayMessage)),
    fc.nat(),
    fc.nat(255),
    fc.constantFrom("change", "cut", "add"),
  )
  .map(([bytes, where, value, how]) => {
    const at = where % Math.min(bytes.length, 60);
    if (how === "cut") return bytes.slice(0, at);
    if (how === "add") return Uint8Array.of(...bytes.subarray(0, at), value, ...bytes.subarray(at));
    return bytes.with(at, value);
  });

for (const { name, messages, encode, decode } of directions) {
  test(`[RELAY-1] every ${name} message comes back from its bytes and fits into one frame`, () => {
    fc.assert(
      fc.property(messages, (message) => {
        const bytes = (encode as (message: ClientMessage | RelayMessage) => Uint8Array)(message);
        expect(bytes.length).toBeLessThanOrEqual(relayMessageBytesMax);
        expect(decode(bytes)).toEqual({ ok: true, value: message });
      }),
    );
  });

  test(`[RELAY-1] bytes that decode as a ${name} message are the bytes it encodes to; others are refused with a code`, () => {
    let accepted = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        const result = decode(bytes);
        if (result.ok) {
          accepted++;
          expect((encode as (message: ClientMessage | RelayMessage) => Uint8Array)(result.value)).toEqual(bytes);
        } else {
          refused++;
          expect(result.failure.code).toMatch(/^(CBOR_|RELAY_MESSAGE$)/);
        }
      }),
      { numRuns: 2_000 },
    );
    expect(accepted).toBeGreaterThan(20);
    expect(refused).toBeGreaterThan(200);
  });
}

test("[RELAY-1] what is larger than the limits is refused", () => {
  const to = publicKeyFromBytes(new Uint8Array(32));
  const tooLong = encodeClientMessage({ type: "send", to, sealed: new Uint8Array(sealedNoteBytesMax + 1) });
  expect(decodeClientMessage(tooLong)).toMatchObject({ ok: false, failure: { code: "CBOR_TOO_LARGE" } });
  const largeCard = encodeClientMessage({
    type: "prove",
    card: new Uint8Array(cardBytesMax + 1),
    signature: new Uint8Array(64),
  });
  expect(decodeClientMessage(largeCard)).toMatchObject({ ok: false, failure: { code: "CBOR_TOO_LARGE" } });
  const shortCard = encodeClientMessage({ type: "prove", card: new Uint8Array(31), signature: new Uint8Array(64) });
  expect(decodeClientMessage(shortCard)).toMatchObject({ ok: false, failure: { code: "RELAY_MESSAGE" } });
  const cards = Array.from({ length: cardsPerMessageMax + 1 }, () => new Uint8Array(32));
  const crowd = encodeRelayMessage({ type: "present", room: roomFromBytes(new Uint8Array(32)), cards });
  expect(decodeRelayMessage(crowd)).toMatchObject({ ok: false, failure: { code: "CBOR_TOO_LARGE" } });
  expect(decodeClientMessage(new Uint8Array(relayMessageBytesMax + 1))).toMatchObject({
    ok: false,
    failure: { code: "RELAY_MESSAGE" },
  });
});

test("[RELAY-2] what is signed differs whenever the nonce or the host does", () => {
  fc.assert(
    fc.property(
      bytesOf(32),
      bytesOf(32),
      fc.webAuthority(),
      fc.webAuthority(),
      (nonce, otherNonce, host, otherHost) => {
        const same = encodeHex(nonce) === encodeHex(otherNonce) && host === otherHost;
        expect(encodeHex(proofBytes(nonce, host)) === encodeHex(proofBytes(otherNonce, otherHost))).toBe(same);
      },
    ),
  );
  expect(keyOfCard(new Uint8Array(31))).toBeUndefined();
});
