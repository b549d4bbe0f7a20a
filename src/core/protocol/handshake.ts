/**
 * The handshake: two devices prove to each other who they are and that they sit at the two ends of one channel.
 *
 * [HANDSHAKE-2] Initiator: hello. Responder: answer, with a signature. Initiator: proof, its signature. Nobody completes
 *               before the other's signature was checked, and the responder not before the initiator has.
 * [HANDSHAKE-3] Both sign a domain tag with their role and the SHA-256 of the transcript: versions, the chosen version,
 *               both feature lists, keys, nonces, epochs and boots, and the channel's binding. Whoever sits between two channels has
 *               two bindings, so relaying every message leads to a bad signature.
 * [HANDSHAKE-4] The peer must be who was expected, if somebody was, and never oneself.
 * [HANDSHAKE-5] The highest version both have is used; without one there is no session.
 * [HANDSHAKE-6] Features are what both offer; names unknown to one side are ignored.
 * [HANDSHAKE-7] Whatever comes at the wrong moment, or not in time, ends it with a code; after that nothing is sent.
 * [HANDSHAKE-8] Messages that come while the proof is being checked belong to the session and are handed on in order.
 * [HANDSHAKE-9] Each side learns the epoch of the other's storage and the boot id of its instance.
 *
 * Deliberately not here: timers, keys and signatures (effects), anything about databases (session.ts), and secrecy, which
 * is the channel's business.
 */

import { concatBytes } from "../bytes.ts";
import { CborWriter } from "../cbor-writer.ts";
import { domainTags } from "../domain-tags.ts";
import { assert, type ErrorCode, type ErrorDetails, type Failure, unreachable } from "../errors.ts";
import type { PublicKey, Sha256 } from "../ids.ts";
import { earlyMessagesMax } from "../limits.ts";
import { encodeUtf8 } from "../utf8.ts";
import {
  type AnswerMessage,
  bootBytesLength,
  decodeHandshakeMessage,
  encodeHandshakeMessage,
  epochBytesLength,
  type HandshakeMessage,
  type HelloMessage,
  type Introduction,
  nonceBytesLength,
  type ProofMessage,
  writeIntroduction,
  writeVersions,
} from "./handshake-message.ts";

/**
 * The protocol versions this code speaks, ascending. Whoever speaks version 1 only refuses redemptions and counts what is void here: the two
 * could not come to hold the same (docs/decisions/0019-protocol-version-2.md).
 */
export const protocolVersions: readonly number[] = [2];

const initiatorTag = encodeUtf8(domainTags.handshakeInitiator);
const responderTag = encodeUtf8(domainTags.handshakeResponder);

/** What both sides say and share before anybody signs. */
export interface HandshakeTranscript {
  readonly hello: HelloMessage;
  readonly answer: Omit<AnswerMessage, "type" | "signature">;
  /** `Channel.binding`. */
  readonly binding: Uint8Array;
}

/** [HANDSHAKE-3] The 32 bytes that both sides sign, and that no other handshake shares. */
export function transcriptOf({ hello, answer, binding }: HandshakeTranscript, sha256: Sha256): Uint8Array {
  const writer = new CborWriter();
  writer.array(13);
  writeVersions(writer, hello.versions);
  writeIntroduction(writer, hello);
  writer.uint(answer.version);
  writeIntroduction(writer, answer);
  writer.bytes(binding);
  return sha256(writer.finish());
}

/** What the initiator of a handshake with this transcript signs, or its responder. */
export function handshakeMessage(role: "initiator" | "responder", transcript: Uint8Array): Uint8Array {
  return concatBytes(role === "initiator" ? initiatorTag : responderTag, transcript);
}

export interface HandshakeOptions {
  readonly initiator: boolean;
  readonly self: PublicKey;
  /** Who must be at the other end; undefined when anybody may. */
  readonly expected: PublicKey | undefined;
  /** `Channel.binding`. */
  readonly binding: Uint8Array;
  /** 32 random bytes, never used before. */
  readonly nonce: Uint8Array;
  /** Ascending. Default: all that this code speaks. */
  readonly versions?: readonly number[];
  /** In any order; at most `featuresMax` names of `a-z 0-9 / . -`. */
  readonly features: readonly string[];
  /** Of this device's storage: 32 hex digits. */
  readonly epoch: string;
  /** Of this opened instance: 16 hex digits. */
  readonly boot: string;
  readonly sha256: Sha256;
}

export type HandshakeEvent =
  | { readonly type: "started" }
  | { readonly type: "received"; readonly bytes: Uint8Array }
  /** The answer to a `sign` effect. */
  | { readonly type: "signed"; readonly signature: Uint8Array }
  /** The answer to a `verify` effect. */
  | { readonly type: "verified"; readonly valid: boolean }
  | { readonly type: "timedOut"; readonly afterMs: number };

export type HandshakeEffect =
  | { readonly type: "send"; readonly bytes: Uint8Array }
  | { readonly type: "sign"; readonly message: Uint8Array }
  | {
      readonly type: "verify";
      readonly publicKey: PublicKey;
      readonly message: Uint8Array;
      readonly signature: Uint8Array;
    }
  | {
      readonly type: "completed";
      readonly peer: PublicKey;
      readonly version: number;
      /** Of the peer's storage, and of the instance that it is. */
      readonly epoch: string;
      readonly boot: string;
      /** What both offered, ascending. */
      readonly features: readonly string[];
      /** 32 bytes that no other handshake shares: later proofs that cover them are good in this session only. */
      readonly transcript: Uint8Array;
      /** The session's first messages, when they overtook the check of the proof. Usually empty. */
      readonly early: readonly Uint8Array[];
    }
  | { readonly type: "failed"; readonly failure: Failure };

/** What both sides know after two messages. */
interface Agreement {
  readonly peer: PublicKey;
  readonly version: number;
  readonly epoch: string;
  readonly boot: string;
  readonly features: readonly string[];
  readonly transcript: Uint8Array;
}

type State =
  | { readonly type: "new" | "expectingHello" | "expectingAnswer" | "done" }
  | { readonly type: "checkingAnswer" | "signing" | "expectingProof"; readonly agreement: Agreement }
  | { readonly type: "checkingProof"; readonly agreement: Agreement; readonly early: readonly Uint8Array[] };

export class Handshake {
  readonly #options: HandshakeOptions;
  readonly #introduction: Introduction;
  readonly #versions: readonly number[];
  #state: State = { type: "new" };

  constructor(options: HandshakeOptions) {
    assert(options.nonce.length === nonceBytesLength, "a nonce of another length");
    this.#options = options;
    assert(options.epoch.length === 2 * epochBytesLength, "an epoch of another length");
    assert(options.boot.length === 2 * bootBytesLength, "a boot id of another length");
    const { self: key, nonce, epoch, boot } = options;
    this.#versions = options.versions ?? protocolVersions;
    this.#introduction = { features: [...new Set(options.features)].sort(), key, nonce, epoch, boot };
  }

  /** Takes what happened and says what to do, in order. After `completed` or `failed` there is nothing more to do. */
  step(event: HandshakeEvent): readonly HandshakeEffect[] {
    // Answers and time-outs that were on their way when it ended are no bugs.
    if (this.#state.type === "done") return [];
    switch (event.type) {
      case "started":
        return this.#start();
      case "received":
        return this.#receive(event.bytes);
      case "signed":
        return this.#sendSigned(event.signature);
      case "verified":
        return this.#conclude(event.valid);
      case "timedOut":
        return this.#fail("HANDSHAKE_TIMEOUT", { afterMs: event.afterMs });
      default:
        return unreachable(event);
    }
  }

  #start(): readonly HandshakeEffect[] {
    assert(this.#state.type === "new", "a handshake started twice");
    this.#state = { type: this.#options.initiator ? "expectingAnswer" : "expectingHello" };
    return this.#options.initiator ? [{ type: "send", bytes: encodeHandshakeMessage(this.#hello()) }] : [];
  }

  #hello(): HelloMessage {
    return { type: "hello", versions: this.#versions, ...this.#introduction };
  }

  #receive(bytes: Uint8Array): readonly HandshakeEffect[] {
    if (this.#state.type === "checkingProof") return this.#keep(bytes, this.#state);
    const decoded = decodeHandshakeMessage(bytes);
    if (!decoded.ok) return this.#failWith(decoded.failure);
    const message = decoded.value;
    switch (this.#state.type) {
      case "expectingHello":
        return message.type === "hello" ? this.#receiveHello(message) : this.#refuse(message, "hello");
      case "expectingAnswer":
        return message.type === "answer" ? this.#receiveAnswer(message) : this.#refuse(message, "answer");
      case "expectingProof":
        return message.type === "proof"
          ? this.#receiveProof(message, this.#state.agreement)
          : this.#refuse(message, "proof");
      default:
        return this.#refuse(message, "nothing yet");
    }
  }

  #receiveHello(hello: HelloMessage): readonly HandshakeEffect[] {
    const version = this.#versions.filter((own) => hello.versions.includes(own)).at(-1);
    if (version === undefined) return this.#refuseVersion(hello.versions);
    const failed = this.#checkPeer(hello.key);
    if (failed !== undefined) return failed;
    const agreement = this.#agree(hello, version, hello, this.#introduction);
    this.#state = { type: "signing", agreement };
    return [{ type: "sign", message: handshakeMessage("responder", agreement.transcript) }];
  }

  #receiveAnswer(answer: AnswerMessage): readonly HandshakeEffect[] {
    if (!this.#versions.includes(answer.version)) return this.#refuseVersion([answer.version]);
    const failed = this.#checkPeer(answer.key);
    if (failed !== undefined) return failed;
    const agreement = this.#agree(answer, answer.version, this.#hello(), answer);
    this.#state = { type: "checkingAnswer", agreement };
    return [this.#verify(agreement, "responder", answer.signature)];
  }

  #receiveProof(proof: ProofMessage, agreement: Agreement): readonly HandshakeEffect[] {
    this.#state = { type: "checkingProof", agreement, early: [] };
    return [this.#verify(agreement, "initiator", proof.signature)];
  }

  #keep(bytes: Uint8Array, state: State & { readonly type: "checkingProof" }): readonly HandshakeEffect[] {
    if (state.early.length === earlyMessagesMax) {
      return this.#fail("MESSAGE_UNEXPECTED", { got: "more messages", expected: `${earlyMessagesMax} at this point` });
    }
    this.#state = { ...state, early: [...state.early, bytes] };
    return [];
  }

  /** Our signature is ready: send it, and the initiator is done. */
  #sendSigned(signature: Uint8Array): readonly HandshakeEffect[] {
    assert(this.#state.type === "signing", "a signature nobody asked for");
    const { agreement } = this.#state;
    if (this.#options.initiator) {
      return [
        { type: "send", bytes: encodeHandshakeMessage({ type: "proof", signature }) },
        this.#complete(agreement, []),
      ];
    }
    this.#state = { type: "expectingProof", agreement };
    const { version } = agreement;
    const answer: AnswerMessage = { type: "answer", version, ...this.#introduction, signature };
    return [{ type: "send", bytes: encodeHandshakeMessage(answer) }];
  }

  /** The peer's signature was checked: the initiator signs in turn, the responder is done. */
  #conclude(valid: boolean): readonly HandshakeEffect[] {
    const state = this.#state;
    assert(state.type === "checkingAnswer" || state.type === "checkingProof", "a check nobody asked for");
    const { agreement } = state;
    if (!valid) return this.#fail("HANDSHAKE_SIGNATURE", { peer: agreement.peer });
    if (state.type === "checkingProof") return [this.#complete(agreement, state.early)];
    this.#state = { type: "signing", agreement };
    return [{ type: "sign", message: handshakeMessage("initiator", agreement.transcript) }];
  }

  #verify({ peer, transcript }: Agreement, by: "initiator" | "responder", signature: Uint8Array): HandshakeEffect {
    return { type: "verify", publicKey: peer, message: handshakeMessage(by, transcript), signature };
  }

  #complete(agreement: Agreement, early: readonly Uint8Array[]): HandshakeEffect {
    this.#state = { type: "done" };
    return { type: "completed", ...agreement, early };
  }

  #agree(peer: Introduction, version: number, hello: HelloMessage, introduction: Introduction): Agreement {
    const { binding, sha256 } = this.#options;
    const transcript = transcriptOf({ hello, answer: { ...introduction, version }, binding }, sha256);
    const features = this.#introduction.features.filter((feature) => peer.features.includes(feature));
    const { key, epoch, boot } = peer;
    return { peer: key, version, epoch, boot, features, transcript };
  }

  /** The effects of a failure when this key may not be at the other end. */
  #checkPeer(peer: PublicKey): readonly HandshakeEffect[] | undefined {
    const { self, expected } = this.#options;
    if (peer === self) return this.#fail("HANDSHAKE_SELF", { peer });
    if (expected !== undefined && peer !== expected) return this.#fail("HANDSHAKE_PEER", { got: peer, expected });
    return undefined;
  }

  #refuseVersion(versions: readonly number[]): readonly HandshakeEffect[] {
    return this.#fail("HANDSHAKE_VERSION", { got: versions.join(", "), expected: this.#versions.join(", ") });
  }

  #refuse(message: HandshakeMessage, expected: string): readonly HandshakeEffect[] {
    return this.#fail("MESSAGE_UNEXPECTED", { got: message.type, expected });
  }

  #fail<C extends ErrorCode>(code: C, details: ErrorDetails[C]): readonly HandshakeEffect[] {
    return this.#failWith({ code, details });
  }

  #failWith(failure: Failure): readonly HandshakeEffect[] {
    this.#state = { type: "done" };
    return [{ type: "failed", failure }];
  }
}
