/**
 * What every `SealingKeys` does, as checks to run against an implementation: the rules ENCRYPTION-2 and ENCRYPTION-16. Needs no test
 * framework: a check that fails throws.
 */
import { concatBytes, equalBytes } from "../core/bytes.ts";
import { wrappedKeyBytesMax } from "../core/limits.ts";
import { epochKeyIdFromBytes, keyIdBytesLength, nonceBytesLength } from "../core/store/sealed.ts";
import { sealKeyBytesLength } from "../core/store/settings-op.ts";
import type { Cipher, SealingKeys } from "../ports/payload-keys.ts";

export interface SealingCheck {
  /** The title of a test. */
  readonly title: string;
  /** Each call gives the keys of another device. */
  check(create: () => Promise<SealingKeys>): Promise<void>;
}

const secret: Uint8Array = new Uint8Array(32).fill(7);
const otherSecret: Uint8Array = new Uint8Array(32).fill(8);
const nonce: Uint8Array = new Uint8Array(nonceBytesLength).fill(1);
const associated: Uint8Array = Uint8Array.of(1, 2, 3);
const content: Uint8Array = new Uint8Array(100).fill(65);
const tagBytesLength = 16;

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`Not so: ${what}`);
}

function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && equalBytes(a, b);
}

/** Each with one bit flipped: of the first byte, of one in the middle, of the last. */
function damaged(bytes: Uint8Array): readonly Uint8Array[] {
  return [0, bytes.length >> 1, bytes.length - 1].map((at) => {
    const copy = bytes.slice();
    copy[at] = (copy[at] as number) ^ 1;
    return copy;
  });
}

async function expectCipher(cipher: Cipher, other: Cipher): Promise<void> {
  const sealed = await cipher.seal(content, nonce, associated);
  expect(sealed.length === content.length + tagBytesLength, "16 bytes are added");
  expect(!includes(sealed, content.subarray(0, 8)), "nothing of the content is left in what is sealed");
  expect(
    isSame(await cipher.open(sealed, nonce, associated), content),
    "it opens with the key, the nonce and the data",
  );
  expect((await other.open(sealed, nonce, associated)) === undefined, "it does not open with another key");
  for (const each of damaged(sealed))
    expect((await cipher.open(each, nonce, associated)) === undefined, "damaged, it does not open");
  for (const each of damaged(nonce))
    expect((await cipher.open(sealed, each, associated)) === undefined, "with another nonce it does not open");
  for (const each of [...damaged(associated), associated.subarray(1), new Uint8Array(0)])
    expect((await cipher.open(sealed, nonce, each)) === undefined, "with other data it does not open");
  for (const length of [0, 1, tagBytesLength - 1, sealed.length - 1])
    expect((await cipher.open(sealed.subarray(0, length), nonce, associated)) === undefined, "cut, it does not open");
  const empty = await cipher.seal(new Uint8Array(0), nonce, associated);
  expect(isSame(await cipher.open(empty, nonce, associated), new Uint8Array(0)), "nothing can be sealed too");
}

function includes(bytes: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; at + part.length <= bytes.length; at++)
    if (equalBytes(bytes.subarray(at, at + part.length), part)) return true;
  return false;
}

export const sealingChecks: readonly SealingCheck[] = [
  {
    title: "[ENCRYPTION-2] what is sealed opens with the same key, nonce and associated data, and with no others",
    check: async (create) => {
      const [ann, bea] = [await create(), await create()];
      await expectCipher(await ann.createPayloadKey(secret), await ann.createPayloadKey(otherSecret));
      await expectCipher(ann.disk, bea.disk);
    },
  },
  {
    title:
      "[ENCRYPTION-16] whoever has the secret of an epoch has the same key, under the same name, and no other secret has that",
    check: async (create) => {
      const [mine, theirs] = [
        await (await create()).createPayloadKey(secret),
        await (await create()).createPayloadKey(secret),
      ];
      expect(mine.id === theirs.id && mine.id.length === 2 * keyIdBytesLength, "a name of 16 bytes");
      expect(
        isSame(await theirs.open(await mine.seal(content, nonce, associated), nonce, associated), content),
        "opens",
      );
      const other = await (await create()).createPayloadKey(otherSecret);
      expect(other.id !== mine.id, "another secret is another name");
    },
  },
  {
    title:
      "[ENCRYPTION-16] a secret that is wrapped for a sealing key is unwrapped by its device alone, and says which key it is",
    check: async (create) => {
      const [ann, bea, eve] = [await create(), await create(), await create()];
      expect(bea.publicKey.length === sealKeyBytesLength, "a point of 65 bytes");
      const wrapped = await ann.wrap(secret, bea.publicKey);
      if (wrapped === undefined) throw new Error("Not so: it is wrapped");
      expect(wrapped.length <= wrappedKeyBytesMax, "it fits into an op");
      const { id } = await ann.createPayloadKey(secret);
      expect(epochKeyIdFromBytes(wrapped.subarray(0, keyIdBytesLength)) === id, "it begins with the key's id");
      expect(isSame(await bea.unwrap(wrapped), secret), "whom it is for unwraps it");
      for (const each of [ann, eve]) expect((await each.unwrap(wrapped)) === undefined, "nobody else does");
      for (const each of [...damaged(wrapped), wrapped.subarray(1), concatBytes(wrapped, wrapped), new Uint8Array(0)])
        expect((await bea.unwrap(each)) === undefined, "damaged, it is not unwrapped");
    },
  },
  {
    title: "[ENCRYPTION-16] for what is no sealing key nothing is wrapped",
    check: async (create) => {
      const [ann, bea] = [await create(), await create()];
      for (const bytes of [new Uint8Array(0), new Uint8Array(sealKeyBytesLength), bea.publicKey.subarray(1)])
        expect((await ann.wrap(secret, bytes)) === undefined, `${bytes.length} bytes are no sealing key`);
    },
  },
  {
    title: "[ENCRYPTION-16] a secret that is wrapped for an invite is unwrapped with its seed alone",
    check: async (create) => {
      const [ann, bea] = [await create(), await create()];
      const [mine, theirs] = [await ann.inviteKey(secret), await bea.inviteKey(secret)];
      expect(equalBytes(mine, theirs) && !equalBytes(mine, secret), "both come to the same, which is not the seed");
      const wrapped = await ann.wrapForInvite(otherSecret, mine);
      expect(wrapped.length <= wrappedKeyBytesMax, "it fits into an op");
      const { id } = await ann.createPayloadKey(otherSecret);
      expect(epochKeyIdFromBytes(wrapped.subarray(0, keyIdBytesLength)) === id, "it begins with the key's id");
      expect(isSame(await bea.unwrapWithInvite(wrapped, theirs), otherSecret), "the seed unwraps it");
      const wrong = await bea.inviteKey(otherSecret);
      expect((await bea.unwrapWithInvite(wrapped, wrong)) === undefined, "another seed does not");
      expect((await bea.unwrap(wrapped)) === undefined, "nor does a sealing key");
      for (const each of [...damaged(wrapped), wrapped.subarray(1), new Uint8Array(0)])
        expect((await bea.unwrapWithInvite(each, theirs)) === undefined, "damaged, it is not unwrapped");
    },
  },
];
