import { decodeHex, publicKeyFromHex } from "../../core/ids.ts";
import type { Verifier } from "../../ports/keys.ts";
import edgeCases from "./edge-cases.json" with { type: "json" };
import rfc8032 from "./rfc8032.json" with { type: "json" };
import smallOrder from "./small-order.json" with { type: "json" };
import wycheproof from "./wycheproof.json" with { type: "json" };

/** A recorded signature; keys, messages and signatures in hex. */
export interface SignatureVector {
  readonly name: string;
  readonly publicKey: string;
  readonly message: string;
  readonly signature: string;
  /** What the source says a strict verifier answers; undefined where verifiers are known to differ. */
  readonly valid: boolean | undefined;
}

export const wycheproofVectors: readonly SignatureVector[] = wycheproof.testGroups.flatMap((group) =>
  group.tests.map((test) => ({
    name: `wycheproof ${test.tcId} (${test.flags.join(", ")})`,
    publicKey: group.publicKey.pk,
    message: test.msg,
    signature: test.sig,
    valid: test.result === "valid",
  })),
);

export const rfc8032Vectors: readonly (SignatureVector & { readonly seed: string })[] = rfc8032.map((test, i) => ({
  name: `RFC 8032 test ${i + 1}`,
  seed: test.priv,
  publicKey: test.pub,
  message: test.msg,
  signature: test.sig,
  valid: true,
}));

/** Each has a key or an R of small order, or one that is not canonical. */
export const smallOrderVectors: readonly SignatureVector[] = smallOrder.map((test, i) => ({
  name: `small order ${i}`,
  publicKey: test.vk_bytes,
  message: "5a63617368",
  signature: test.sig_bytes,
  valid: false,
}));

export const edgeCaseVectors: readonly SignatureVector[] = edgeCases.map((test, i) => ({
  name: `edge case ${i}`,
  publicKey: test.pub_key,
  message: test.message,
  signature: test.signature,
  valid: undefined,
}));

export const signatureVectors: readonly SignatureVector[] = [
  ...wycheproofVectors,
  ...rfc8032Vectors,
  ...smallOrderVectors,
  ...edgeCaseVectors,
];

/** Accepted with and without the cofactor although key and R have a part of small order; all other edge cases are refused. */
const acceptableEdgeCases: readonly string[] = ["edge case 3"];

/** The names of those that are valid under the acceptance rule, in order: what every verifier has to accept, on every platform. */
export const acceptableVectors: readonly string[] = signatureVectors
  .filter(({ name, valid }) => valid ?? acceptableEdgeCases.includes(name))
  .map(({ name }) => name);

/** The names of the vectors that a verifier accepts, in order. */
export async function acceptedBy(verifier: Verifier): Promise<readonly string[]> {
  const accepted: string[] = [];
  for (const { name, publicKey, message, signature } of signatureVectors) {
    const isValid = await verifier.verify(publicKeyFromHex(publicKey), decodeHex(message), decodeHex(signature));
    if (isValid) accepted.push(name);
  }
  return accepted;
}
