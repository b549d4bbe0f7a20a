/**
 * The channel binding of a WebRTC connection: both sides' DTLS certificates, by hash.
 *
 * [BINDING-1] Both sides of a connection get the same bytes: the initiator's fingerprint, then the other's, each as the
 *   length of the hash's name, the name in lower case, the length of the digest, the digest.
 * [BINDING-2] A description with no fingerprint, with two different ones, or with a weak hash has no binding.
 *
 * The browser has checked that the peer holds the certificate of the description; whose peer that is, the handshake asks.
 */

const digestBytesByHash: Readonly<Record<string, number>> = { "sha-256": 32, "sha-384": 48, "sha-512": 64 };
const anyFingerprintLine = /^a=fingerprint.*$/gim;
const fingerprintLine = /^a=fingerprint:(\S+) ([0-9a-f:]+)\s*$/i;

/** Undefined when one of the descriptions is not fit to be bound to. */
export function channelBinding(initiatorSdp: string, responderSdp: string): Uint8Array | undefined {
  const initiator = fingerprintBytes(initiatorSdp);
  const responder = fingerprintBytes(responderSdp);
  return initiator && responder && Uint8Array.of(...initiator, ...responder);
}

function fingerprintBytes(sdp: string): readonly number[] | undefined {
  const lines = new Set(sdp.match(anyFingerprintLine)?.map((line) => line.trim().toLowerCase()));
  // Which of two the browser would check is not ours to guess.
  if (lines.size !== 1) return undefined;
  const [, hash = "", digest = ""] = fingerprintLine.exec([...lines].join()) ?? [];
  const digits = digest.split(":");
  if (digits.length !== digestBytesByHash[hash] || !digits.every((pair) => /^[0-9a-f]{2}$/.test(pair)))
    return undefined;
  const name = [...hash].map((letter) => letter.charCodeAt(0));
  return [name.length, ...name, digits.length, ...digits.map((pair) => Number.parseInt(pair, 16))];
}
