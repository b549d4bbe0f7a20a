/**
 * A peer without an engine: makes a real handshake and then answers as a workload says. Slim, for there may be a hundred of them
 * in the memory that is measured.
 */
import { TidemarkError, unwrap } from "../src/core/errors.ts";
import { encodeHex, type PublicKey, type Sha256 } from "../src/core/ids.ts";
import { Handshake, type HandshakeEvent } from "../src/core/protocol/handshake.ts";
import { decodeMessage, encodeMessage, type Message } from "../src/core/protocol/message.ts";
import type { Identity, Verifier } from "../src/ports/keys.ts";
import type { Channel } from "../src/ports/transport.ts";

export interface ScriptedPeerOptions {
  readonly channel: Channel;
  readonly identity: Identity;
  readonly verifier: Verifier;
  readonly expected: PublicKey;
  readonly sha256: Sha256;
  /** 32 bytes. */
  readonly nonce: Uint8Array;
  /** Given everything the other side says after the handshake, but for pings, which are answered. */
  readonly onMessage: (message: Message) => void;
}

export class ScriptedPeer {
  readonly #options: ScriptedPeerOptions;
  #handshake: Handshake | undefined;
  /** Steps of the handshake, one after the other. */
  #steps: Promise<void> = Promise.resolve();
  #settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  /** Resolves when the handshake is done; rejects when it fails or the channel closes. */
  readonly ready: Promise<void>;
  /** Resolves when the channel is closed, with what is said of it. */
  readonly ended: Promise<string>;

  constructor(options: ScriptedPeerOptions) {
    const { channel, identity, expected, nonce, sha256 } = options;
    this.#options = options;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#handshake = new Handshake({
      initiator: channel.initiator,
      self: identity.publicKey,
      expected,
      binding: channel.binding,
      nonce,
      features: [],
      epoch: encodeHex(nonce.subarray(0, 16)),
      boot: encodeHex(nonce.subarray(16, 24)),
      sha256,
    });
    channel.limit(2 ** 30);
    this.#step({ type: "started" });
    this.ended = new Promise((resolve) => {
      channel.listen({
        message: (bytes) => this.#take(bytes),
        drained: () => {},
        closed: (code) => resolve(`the channel was closed: ${code}`),
      });
    });
    void this.ended.then((why) => this.#fail(new Error(why)));
  }

  send(message: Message): void {
    this.sendBytes(encodeMessage(message));
  }

  /** A message that was encoded before. */
  sendBytes(bytes: Uint8Array): void {
    this.#options.channel.send(bytes);
  }

  #take(bytes: Uint8Array): void {
    if (this.#handshake !== undefined) return this.#step({ type: "received", bytes });
    const message = unwrap(decodeMessage(bytes));
    if (message.type === "ping") this.send({ type: "pong", id: message.id });
    else this.#options.onMessage(message);
  }

  #step(event: HandshakeEvent): void {
    this.#steps = this.#steps
      .then(() => this.#perform(event))
      .catch((error: unknown) => this.#fail(error instanceof Error ? error : new Error(String(error))));
  }

  async #perform(event: HandshakeEvent): Promise<void> {
    const { channel, identity, verifier, onMessage } = this.#options;
    for (const effect of this.#handshake?.step(event) ?? []) {
      if (effect.type === "send") channel.send(effect.bytes);
      else if (effect.type === "sign")
        await this.#perform({ type: "signed", signature: await identity.sign(effect.message) });
      else if (effect.type === "verify") {
        const valid = await verifier.verify(effect.publicKey, effect.message, effect.signature);
        await this.#perform({ type: "verified", valid });
      } else if (effect.type === "failed") throw new TidemarkError(effect.failure.code, effect.failure.details);
      else {
        this.#handshake = undefined;
        this.#settle?.resolve();
        for (const bytes of effect.early) onMessage(unwrap(decodeMessage(bytes)));
      }
    }
  }

  #fail(error: Error): void {
    this.#settle?.reject(error);
  }
}
