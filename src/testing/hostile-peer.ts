/**
 * A scripted peer in a cluster: it meets whoever seeks the same rooms, shakes hands truthfully or not, and then says what a test wants.
 *
 *     const mallory = await HostilePeer.join(cluster, { database });
 *     const talk = await mallory.meet(alice.key);
 *     talk.say({ type: "want", database, ids: [database] });
 */
import type { DatabaseId, PublicKey, Sha256 } from "../core/ids.ts";
import type { Message } from "../core/protocol/message.ts";
import { roomOf } from "../engine/rooms.ts";
import type { Network } from "../ports/transport.ts";
import type { Cluster } from "./cluster.ts";
import { Forger, type ForgerOptions } from "./hostile-entries.ts";
import { type HandshakeScript, HostileTalk } from "./hostile-talk.ts";
import type { SimulatedIdentity } from "./simulated-keys.ts";

export interface HostilePeerOptions {
  /** It is found by those who hold this database, whose id it knows. */
  readonly database?: DatabaseId;
  /** Its key. Default: a new one. The key of a device that crashed or was removed is that device turned bad. */
  readonly as?: SimulatedIdentity;
  readonly script?: HandshakeScript;
  /** Called for every message of every session. */
  readonly heard?: (message: Message, talk: HostileTalk) => void;
}

export class HostilePeer {
  readonly identity: SimulatedIdentity;
  readonly sha256: Sha256;
  /** Every conversation there ever was, in order. */
  readonly talks: HostileTalk[] = [];
  /** For the conversations that begin from now on. */
  script: HandshakeScript | undefined;
  readonly #cluster: Cluster;
  readonly #network: Network;

  private constructor(cluster: Cluster, identity: SimulatedIdentity, sha256: Sha256, options: HostilePeerOptions) {
    this.identity = identity;
    this.sha256 = sha256;
    this.script = options.script;
    this.#cluster = cluster;
    this.#network = cluster.join(identity.publicKey);
    const { heard = () => {} } = options;
    this.#network.listen({
      relayChanged: () => {},
      connected: (channel, peer) => {
        const [nonce, script] = [cluster.random.bytes(32), this.script];
        this.talks.push(new HostileTalk(channel, { identity, sha256, nonce, peer, script, heard }));
      },
    });
    if (options.database !== undefined) this.seek(options.database);
  }

  static async join(cluster: Cluster, options: HostilePeerOptions = {}): Promise<HostilePeer> {
    const { identity, sha256 } = await cluster.addIdentity();
    return new HostilePeer(cluster, options.as ?? identity, sha256, options);
  }

  get key(): PublicKey {
    return this.identity.publicKey;
  }

  /** From now on it is met by those who hold this database. */
  seek(database: DatabaseId): void {
    this.#network.seek(roomOf(database, { sha256: this.sha256 }));
  }

  /** The open conversation with somebody, once its handshake is done. Rejects after a minute of simulated time without one. */
  async meet(peer: PublicKey): Promise<HostileTalk> {
    await this.#cluster.until(() => this.talkWith(peer) !== undefined);
    return this.talkWith(peer) as HostileTalk;
  }

  /** The same when it is there already. */
  talkWith(peer: PublicKey): HostileTalk | undefined {
    return this.talks.findLast((talk) => talk.peer === peer && talk.isReady);
  }

  /** Forges entries in its own name, and in others'. */
  forger(options: Pick<ForgerOptions, "database" | "known">): Forger {
    const { identity, sha256 } = this;
    return new Forger({ ...options, identity, sha256, nowMs: () => this.#cluster.clock.now() });
  }

  /** Gone: every channel closes, and nobody meets it any more. */
  leave(): void {
    this.#network.close();
  }
}
