import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { publicKeyFromHex } from "../core/ids.ts";
import { noteBytesMax } from "../core/limits.ts";
import { identityFromSeed } from "./identity.ts";
import { ReplayWindow } from "./replay-window.ts";
import { cardBytesLength, Sealer, sealBytesLength } from "./sealing.ts";
import { createVerifier } from "./verifier.ts";

async function createSealer(n: number): Promise<Sealer> {
  return Sealer.create(await identityFromSeed(new Uint8Array(32).fill(n)), await createVerifier());
}

function withFlippedBit(bytes: Uint8Array, flip: number): Uint8Array {
  const flipped = bytes.slice();
  const bit = flip % (8 * bytes.length);
  flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
  return flipped;
}

const note = Uint8Array.of(1, 2, 3);
let alice: Sealer;
let bob: Sealer;
let carol: Sealer;

beforeAll(async () => {
  [alice, bob, carol] = await Promise.all([createSealer(1), createSealer(2), createSealer(3)]);
});

describe("cards", () => {
  test("[KEYS-9] a card names the key that signed it", async () => {
    const { publicKey } = await identityFromSeed(new Uint8Array(32).fill(1));
    expect(alice.card).toHaveLength(cardBytesLength);
    expect(await bob.verifyCard(alice.card)).toBe(publicKeyFromHex(publicKey));
  });

  test("[KEYS-9] a card with any bit flipped, cut short or lengthened is no card", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(cardBytesLength - 1), async (flip, length) => {
        expect(await bob.verifyCard(withFlippedBit(alice.card, flip))).toBeUndefined();
        expect(await bob.verifyCard(alice.card.subarray(0, length))).toBeUndefined();
      }),
    );
    expect(await bob.verifyCard(Uint8Array.of(...alice.card, 0))).toBeUndefined();
  });

  test("[KEYS-9] a signed card whose sealing key is no point of the curve is no card", async () => {
    const identity = await identityFromSeed(new Uint8Array(32).fill(4));
    const honest = await Sealer.create(identity, await createVerifier());
    const signed = honest.card.slice(0, 97);
    signed.fill(9, 40, 60);
    const tag = new TextEncoder().encode("tidemark/sealing/1\0");
    const signature = await identity.sign(Uint8Array.of(...tag, ...signed));
    expect(await bob.verifyCard(Uint8Array.of(...signed, ...signature))).toBeUndefined();
    // The same way of signing makes a good card of the untouched point, so it was the point that was refused.
    const again = await identity.sign(Uint8Array.of(...tag, ...honest.card.subarray(0, 97)));
    expect(await bob.verifyCard(Uint8Array.of(...honest.card.subarray(0, 97), ...again))).toBe(identity.publicKey);
  });

  test("[KEYS-9] sealing for something that is no card is refused with INPUT_INVALID", async () => {
    await expect(alice.seal(withFlippedBit(bob.card, 3), note)).rejects.toMatchObject({ code: "INPUT_INVALID" });
  });
});

describe("notes", () => {
  test("[KEYS-10] a note of any length is opened by the one it is for", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), async (bytes) => {
        const sealed = await alice.seal(bob.card, bytes);
        expect(sealed).toHaveLength(bytes.length + sealBytesLength);
        expect(await bob.open(alice.card, sealed)).toEqual(bytes);
      }),
    );
    const longest = new Uint8Array(noteBytesMax).fill(5);
    expect(await bob.open(alice.card, await alice.seal(bob.card, longest))).toEqual(longest);
  });

  test("[KEYS-10] nobody else opens it, not as somebody else's, and not its sender", async () => {
    const sealed = await alice.seal(bob.card, note);
    expect(await carol.open(alice.card, sealed)).toBeUndefined();
    expect(await bob.open(carol.card, sealed)).toBeUndefined();
    expect(await alice.open(bob.card, sealed)).toBeUndefined();
    expect(await alice.open(alice.card, sealed)).toBeUndefined();
    expect(await bob.open(bob.card, sealed)).toBeUndefined();
    expect(await bob.open(alice.card, sealed)).toEqual(note);
  });

  test("[KEYS-10] another process of the same identity cannot open it", async () => {
    const restarted = await createSealer(2);
    expect(await restarted.open(alice.card, await alice.seal(bob.card, note))).toBeUndefined();
  });

  test("[KEYS-10] two notes of the same bytes look different", async () => {
    const [first, second] = [await alice.seal(bob.card, note), await alice.seal(bob.card, note)];
    expect(first.subarray(8)).not.toEqual(second.subarray(8));
  });

  test("[KEYS-10] altered, cut and foreign bytes open to nothing and use nothing up", async () => {
    const sealed = await alice.seal(bob.card, note);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(),
        fc.nat(sealed.length - 1),
        fc.uint8Array({ maxLength: 100 }),
        async (flip, length, any) => {
          expect(await bob.open(alice.card, withFlippedBit(sealed, flip))).toBeUndefined();
          expect(await bob.open(alice.card, sealed.subarray(0, length))).toBeUndefined();
          expect(await bob.open(alice.card, any)).toBeUndefined();
          expect(await bob.open(any, sealed)).toBeUndefined();
        },
      ),
    );
    expect(await bob.open(alice.card, sealed)).toEqual(note);
  });

  test("[KEYS-10] a note above the limit is refused, by the sender with INPUT_INVALID", async () => {
    const long = new Uint8Array(noteBytesMax + 1);
    await expect(alice.seal(bob.card, long)).rejects.toMatchObject({ code: "INPUT_INVALID" });
    expect(await bob.open(alice.card, new Uint8Array(noteBytesMax + sealBytesLength + 1))).toBeUndefined();
  });

  test("[KEYS-11] a note is opened at most once, also when both copies come at the same moment", async () => {
    const sealed = await alice.seal(bob.card, note);
    const opened = await Promise.all([bob.open(alice.card, sealed), bob.open(alice.card, sealed)]);
    expect(opened.filter((result) => result !== undefined)).toEqual([note]);
    expect(await bob.open(alice.card, sealed)).toBeUndefined();
  });

  test("[KEYS-11] notes that overtake each other are all opened, each once", async () => {
    const sealed = await Promise.all([1, 2, 3, 4].map((n) => alice.seal(bob.card, Uint8Array.of(n))));
    const opened: (number | undefined)[] = [];
    for (const bytes of [...sealed.toReversed(), ...sealed]) opened.push((await bob.open(alice.card, bytes))?.[0]);
    expect(opened).toEqual([4, 3, 2, 1, undefined, undefined, undefined, undefined]);
  });
});

test("[KEYS-11] of any sequence of counters each passes at most once, and all pass that come in order or at most 64 late", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 200, maxLength: 400 }), (counters) => {
      const window = new ReplayWindow();
      const passed = new Set<number>();
      for (const counter of counters) {
        const higher = [...passed].filter((other) => other > counter).length;
        const passes = window.use(counter);
        if (passed.has(counter)) expect(passes).toBe(false);
        else if (higher <= 64) expect(passes).toBe(true);
        if (passes) passed.add(counter);
      }
    }),
  );
});
