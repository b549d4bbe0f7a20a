/**
 * The peers of an instance, keyed by identity, and the networks that find them.
 *
 * [ENGINE-13] One session per peer: a newer authenticated channel takes the place of an older one.
 * [ENGINE-14] At most `peersMax` channels; one more takes the place of a peer that shares no database, or is turned away.
 */
import { concatBytes } from "../core/bytes.ts";
import type { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, decodeHex, type PublicKey } from "../core/ids.ts";
import { peersMax } from "../core/limits.ts";
import type { SessionEvent } from "../core/protocol/session.ts";
import { encodeUtf8 } from "../core/utf8.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { Channel, Network, RelayStatus } from "../ports/transport.ts";
import { Peer, type PeerOwner } from "./peer.ts";
import type { EnginePorts } from "./ports.ts";

export interface PeersOwner extends PeerOwner {
  relayChanged(status: RelayStatus): void;
}

export class Peers {
  readonly #ports: EnginePorts;
  readonly #owner: PeersOwner;
  /** What a single peer sees of the owner: its coming and going passes through here. */
  readonly #peerOwner: PeerOwner;
  readonly #channels = new Set<Peer>();
  readonly #byKey = new Map<PublicKey, Peer>();
  readonly #networks = new Map<string, Network>();
  readonly #relays = new Map<string, RelayStatus>();
  readonly #sought = new Map<DatabaseId, DatabaseRecord>();
  #online = false;

  constructor(ports: EnginePorts, owner: PeersOwner) {
    this.#ports = ports;
    this.#owner = owner;
    this.#peerOwner = {
      ...owner,
      authenticated: (peer) => this.#admit(peer),
      ended: (peer, error) => this.#forget(peer, error),
    };
  }

  get online(): boolean {
    return this.#online;
  }

  relays(): readonly RelayStatus[] {
    return [...this.#relays.values()];
  }

  /** Peers whose handshake is done. */
  all(): readonly Peer[] {
    return [...this.#byKey.values()];
  }

  stepAll(event: SessionEvent): void {
    for (const peer of this.#byKey.values()) peer.step(event);
  }

  /** This instance's relays and those of the ticket that the database came by. */
  relaysOf(record: DatabaseRecord): readonly string[] {
    return [...new Set([...this.#ports.relays, ...record.relays])];
  }

  /** Looks for peers of a database at its relays; called again when it has more of them. */
  seek(record: DatabaseRecord): void {
    const known = this.#sought.get(record.id);
    this.#sought.set(record.id, record);
    if (this.#online) this.#enter(record, known === undefined ? [] : this.relaysOf(known));
  }

  setOnline(online: boolean): void {
    if (online === this.#online) return;
    this.#online = online;
    if (online) for (const record of this.#sought.values()) this.#enter(record);
    else this.#leave();
  }

  retry(): void {
    for (const network of this.#networks.values()) network.retry();
  }

  /** Ends every channel; the networks make new ones in their own time. */
  dropAll(): void {
    for (const peer of [...this.#channels]) peer.close();
  }

  close(): void {
    this.#online = false;
    this.#leave();
  }

  #leave(): void {
    this.dropAll();
    for (const network of this.#networks.values()) network.close();
    this.#networks.clear();
    this.#relays.clear();
  }

  #enter(record: DatabaseRecord, entered: readonly string[] = []): void {
    const room = roomOf(record.id, this.#ports);
    for (const url of this.relaysOf(record)) if (!entered.includes(url)) this.#network(url).seek(room);
  }

  #network(url: string): Network {
    const known = this.#networks.get(url);
    if (known !== undefined) return known;
    const network = this.#ports.openNetwork(url);
    this.#networks.set(url, network);
    network.listen({
      connected: (channel, expected) => this.#connect(channel, expected),
      relayChanged: (status) => {
        if (this.#networks.get(url) !== network) return; // The last words of one that was closed.
        this.#relays.set(url, status);
        this.#owner.relayChanged(status);
      },
    });
    return network;
  }

  #connect(channel: Channel, expected: PublicKey): void {
    if (!this.#online || !this.#hasRoom()) return channel.close();
    const peer = new Peer(this.#ports, this.#peerOwner, channel, expected);
    this.#channels.add(peer);
    peer.start();
  }

  /** Whoever knows a database's id may connect; a peer that shares nothing with us makes room for another. */
  #hasRoom(): boolean {
    if (this.#channels.size < peersMax) return true;
    const stranger = [...this.#channels].find((peer) => peer.session?.isShared === false);
    stranger?.close();
    return stranger !== undefined;
  }

  #admit(peer: Peer): void {
    const key = peer.key;
    if (key === undefined) return;
    const older = this.#byKey.get(key);
    this.#byKey.set(key, peer);
    older?.close();
    this.#owner.authenticated(peer);
  }

  #forget(peer: Peer, error: TidemarkError | undefined): void {
    this.#channels.delete(peer);
    if (peer.key !== undefined && this.#byKey.get(peer.key) === peer) this.#byKey.delete(peer.key);
    this.#owner.ended(peer, error);
  }
}

/** Where peers of a database meet: tells a relay nothing, because a database id cannot be guessed. */
export function roomOf(database: DatabaseId, { sha256 }: Pick<EnginePorts, "sha256">): Uint8Array {
  return sha256(concatBytes(encodeUtf8("tidemark/room/1\0"), decodeHex(database)));
}
