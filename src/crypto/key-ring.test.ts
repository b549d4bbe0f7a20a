import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ErrorCode, TidemarkError } from "../core/errors.ts";
import { keysMax } from "../core/limits.ts";
import type { KeyRing } from "../ports/keys.ts";
import { ClonedValues } from "../testing/cloned-values.ts";
import { loadIdentity } from "./identity.ts";
import { createKeyMaker, openKeyRing } from "./key-ring.ts";
import { platformRandom } from "./random.ts";
import { publicKeyFromSeed } from "./stored-key.ts";
import { createVerifier } from "./verifier.ts";

const { subtle } = globalThis.crypto;
const withoutEd25519 = {
  importKey: () => Promise.reject(new DOMException("no Ed25519", "NotSupportedError")),
} as Partial<SubtleCrypto> as SubtleCrypto;
const platforms = [
  ["with Ed25519 in WebCrypto", subtle],
  ["without it", withoutEd25519],
] as const;
const message = Uint8Array.of(1, 2, 3);

interface Opened {
  readonly ring: KeyRing;
  readonly problems: readonly TidemarkError[];
}

async function open(storage: ClonedValues, platform: SubtleCrypto = subtle, now = 7): Promise<Opened> {
  const problems: TidemarkError[] = [];
  const ring = await openKeyRing({
    storage,
    device: await loadIdentity(storage, platform),
    clock: { now: () => now },
    maker: await createKeyMaker(platform),
    reported: (error) => problems.push(error),
  });
  return { ring, problems };
}

function names(ring: KeyRing): readonly string[] {
  return ring.list().map(({ name }) => name);
}

describe.each(platforms)("%s", (_, platform) => {
  test("[KEYS-14] a named key is made once, listed, signs, and is the same at every opening", async () => {
    const storage = new ClonedValues();
    const { ring } = await open(storage, platform, 12);
    const made = await ring.create("work");
    expect(made).toMatchObject({ name: "work", createdMs: 12 });
    const again = await open(storage, platform, 99);
    expect(again.ring.list()).toEqual(ring.list());
    expect(again.ring.list()[1]).toEqual(made);
    const verifier = await createVerifier();
    for (const opened of [ring, again.ring]) {
      const signature = await opened.identity("work")?.sign(message);
      expect(await verifier.verify(made.publicKey, message, signature ?? message)).toBe(true);
    }
    await expect(again.ring.create("work")).rejects.toMatchObject({ code: "KEY_EXISTS" });
    expect(again.problems).toEqual([]);
  });

  test("[KEYS-14] a key that is added has the public key of its seed, whose bytes may be overwritten afterwards", async () => {
    const storage = new ClonedValues();
    const { ring } = await open(storage, platform);
    const seed = platformRandom.bytes(32);
    const publicKey = publicKeyFromSeed(seed);
    const added = await ring.add("kept", seed);
    const twice = await ring.add("kept", seed.slice());
    seed.fill(0);
    expect([added.publicKey, twice]).toEqual([publicKey, added]);
    const signature = await (await open(storage, platform)).ring.identity("kept")?.sign(message);
    expect(await (await createVerifier()).verify(publicKey, message, signature ?? message)).toBe(true);
    await expect(ring.add("kept", platformRandom.bytes(32))).rejects.toMatchObject({ code: "KEY_EXISTS" });
    await expect(ring.add("short", new Uint8Array(31))).rejects.toMatchObject({ code: "INPUT_INVALID" });
    expect(ring.identity("kept")?.publicKey).toBe(publicKey);
  });
});

test("[KEYS-14] of two openers who make a key of one name at the same moment one does, and both have that key afterwards", async () => {
  const storage = new ClonedValues();
  const [one, other] = await Promise.all([open(storage), open(storage)]);
  const outcomes = await Promise.allSettled([one.ring.create("work"), other.ring.create("work")]);
  const refused = outcomes.filter((outcome) => outcome.status === "rejected");
  expect(refused.map(({ reason }) => reason.code)).toEqual(["KEY_EXISTS"]);
  expect(other.ring.list()).toEqual(one.ring.list());
  expect(names(one.ring)).toEqual(["device", "work"]);
});

test("[KEYS-14] of two calls in one opening that make a key of one name one does", async () => {
  const { ring } = await open(new ClonedValues());
  const outcomes = await Promise.allSettled([ring.create("work"), ring.create("work"), ring.add("work", message)]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
});

test("[KEYS-14] any sequence of calls leaves the names that a map would have, now and at the next opening", async () => {
  const name = fc.constantFrom("a", "b", "c", "device", "", "\ud800");
  const call = fc.tuple(fc.constantFrom("create", "delete"), name);
  const codes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
      const storage = new ClonedValues();
      const { ring } = await open(storage);
      const model = new Set<string>();
      for (const [verb, name] of calls) {
        const expected = expectedCode(verb, name, model);
        const outcome = verb === "create" ? ring.create(name) : ring.delete(name);
        const code = await outcome.then(
          () => undefined,
          (error: TidemarkError) => error.code,
        );
        expect(code).toBe(expected);
        codes.add(String(code));
        if (code === undefined && verb === "create") model.add(name);
        if (code === undefined && verb === "delete") model.delete(name);
        expect(names(ring)).toEqual(["device", ...[...model].sort()]);
      }
      expect((await open(storage)).ring.list()).toEqual(ring.list());
    }),
    { numRuns: 40 },
  );
  expect([...codes].sort()).toEqual(["INPUT_INVALID", "KEY_EXISTS", "KEY_IN_USE", "KEY_UNKNOWN", "undefined"]);
});

function expectedCode(verb: string, name: string, model: ReadonlySet<string>): ErrorCode | undefined {
  if (verb === "delete") {
    if (name === "device") return "KEY_IN_USE";
    return model.has(name) ? undefined : "KEY_UNKNOWN";
  }
  if (name === "" || name === "\ud800") return "INPUT_INVALID";
  return name === "device" || model.has(name) ? "KEY_EXISTS" : undefined;
}

test("[KEYS-14] a name has at most 64 bytes, and there are at most 64 names, also when they are made at once", async () => {
  const { ring } = await open(new ClonedValues());
  await expect(ring.create("é".repeat(33))).rejects.toMatchObject({ code: "INPUT_INVALID" });
  await ring.create("é".repeat(32));
  const made = await Promise.allSettled(Array.from({ length: keysMax + 5 }, (_, i) => ring.create(`key ${i}`)));
  const refused = made.filter((outcome) => outcome.status === "rejected");
  expect(refused.map(({ reason }) => reason.code)).toEqual(Array.from({ length: 6 }, () => "KEY_LIMIT"));
  expect(ring.list()).toHaveLength(1 + keysMax);
  await ring.delete("key 3");
  await ring.create("another");
});

test("[KEYS-5] a stored named key cannot be exported, whether it was made or added", async () => {
  const storage = new ClonedValues();
  const { ring } = await open(storage);
  await ring.create("made");
  await ring.add("added", platformRandom.bytes(32));
  const stored = await storage.values("key/");
  expect(stored).toHaveLength(2);
  for (const [, value] of stored) {
    const { key } = value as { readonly key: { readonly privateKey: CryptoKey } };
    expect(key.privateKey.extractable).toBe(false);
    await expect(subtle.exportKey("pkcs8", key.privateKey)).rejects.toThrow();
    expect(Object.values(key).filter((one) => one instanceof Uint8Array)).toHaveLength(1);
  }
});

test.each([
  ["that is a text", "key"],
  ["without a date", { key: { type: "seed", seed: new Uint8Array(32) } }],
  ["with a short seed", { createdMs: 1, key: { type: "seed", seed: new Uint8Array(31) } }],
])("[KEYS-15] a stored key %s is reported, keeps its name, and stands in nobody's way", async (_, value) => {
  const storage = new ClonedValues();
  await storage.putValueOnce("key/broken", value);
  await (await open(storage)).ring.create("sound");
  const { ring, problems } = await open(storage);
  expect(problems.map(({ code, details }) => [code, details])).toEqual([
    ["STORAGE_CORRUPT", { where: 'key "broken"' }],
  ]);
  expect(names(ring)).toEqual(["device", "sound"]);
  expect(ring.identity("broken")).toBeUndefined();
  await expect(ring.create("broken")).rejects.toMatchObject({ code: "KEY_EXISTS" });
  expect(await storage.getValue("key/broken")).toEqual(value);
  await ring.delete("broken");
  expect(await storage.getValue("key/broken")).toBeUndefined();
  await ring.create("broken");
});

test("[KEYS-15] a key that needs WebCrypto is reported where WebCrypto cannot use it, and is there again where it can", async () => {
  const storage = new ClonedValues();
  const device = await loadIdentity(storage, withoutEd25519);
  await (await open(storage)).ring.create("work");
  const problems: TidemarkError[] = [];
  const ring = await openKeyRing({
    storage,
    device,
    clock: { now: () => 0 },
    maker: await createKeyMaker(withoutEd25519),
    reported: (error) => problems.push(error),
  });
  expect([names(ring), problems.map(({ code }) => code)]).toEqual([["device"], ["ENVIRONMENT_UNSUPPORTED"]]);
  expect(names((await open(storage)).ring)).toEqual(["device", "work"]);
});

test("[KEYS-14] when storage fails to write or to delete, it is as if nobody had called", async () => {
  const storage = new ClonedValues();
  const { ring } = await open(storage);
  const quota = new TidemarkError("STORAGE_QUOTA", { reason: "full" });
  storage.failWith = quota;
  await expect(ring.create("work")).rejects.toBe(quota);
  await ring.create("work");
  storage.failWith = quota;
  await expect(ring.delete("work")).rejects.toBe(quota);
  expect(names(ring)).toEqual(["device", "work"]);
  expect(await ring.identity("work")?.sign(message)).toHaveLength(64);
  await ring.delete("work");
  expect((await open(storage)).ring.list()).toHaveLength(1);
});

test("[KEYS-14] from the moment of the call a key that is deleted signs nothing more", async () => {
  const { ring } = await open(new ClonedValues());
  await ring.create("work");
  const deleting = ring.delete("work");
  expect(ring.identity("work")).toBeUndefined();
  await expect(ring.create("work")).rejects.toMatchObject({ code: "KEY_EXISTS" });
  await deleting;
});
