/**
 * The handshake of one path, run on keys and clock.
 *
 * [ENGINE-10] A handshake that takes longer than `handshakeTimeoutMs` fails.
 */
import type { Failure } from "../core/errors.ts";
import { handshakeTimeoutMs } from "../core/limits.ts";
import { features } from "../core/protocol/features.ts";
import { Handshake, type HandshakeEffect, type HandshakeEvent } from "../core/protocol/handshake.ts";
import type { PathOptions } from "./path-owner.ts";

export type Completed = Extract<HandshakeEffect, { readonly type: "completed" }>;

export interface PathHandshakeOwner {
  send(bytes: Uint8Array): void;
  /** Runs something after all that came before. */
  run(task: () => Promise<void>): void;
  completed(completed: Completed): void;
  failed(failure: Failure): void;
}

export class PathHandshake {
  readonly #ports: PathOptions["ports"];
  readonly #owner: PathHandshakeOwner;
  readonly #handshake: Handshake;
  #cancelTimeout: () => void = () => {};

  constructor({ ports, channel, expected, epoch, boot }: PathOptions, owner: PathHandshakeOwner) {
    this.#ports = ports;
    this.#owner = owner;
    this.#handshake = new Handshake({
      initiator: channel.initiator,
      self: ports.identity.publicKey,
      expected,
      binding: channel.binding,
      nonce: ports.random.bytes(32),
      features,
      epoch,
      boot,
      sha256: ports.sha256,
    });
  }

  start(): void {
    this.#cancelTimeout = this.#ports.clock.after(handshakeTimeoutMs, () => {
      this.#owner.run(() => this.#step({ type: "timedOut", afterMs: handshakeTimeoutMs }));
    });
    this.#owner.run(() => this.#step({ type: "started" }));
  }

  received(bytes: Uint8Array): Promise<void> {
    return this.#step({ type: "received", bytes });
  }

  /** Nothing is waited for any more. */
  stop(): void {
    this.#cancelTimeout();
  }

  async #step(event: HandshakeEvent): Promise<void> {
    for (const effect of this.#handshake.step(event)) await this.#perform(effect);
  }

  async #perform(effect: HandshakeEffect): Promise<void> {
    const { identity, verifier } = this.#ports;
    switch (effect.type) {
      case "send":
        return this.#owner.send(effect.bytes);
      case "sign":
        return this.#step({ type: "signed", signature: await identity.sign(effect.message) });
      case "verify": {
        const valid = await verifier.verify(effect.publicKey, effect.message, effect.signature);
        return this.#step({ type: "verified", valid });
      }
      case "completed":
        this.stop();
        return this.#owner.completed(effect);
      case "failed":
        return this.#owner.failed(effect.failure);
    }
  }
}
