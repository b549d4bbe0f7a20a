import fc from "fast-check";
import { expect, test } from "vitest";
import { channelBinding } from "./channel-binding.ts";

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });

function description(hash: string, bytes: Uint8Array, before = "v=0\r\n", after = "a=setup:actpass\r\n"): string {
  const pairs = [...bytes].map((byte) => byte.toString(16).padStart(2, "0").toUpperCase());
  return `${before}a=fingerprint:${hash} ${pairs.join(":")}\r\n${after}`;
}

function bytesOf(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

test("[BINDING-1] the binding is the hash names and digests, the initiator's first", () => {
  fc.assert(
    fc.property(digest, digest, (one, other) => {
      const expected = [7, ...bytesOf("sha-256"), 32, ...one, 7, ...bytesOf("sha-256"), 32, ...other];
      expect(channelBinding(description("sha-256", one), description("SHA-256", other))).toEqual(
        Uint8Array.from(expected),
      );
    }),
  );
});

test("[BINDING-1] any other certificate, and the other order, give other bytes", () => {
  fc.assert(
    fc.property(digest, digest, (one, other) => {
      fc.pre(one.join() !== other.join());
      const [a, b] = [description("sha-256", one), description("sha-256", other)];
      const bindings = [channelBinding(a, b), channelBinding(b, a), channelBinding(a, a), channelBinding(b, b)];
      expect(new Set(bindings.map((binding) => binding?.join())).size).toBe(4);
    }),
  );
});

test("[BINDING-1] a fingerprint given twice is one, and digests of other lengths go with their hash", () => {
  const [one, long] = [new Uint8Array(32).fill(1), new Uint8Array(64).fill(2)];
  const twice = description("sha-256", one) + description("sha-256", one);
  expect(channelBinding(twice, description("sha-512", long))).toHaveLength(1 + 7 + 1 + 32 + 1 + 7 + 1 + 64);
});

test("[BINDING-2] no fingerprint, two different ones, a weak hash or a wrong length give no binding", () => {
  const good = description("sha-256", new Uint8Array(32));
  const bad = [
    "v=0\r\n",
    good + description("sha-256", new Uint8Array(32).fill(1)),
    description("sha-1", new Uint8Array(20)),
    description("md5", new Uint8Array(16)),
    description("constructor", new Uint8Array(1)),
    description("sha-256", new Uint8Array(31)),
    description("sha-512", new Uint8Array(32)),
    good.replace("00", "0"),
    good.replace("00", "000"),
    `${good}a=fingerprint:sha-256  ${"00:".repeat(31)}00\r\n`,
    `${good}a=fingerprint: sha-256 x\r\n`,
  ];
  expect(channelBinding(good, good)).toBeDefined();
  for (const one of bad) {
    expect(channelBinding(one, good)).toBe(undefined);
    expect(channelBinding(good, one)).toBe(undefined);
  }
});
