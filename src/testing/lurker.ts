/**
 * A stranger who found a ticket: it proves its secret, listens, and never redeems it. So it is a guest for as long as
 * it is let.
 */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { joinMessage } from "../core/protocol/admission.ts";
import { commitmentOf } from "../core/protocol/commitments.ts";
import type { Cluster } from "./cluster.ts";
import { type RawChannel, RawPeer } from "./raw-peer.ts";
import { simulatedIdentity } from "./simulated-keys.ts";

export class Lurker {
  readonly #peer: RawPeer;
  readonly #database: DatabaseId;

  private constructor(peer: RawPeer, database: DatabaseId) {
    this.#peer = peer;
    this.#database = database;
    peer.onChannel = (channel) => {
      // Lets the other side go on.
      channel.onMessage = (message) => {
        if (message.type === "entries" && message.database === database)
          channel.send({ type: "stored", database, number: message.number, complete: true, digest: "" });
      };
    };
  }

  static async enter(cluster: Cluster, database: DatabaseId): Promise<Lurker> {
    return new Lurker(await RawPeer.enter(cluster, database), database);
  }

  get key(): PublicKey {
    return this.#peer.key;
  }

  /** With one of its secrets, to everybody. Says whether anybody was there. */
  show(secret: Uint8Array): boolean {
    const open = this.#peer.channels.filter((channel) => channel.isReady);
    for (const channel of open) this.#show(channel, secret);
    return open.length > 0;
  }

  leave(): void {
    this.#peer.network.close();
  }

  #show(channel: RawChannel, secret: Uint8Array): void {
    const { transcript } = channel;
    if (transcript === undefined) return;
    const invite = simulatedIdentity(secret, this.#peer.sha256);
    const commitment = commitmentOf(this.#database, this.key, transcript, this.#peer.sha256);
    const signature = invite.signNow(joinMessage(transcript, this.key, commitment));
    channel.send({ type: "join", commitment, invite: invite.publicKey, signature });
  }
}
