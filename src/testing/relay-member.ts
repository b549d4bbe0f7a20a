/** Devices with fresh keys, and an honest client of a relay, step by step under a test's control. */
import { encodeHex, type PublicKey } from "../core/ids.ts";
import type { Room } from "../core/protocol/relay-message.ts";
import { identityFromSeed } from "../crypto/identity.ts";
import { platformRandom } from "../crypto/random.ts";
import { Sealer } from "../crypto/sealing.ts";
import { createVerifier } from "../crypto/verifier.ts";
import type { Identity } from "../ports/keys.ts";
import type { WebSocketClass } from "../transport/relay-socket.ts";
import { RawRelayClient } from "./raw-relay-client.ts";

export interface TestDevice {
  readonly identity: Identity;
  readonly key: PublicKey;
  readonly sealer: Sealer;
}

const verifier = createVerifier();

export async function createDevice(): Promise<TestDevice> {
  const identity = await identityFromSeed(platformRandom.bytes(32));
  return { identity, key: identity.publicKey, sealer: await Sealer.create(identity, await verifier) };
}

export class RelayMember extends RawRelayClient {
  readonly device: TestDevice;

  private constructor(url: string, WebSocket: WebSocketClass, device: TestDevice) {
    super(url, WebSocket);
    this.device = device;
  }

  /** Resolves when the relay has accepted the proof. */
  static async join(url: string, WebSocket: WebSocketClass, device?: TestDevice): Promise<RelayMember> {
    const member = new RelayMember(url, WebSocket, device ?? (await createDevice()));
    await member.prove(member.device.identity, member.device.sealer.card);
    await member.next("welcome");
    return member;
  }

  /** Enters and returns the keys of who else is there, as the relay says. */
  async enter(room: Room): Promise<readonly string[]> {
    this.send({ type: "enter", room });
    return this.nextPresent();
  }

  async nextPresent(): Promise<readonly string[]> {
    const { cards } = await this.next("present");
    return cards.map((card) => encodeHex(card.subarray(0, 32)));
  }

  async sendNote(to: TestDevice, text: string): Promise<void> {
    const sealed = await this.device.sealer.seal(to.sealer.card, new TextEncoder().encode(text));
    this.send({ type: "send", to: to.key, sealed });
  }

  /** The text of the next note, opened; undefined when it is not from this device or does not open. */
  async nextNote(from: TestDevice): Promise<string | undefined> {
    const { from: key, sealed } = await this.next("deliver");
    const note = key === from.key ? await this.device.sealer.open(from.sealer.card, sealed) : undefined;
    return note === undefined ? undefined : new TextDecoder().decode(note);
  }
}
