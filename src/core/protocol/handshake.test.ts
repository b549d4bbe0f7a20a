import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, equalBytes } from "../bytes.ts";
import { CborWriter } from "../cbor-writer.ts";
import type { ErrorCode } from "../errors.ts";
import { decodeHex, type PublicKey, publicKeyFromHex } from "../ids.ts";
import { earlyMessagesMax, featuresMax } from "../limits.ts";
import { encodeUtf8 } from "../utf8.ts";
import { Handshake, type HandshakeEffect, type HandshakeOptions, protocolVersions } from "./handshake.ts";
import {
  decodeHandshakeMessage,
  encodeHandshakeMessage,
  type HandshakeMessage,
  type HelloMessage,
} from "./handshake-message.ts";

const alice = publicKeyFromHex("a1".repeat(32));
const bob = publicKeyFromHex("b0".repeat(32));
const mallory = publicKeyFromHex("66".repeat(32));

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

/** Stands in for Ed25519: a function of key and message. Nobody in these tests signs with a key not their own. */
const ids = { epoch: "e0".repeat(16), boot: "b0".repeat(8) };

function signAs(key: PublicKey, message: Uint8Array): Uint8Array {
  const digest = sha256(concatBytes(encodeUtf8(key), message));
  return concatBytes(digest, digest);
}

/** One side with its effects carried out: what it sends is in `sent`, signatures are made and checked at once. */
class Side {
  readonly sent: Uint8Array[] = [];
  readonly #options: HandshakeOptions;
  readonly #handshake: Handshake;
  completed: Extract<HandshakeEffect, { type: "completed" }> | undefined;
  failed: ErrorCode | undefined;
  /** The transcript that it signed or checked a signature of, when it came so far. */
  agreed: Uint8Array | undefined;

  constructor(options: Partial<HandshakeOptions> & Pick<HandshakeOptions, "initiator" | "self">) {
    const nonce = new Uint8Array(32).fill(options.initiator ? 1 : 2);
    this.#options = {
      expected: undefined,
      binding: Uint8Array.of(7, 7),
      nonce,
      features: [],
      ...ids,
      sha256,
      ...options,
    };
    this.#handshake = new Handshake(this.#options);
    this.#carryOut(this.#handshake.step({ type: "started" }));
  }

  receive(bytes: Uint8Array): this {
    this.#carryOut(this.#handshake.step({ type: "received", bytes }));
    return this;
  }

  timeOut(): void {
    this.#carryOut(this.#handshake.step({ type: "timedOut", afterMs: 10_000 }));
  }

  #carryOut(effects: readonly HandshakeEffect[]): void {
    for (const effect of effects) {
      if (effect.type === "sign" || effect.type === "verify") this.agreed = effect.message.slice(-32);
      if (effect.type === "send") this.sent.push(effect.bytes);
      else if (effect.type === "completed") this.completed = effect;
      else if (effect.type === "failed") this.failed = effect.failure.code;
      else if (effect.type === "sign") {
        const signature = signAs(this.#options.self, effect.message);
        this.#carryOut(this.#handshake.step({ type: "signed", signature }));
      } else {
        const valid = equalBytes(signAs(effect.publicKey, effect.message), effect.signature);
        this.#carryOut(this.#handshake.step({ type: "verified", valid }));
      }
    }
  }
}

type Options = Partial<HandshakeOptions>;

function pair(forInitiator: Options = {}, forResponder: Options = {}): { initiator: Side; responder: Side } {
  const initiator = new Side({ initiator: true, self: alice, ...forInitiator });
  return { initiator, responder: new Side({ initiator: false, self: bob, ...forResponder }) };
}

/** Carries messages between two sides, through a hand that may change them, until both are silent. */
function relay(a: Side, b: Side, change: (bytes: Uint8Array, index: number) => Uint8Array = (bytes) => bytes): void {
  let [fromA, fromB, index] = [0, 0, 0];
  while (fromA < a.sent.length || fromB < b.sent.length) {
    if (fromA < a.sent.length) b.receive(change(a.sent[fromA++] as Uint8Array, index++));
    if (fromB < b.sent.length) a.receive(change(b.sent[fromB++] as Uint8Array, index++));
  }
}

function message(side: Side, index: number): Uint8Array {
  const bytes = side.sent[index];
  if (bytes === undefined) throw new Error(`nothing sent at ${index}`);
  return bytes;
}

function helloOf(side: Side): HelloMessage {
  const decoded = decodeHandshakeMessage(message(side, 0));
  if (!decoded.ok || decoded.value.type !== "hello") throw new Error("not a hello");
  return decoded.value;
}

const nonces = fc.uint8Array({ minLength: 32, maxLength: 32 });
const names = fc.stringMatching(/^[a-z0-9/.-]{1,12}$/);
const features = fc.uniqueArray(names, { maxLength: 8 });

describe("between two honest sides", () => {
  test("[HANDSHAKE-2] both complete after three messages and know each other", () => {
    const { initiator, responder } = pair({ expected: bob }, { expected: alice });
    relay(initiator, responder);
    expect([initiator.sent.length, responder.sent.length]).toEqual([2, 1]);
    expect([initiator.completed?.peer, responder.completed?.peer]).toEqual([bob, alice]);
    expect([initiator.completed?.version, responder.completed?.version]).toEqual([2, 2]);
    expect(initiator.completed?.early).toEqual([]);
  });

  test("[HANDSHAKE-2] neither completes before the other's signature came", () => {
    const { initiator, responder } = pair();
    responder.receive(message(initiator, 0));
    expect([initiator.completed, responder.completed]).toEqual([undefined, undefined]);
    initiator.receive(message(responder, 0));
    expect(initiator.completed?.peer).toBe(bob);
    expect(responder.completed).toBeUndefined();
    responder.receive(message(initiator, 1));
    expect(responder.completed?.peer).toBe(alice);
  });

  test("[HANDSHAKE-3] both end with the same transcript, and no two handshakes with the same one", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(nonces, nonces, fc.uint8Array({ maxLength: 80 }), (nonceA, nonceB, binding) => {
        const { initiator, responder } = pair({ nonce: nonceA, binding }, { nonce: nonceB, binding });
        relay(initiator, responder);
        const transcript = initiator.completed?.transcript;
        expect(transcript).toHaveLength(32);
        expect(responder.completed?.transcript).toEqual(transcript);
        const inputs = [nonceA, nonceB, binding].map(String).join();
        if (!seen.has(inputs)) expect(seen.has(String(transcript))).toBe(false);
        seen.add(inputs).add(String(transcript));
      }),
    );
  });

  test("[HANDSHAKE-6] features are what both offer, whatever else one of them offers", () => {
    fc.assert(
      fc.property(features, features, (offeredByA, offeredByB) => {
        const { initiator, responder } = pair({ features: offeredByA }, { features: offeredByB });
        relay(initiator, responder);
        const common = offeredByA.filter((name) => offeredByB.includes(name)).sort();
        expect(initiator.completed?.features).toEqual(common);
        expect(responder.completed?.features).toEqual(common);
      }),
    );
  });

  test("[HANDSHAKE-5] a version that both have is used, whatever else the initiator offers", () => {
    const { initiator, responder } = pair();
    responder.receive(encodeHandshakeMessage({ ...helloOf(initiator), versions: [1, ...protocolVersions, 900] }));
    const answer = decodeHandshakeMessage(message(responder, 0));
    expect(answer).toMatchObject({ ok: true, value: { type: "answer", version: protocolVersions.at(-1) } });
  });

  test("[HANDSHAKE-11] a device of version 1 is refused, whoever of the two opened the channel", () => {
    const old = pair({}, { versions: [1] });
    relay(old.initiator, old.responder);
    expect([old.responder.failed, old.responder.sent.length]).toEqual(["HANDSHAKE_VERSION", 0]);
    const fresh = pair({ versions: [1] }, {});
    relay(fresh.initiator, fresh.responder);
    expect([fresh.responder.failed, fresh.responder.sent.length]).toEqual(["HANDSHAKE_VERSION", 0]);
  });

  test("[HANDSHAKE-9] each side learns the epoch of the other's storage, and which opened instance it is", () => {
    const others = { epoch: "12".repeat(16), boot: "34".repeat(8) };
    const { initiator, responder } = pair({}, others);
    relay(initiator, responder);
    expect([initiator.completed, responder.completed]).toMatchObject([others, ids]);
  });

  test("[HANDSHAKE-8] messages that overtake the check of the proof are handed on in order, up to a limit", () => {
    const responder = new Handshake({
      ...{ initiator: false, self: bob, expected: undefined, binding: Uint8Array.of(7, 7) },
      ...{ nonce: new Uint8Array(32).fill(2), features: [], ...ids, sha256 },
    });
    const { initiator, responder: honest } = pair();
    relay(initiator, honest);
    responder.step({ type: "started" });
    responder.step({ type: "received", bytes: message(initiator, 0) });
    responder.step({ type: "signed", signature: new Uint8Array(64) });
    expect(responder.step({ type: "received", bytes: message(initiator, 1) })).toMatchObject([{ type: "verify" }]);
    const early = Array.from({ length: earlyMessagesMax }, (_, i) => Uint8Array.of(i));
    for (const bytes of early.slice(0, -1)) expect(responder.step({ type: "received", bytes })).toEqual([]);
    const flooded = Array.from({ length: 2 }, (_, i) =>
      responder.step({ type: "received", bytes: Uint8Array.of(31 + i) }),
    );
    expect(flooded).toMatchObject([[], [{ type: "failed", failure: { code: "MESSAGE_UNEXPECTED" } }]]);
  });

  test("[HANDSHAKE-8] the session's messages are part of what completes", () => {
    const { initiator, responder: honest } = pair();
    relay(initiator, honest);
    const responder = new Handshake({
      ...{ initiator: false, self: bob, expected: undefined, binding: Uint8Array.of(7, 7) },
      ...{ nonce: new Uint8Array(32).fill(2), features: [], ...ids, sha256 },
    });
    responder.step({ type: "started" });
    responder.step({ type: "received", bytes: message(initiator, 0) });
    responder.step({ type: "signed", signature: new Uint8Array(64) });
    responder.step({ type: "received", bytes: message(initiator, 1) });
    const early = [Uint8Array.of(1), Uint8Array.of(2, 2)];
    for (const bytes of early) responder.step({ type: "received", bytes });
    expect(responder.step({ type: "verified", valid: true })).toMatchObject([
      { type: "completed", peer: alice, early },
    ]);
  });
});

describe("against an attacker", () => {
  test("[HANDSHAKE-3] somebody in the middle of two channels, who relays every message, makes both sides fail", () => {
    const { initiator, responder } = pair({ binding: Uint8Array.of(1) }, { binding: Uint8Array.of(2) });
    relay(initiator, responder);
    expect(initiator.failed).toBe("HANDSHAKE_SIGNATURE");
    expect([initiator.completed, responder.completed]).toEqual([undefined, undefined]);
    expect(initiator.sent).toHaveLength(1);
  });

  test("[HANDSHAKE-3] a responder refuses a proof made for another channel", () => {
    const { initiator, responder } = pair();
    relay(initiator, responder);
    const victim = new Side({ initiator: false, self: bob, binding: Uint8Array.of(2) });
    victim.receive(message(initiator, 0)).receive(message(initiator, 1));
    expect(victim.failed).toBe("HANDSHAKE_SIGNATURE");
    expect(victim.completed).toBeUndefined();
  });

  test("[HANDSHAKE-3] messages recorded in an earlier handshake are of no use, on whichever side they are played back", () => {
    const { initiator, responder } = pair();
    relay(initiator, responder);
    const laterResponder = new Side({ initiator: false, self: bob, nonce: new Uint8Array(32).fill(3) });
    laterResponder.receive(message(initiator, 0)).receive(message(initiator, 1));
    expect([laterResponder.failed, laterResponder.completed]).toEqual(["HANDSHAKE_SIGNATURE", undefined]);
    const laterInitiator = new Side({ initiator: true, self: alice, nonce: new Uint8Array(32).fill(4) });
    laterInitiator.receive(message(responder, 0));
    expect([laterInitiator.failed, laterInitiator.completed]).toEqual(["HANDSHAKE_SIGNATURE", undefined]);
  });

  test("[HANDSHAKE-3] what is signed is the domain tag of the role and the transcript, so no signature serves twice", () => {
    const { initiator, responder } = pair();
    relay(initiator, responder);
    const transcript = initiator.completed?.transcript ?? new Uint8Array();
    const answer = decodeHandshakeMessage(message(responder, 0));
    const proof = decodeHandshakeMessage(message(initiator, 1));
    const asResponder = signAs(bob, concatBytes(encodeUtf8("tidemark/handshake/1/responder\0"), transcript));
    const asInitiator = signAs(alice, concatBytes(encodeUtf8("tidemark/handshake/1/initiator\0"), transcript));
    expect(answer).toMatchObject({ ok: true, value: { signature: asResponder } });
    expect(proof).toMatchObject({ ok: true, value: { signature: asInitiator } });
  });

  test.each([true, false])("[HANDSHAKE-4] a side that hears only its own echo fails (initiator: %s)", (isInitiator) => {
    const side = new Side({ initiator: isInitiator, self: alice });
    const mirror = new Side({ initiator: !isInitiator, self: alice, nonce: new Uint8Array(32).fill(9) });
    relay(isInitiator ? side : mirror, isInitiator ? mirror : side);
    expect([side.completed, mirror.completed]).toEqual([undefined, undefined]);
    const echoed = new Side({ initiator: true, self: alice });
    echoed.receive(message(echoed, 0));
    expect(echoed.failed).toBe("MESSAGE_UNEXPECTED");
  });

  test("[HANDSHAKE-4] meeting oneself is HANDSHAKE_SELF on both sides", () => {
    const { initiator, responder } = pair({}, { self: alice });
    responder.receive(message(initiator, 0));
    expect(responder.failed).toBe("HANDSHAKE_SELF");
    const answer: HandshakeMessage = {
      ...{ type: "answer", version: protocolVersions[0] as number, features: [], key: alice },
      ...{ nonce: new Uint8Array(32), ...ids, signature: new Uint8Array(64) },
    };
    initiator.receive(encodeHandshakeMessage(answer));
    expect(initiator.failed).toBe("HANDSHAKE_SELF");
  });

  test("[HANDSHAKE-4] another key than expected is HANDSHAKE_PEER before anything is signed for it", () => {
    const unexpected = pair({ self: mallory }, { expected: alice });
    relay(unexpected.initiator, unexpected.responder);
    expect([unexpected.responder.failed, unexpected.responder.sent.length]).toEqual(["HANDSHAKE_PEER", 0]);
    const other = pair({ expected: bob }, { self: mallory });
    relay(other.initiator, other.responder);
    expect([other.initiator.failed, other.initiator.sent.length]).toEqual(["HANDSHAKE_PEER", 1]);
  });

  test("[HANDSHAKE-5] without a common version both sides say so with HANDSHAKE_VERSION", () => {
    const { initiator, responder } = pair();
    responder.receive(encodeHandshakeMessage({ ...helloOf(initiator), versions: [1, 3] }));
    expect(responder.failed).toBe("HANDSHAKE_VERSION");
    const answer: HandshakeMessage = {
      ...{ type: "answer", version: 3, features: [], key: bob },
      ...{ nonce: new Uint8Array(32), ...ids, signature: new Uint8Array(64) },
    };
    initiator.receive(encodeHandshakeMessage(answer));
    expect(initiator.failed).toBe("HANDSHAKE_VERSION");
  });

  test.each([
    { features: ["a"] },
    { features: [] },
    { versions: [1, ...protocolVersions] },
    { nonce: new Uint8Array(32) },
    { epoch: "ff".repeat(16) },
    { boot: "ff".repeat(8) },
  ])("[HANDSHAKE-3] %j in the hello, changed on the way, makes it fail", (change) => {
    const { initiator, responder } = pair({ features: ["a", "b"] }, { features: ["a", "b"] });
    const changed = encodeHandshakeMessage({ ...helloOf(initiator), ...change });
    relay(initiator, responder, (bytes, index) => (index === 0 ? changed : bytes));
    expect([initiator.failed, responder.completed]).toEqual(["HANDSHAKE_SIGNATURE", undefined]);
  });

  test("[HANDSHAKE-3] the transcript is the SHA-256 of what both said, what was chosen, and the channel's binding", () => {
    const { initiator, responder } = pair({ features: ["b", "a"] }, { features: ["a"] });
    relay(initiator, responder);
    const writer = new CborWriter();
    writer.writeValue([
      ...[[2], ["a", "b"], decodeHex(alice), new Uint8Array(32).fill(1), decodeHex(ids.epoch), decodeHex(ids.boot)],
      ...[2, ["a"], decodeHex(bob), new Uint8Array(32).fill(2), decodeHex(ids.epoch), decodeHex(ids.boot)],
      Uint8Array.of(7, 7),
    ]);
    expect(initiator.completed?.transcript).toEqual(sha256(writer.finish()));
  });

  test("[HANDSHAKE-3] any bit flipped in any message leaves at least one side with a code, and never both completed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 }), fc.nat(), (at, flip) => {
        const { initiator, responder } = pair({ features: ["sync/1"] }, { features: ["sync/1", "x"] });
        relay(initiator, responder, (bytes, index) => (index === at ? withFlippedBit(bytes, flip) : bytes));
        expect(initiator.failed ?? responder.failed).toMatch(/^(HANDSHAKE|MESSAGE|CBOR)_/);
        expect(responder.completed).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  test("[HANDSHAKE-1] every message cut short or lengthened is refused with a code", () => {
    const { initiator, responder } = pair({ features: ["sync/1"] });
    relay(initiator, responder);
    const messages = [message(initiator, 0), message(responder, 0), message(initiator, 1)];
    messages.forEach((whole, index) => {
      for (let length = 0; length <= whole.length + 1; length++) {
        if (length === whole.length) continue;
        const changed = concatBytes(whole, Uint8Array.of(0)).subarray(0, length);
        const sides = pair({ features: ["sync/1"] });
        relay(sides.initiator, sides.responder, (bytes, at) => (at === index ? changed : bytes));
        expect(sides.initiator.failed ?? sides.responder.failed).toMatch(/^(MESSAGE|CBOR)_/);
        expect(sides.responder.completed).toBeUndefined();
      }
    });
  });

  test("[HANDSHAKE-1] no bytes from outside make a side throw", () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 300 }), (isInitiator, bytes) => {
        const side = new Side({ initiator: isInitiator, self: alice }).receive(bytes);
        expect(side.failed).toMatch(/^(MESSAGE|CBOR)_/);
      }),
      { numRuns: 300 },
    );
  });
});

function withFlippedBit(bytes: Uint8Array, flip: number): Uint8Array {
  const flipped = bytes.slice();
  const bit = flip % (8 * bytes.length);
  flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
  return flipped;
}

describe("ranges of versions", () => {
  const versions = fc
    .uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 })
    .map((list) => list.toSorted((a, b) => a - b));

  test("[HANDSHAKE-5] of two ranges the highest common version is used by both, and without one neither completes", () => {
    fc.assert(
      fc.property(versions, versions, (ours, theirs) => {
        const { initiator, responder } = pair({ versions: ours }, { versions: theirs });
        relay(initiator, responder);
        const common = ours.filter((version) => theirs.includes(version)).at(-1);
        expect([initiator.completed?.version, responder.completed?.version]).toEqual([common, common]);
        if (common === undefined) expect(responder.failed).toBe("HANDSHAKE_VERSION");
      }),
    );
  });

  test("[HANDSHAKE-3] whoever takes versions or features out of a message on its way makes it fail, whichever are left", () => {
    fc.assert(
      fc.property(versions, features, fc.nat(), fc.boolean(), (range, offered, at, fromAnswer) => {
        fc.pre(range.length > 1 || offered.length > 0);
        const options = { versions: range, features: offered };
        const { initiator, responder } = pair(options, options);
        relay(initiator, responder, (bytes, index) => {
          if (index !== (fromAnswer ? 1 : 0)) return bytes;
          const decoded = decodeHandshakeMessage(bytes);
          if (!decoded.ok) throw new Error("an honest message");
          return encodeHandshakeMessage(talkedDown(decoded.value, at));
        });
        // A version that the initiator does not have is refused without a look at the signature.
        expect(initiator.failed).toMatch(/^HANDSHAKE_(SIGNATURE|VERSION)$/);
        expect([initiator.completed, responder.completed]).toEqual([undefined, undefined]);
      }),
    );
  });
});

/** The same with one version or feature less, or with a lower version chosen. */
function talkedDown(message: HandshakeMessage, at: number): HandshakeMessage {
  if (message.type === "proof") return message;
  const without = <T>(list: readonly T[]): readonly T[] => list.filter((_, i) => i !== at % list.length);
  const isVersion = message.type === "hello" ? message.versions.length > 1 : message.version > 1;
  if (message.features.length > 0 && (at % 2 === 0 || !isVersion))
    return { ...message, features: without(message.features) };
  if (message.type === "hello") return { ...message, versions: message.versions.slice(0, -1) };
  return isVersion ? { ...message, version: message.version - 1 } : { ...message, boot: "99".repeat(8) };
}

describe("somebody who decides what everybody hears", () => {
  /** The same channel binding everywhere: only the rest of what is signed can tell conversations apart. */
  const binding = Uint8Array.of(7, 7);
  type Step = readonly [target: number, source: number, change: number, flip: number];
  const step = fc.tuple(fc.nat(5), fc.nat(40), fc.nat(9), fc.nat());

  interface Talk {
    readonly key: PublicKey;
    readonly isInitiator: boolean;
    readonly side: Side;
  }

  /** Two conversations each way between Alice and Bob. */
  function talks(): readonly Talk[] {
    return [
      [alice, true],
      [bob, false],
      [alice, true],
      [bob, false],
      [bob, true],
      [alice, false],
    ].map(([key, isInitiator], i) => {
      const self = key as PublicKey;
      const initiator = isInitiator === true;
      const nonce = new Uint8Array(32).fill(10 + i);
      return { key: self, isInitiator: initiator, side: new Side({ initiator, self, nonce, binding }) };
    });
  }

  /** Mallory's own: the message as hers, signed by her where she can. */
  function asMallory(bytes: Uint8Array): Uint8Array {
    const decoded = decodeHandshakeMessage(bytes);
    if (!decoded.ok || decoded.value.type === "proof") return bytes;
    return encodeHandshakeMessage({ ...decoded.value, key: mallory });
  }

  function altered(bytes: Uint8Array, change: number, flip: number): Uint8Array {
    if (change === 0) return withFlippedBit(bytes, flip);
    return change === 1 ? asMallory(bytes) : bytes;
  }

  /** The kind of message that a side waits for: the second byte of each. */
  function due({ isInitiator, side }: Talk): number {
    if (isInitiator) return 1;
    return side.agreed === undefined ? 0 : 2;
  }

  function play(all: readonly Talk[], steps: readonly Step[]): void {
    for (const [target, source, change, flip] of steps) {
      const talk = all[target] as Talk;
      const said = all.flatMap(({ side }) => side.sent);
      // Mostly what it waits for: anything else just ends it.
      const fitting = said.filter((bytes) => change === 2 || bytes[1] === due(talk));
      const bytes = fitting.at(-1 - (source % Math.max(1, fitting.length)));
      if (bytes !== undefined) talk.side.receive(altered(bytes, change, flip));
    }
  }

  test("[HANDSHAKE-10] whoever completes with somebody shares its transcript with one conversation of that one, in the other role", () => {
    let completions = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 60, size: "max" }), (steps) => {
        const all = talks();
        play(all, steps);
        for (const { key, isInitiator, side } of all) {
          if (side.completed === undefined) continue;
          completions++;
          const { peer, transcript } = side.completed;
          const partners = all.filter((talk) => {
            return (
              talk.key === peer && talk.isInitiator !== isInitiator && String(talk.side.agreed) === String(transcript)
            );
          });
          expect([peer === key, partners.length]).toEqual([false, 1]);
        }
      }),
      { numRuns: 2_000 },
    );
    expect(completions).toBeGreaterThan(300);
  });

  test("[HANDSHAKE-10] a hello or answer under another key makes nobody take one peer for another", () => {
    const { initiator, responder } = pair();
    responder.receive(asMallory(message(initiator, 0)));
    const answer = message(responder, 0);
    initiator.receive(answer);
    expect([initiator.failed, initiator.completed]).toEqual(["HANDSHAKE_SIGNATURE", undefined]);
    const other = pair();
    other.responder.receive(message(other.initiator, 0));
    other.initiator.receive(asMallory(message(other.responder, 0)));
    expect([other.initiator.failed, other.initiator.completed]).toEqual(["HANDSHAKE_SIGNATURE", undefined]);
  });

  test("[HANDSHAKE-3] what one side signed is of no use as the other's signature", () => {
    const { initiator, responder } = pair();
    responder.receive(message(initiator, 0));
    const answer = decodeHandshakeMessage(message(responder, 0));
    if (!answer.ok || answer.value.type !== "answer") throw new Error("an honest answer");
    responder.receive(encodeHandshakeMessage({ type: "proof", signature: answer.value.signature }));
    expect([responder.failed, responder.completed]).toEqual(["HANDSHAKE_SIGNATURE", undefined]);
  });
});

describe("out of order", () => {
  test("[HANDSHAKE-7] any message but the one that is due ends it with MESSAGE_UNEXPECTED", () => {
    const { initiator, responder } = pair();
    relay(initiator, responder);
    const [hello, proof, answer] = [message(initiator, 0), message(initiator, 1), message(responder, 0)];
    const codes = [
      ...[answer, proof].map((bytes) => new Side({ initiator: false, self: bob }).receive(bytes)),
      ...[hello, proof].map((bytes) => new Side({ initiator: true, self: alice }).receive(bytes)),
      ...[hello, answer].map((bytes) => new Side({ initiator: false, self: bob }).receive(hello).receive(bytes)),
    ].map((side) => side.failed);
    expect(codes).toEqual(Array.from({ length: 6 }, () => "MESSAGE_UNEXPECTED"));
  });

  test("[HANDSHAKE-7] a message before the start, or while we sign, ends it", () => {
    const { initiator } = pair();
    const options = { self: bob, expected: undefined, binding: Uint8Array.of(7, 7), features: [], ...ids, sha256 };
    const signing = new Handshake({ ...options, initiator: false, nonce: new Uint8Array(32) });
    const early = new Handshake({ ...options, initiator: false, nonce: new Uint8Array(32) });
    const hello = { type: "received", bytes: message(initiator, 0) } as const;
    const unexpected = [{ type: "failed", failure: { code: "MESSAGE_UNEXPECTED" } }];
    expect(early.step(hello)).toMatchObject(unexpected);
    signing.step({ type: "started" });
    expect(signing.step(hello)).toMatchObject([{ type: "sign" }]);
    expect(signing.step(hello)).toMatchObject(unexpected);
    expect(signing.step({ type: "signed", signature: new Uint8Array(64) })).toEqual([]);
  });

  test("[HANDSHAKE-7] after a time-out nothing is sent, and what was on its way is ignored", () => {
    const { initiator, responder } = pair();
    responder.receive(message(initiator, 0));
    initiator.timeOut();
    expect(initiator.failed).toBe("HANDSHAKE_TIMEOUT");
    initiator.receive(message(responder, 0));
    expect(initiator.sent).toHaveLength(1);
    expect(initiator.completed).toBeUndefined();
  });

  test("[HANDSHAKE-7] a side that has failed or completed does nothing more, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1 }), fc.boolean(), (messages, completes) => {
        const { initiator, responder } = pair({}, completes ? {} : { binding: Uint8Array.of(9) });
        relay(initiator, responder);
        const before = initiator.sent.length;
        expect(initiator.completed !== undefined).toBe(completes);
        for (const bytes of messages) initiator.receive(bytes);
        initiator.timeOut();
        expect(initiator.sent).toHaveLength(before);
        expect(initiator.failed).toBe(completes ? undefined : "HANDSHAKE_SIGNATURE");
      }),
    );
  });
});

describe("messages", () => {
  const bytes64 = fc.uint8Array({ minLength: 64, maxLength: 64 });
  const sorted = features.map((list) => list.toSorted());
  const introduction = {
    features: sorted,
    key: fc.constantFrom(alice, bob),
    nonce: nonces,
    epoch: fc.constantFrom(ids.epoch, "01".repeat(16)),
    boot: fc.constantFrom(ids.boot, "02".repeat(8)),
  };
  const versions = fc
    .uniqueArray(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 16 })
    .map((list) => list.toSorted((a, b) => a - b));
  const anyMessage: fc.Arbitrary<HandshakeMessage> = fc.oneof(
    fc.record({ type: fc.constant("hello" as const), versions, ...introduction }),
    fc.record({
      type: fc.constant("answer" as const),
      version: fc.integer({ min: 1, max: 65_535 }),
      ...introduction,
      signature: bytes64,
    }),
    fc.record({ type: fc.constant("proof" as const), signature: bytes64 }),
  );

  test("[HANDSHAKE-1] what is encoded decodes to the same", () => {
    fc.assert(
      fc.property(anyMessage, (sent) => {
        expect(decodeHandshakeMessage(encodeHandshakeMessage(sent))).toEqual({ ok: true, value: sent });
      }),
    );
  });

  test("[HANDSHAKE-1] whatever decodes encodes to the same bytes: no message has two forms", () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(), (sent, flip) => {
        const bytes = withFlippedBit(encodeHandshakeMessage(sent), flip);
        const decoded = decodeHandshakeMessage(bytes);
        if (decoded.ok) expect(encodeHandshakeMessage(decoded.value)).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });

  const hello: HelloMessage = {
    ...{ type: "hello", versions: protocolVersions, features: [], key: alice },
    ...{ nonce: new Uint8Array(32), ...ids },
  };

  test.each([
    ["no versions", { ...hello, versions: [] }],
    ["version 0", { ...hello, versions: [0, 1] }],
    ["versions out of order", { ...hello, versions: [2, 1] }],
    ["a version twice", { ...hello, versions: [1, 1] }],
    ["features out of order", { ...hello, features: ["b", "a"] }],
    ["a feature twice", { ...hello, features: ["a", "a"] }],
    ["a feature without a name", { ...hello, features: [""] }],
    ["a feature with a line break", { ...hello, features: ["a\n"] }],
  ])("[HANDSHAKE-1] a hello with %s is MESSAGE_MALFORMED", (_, malformed) => {
    const decoded = decodeHandshakeMessage(encodeHandshakeMessage(malformed));
    expect(decoded).toMatchObject({ ok: false, failure: { code: "MESSAGE_MALFORMED" } });
  });

  test.each([
    [
      "more features than the limit",
      { ...hello, features: Array.from({ length: featuresMax + 1 }, (_, i) => `f${100 + i}`) },
    ],
    ["a feature name above the limit", { ...hello, features: ["a".repeat(65)] }],
    ["more versions than the limit", { ...hello, versions: Array.from({ length: 17 }, (_, i) => i + 1) }],
    ["a version above the limit", { ...hello, versions: [65_536] }],
  ])("[HANDSHAKE-1] a hello with %s is CBOR_TOO_LARGE", (_, large) => {
    const decoded = decodeHandshakeMessage(encodeHandshakeMessage(large));
    expect(decoded).toMatchObject({ ok: false, failure: { code: "CBOR_TOO_LARGE" } });
  });

  test("[HANDSHAKE-1] an answer of version 0 is MESSAGE_MALFORMED", () => {
    const answer: HandshakeMessage = { ...hello, type: "answer", version: 0, signature: new Uint8Array(64) };
    const decoded = decodeHandshakeMessage(encodeHandshakeMessage(answer));
    expect(decoded).toMatchObject({ ok: false, failure: { code: "MESSAGE_MALFORMED" } });
  });

  test("[HANDSHAKE-1] a field more than we know is MESSAGE_MALFORMED", () => {
    const writer = new CborWriter();
    writer.array(3);
    writer.uint(2);
    writer.bytes(new Uint8Array(64));
    writer.null();
    const decoded = decodeHandshakeMessage(writer.finish());
    expect(decoded).toMatchObject({ ok: false, failure: { code: "MESSAGE_MALFORMED" } });
  });
});
