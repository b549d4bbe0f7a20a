/** What is saved where, as far as this device can know. */
import type { PublicKey } from "../core/ids.ts";
import type { Permission } from "../core/store/power.ts";
import type { RelayStatus } from "../ports/transport.ts";
import type { OpenDatabase } from "./database.ts";
import type { Peers } from "./peers.ts";

export interface PeerStatus {
  readonly key: PublicKey;
  /** How the peer is reached, such as "webrtc". */
  readonly path: string;
  /** comparing: not known yet what is missing. sending: entries are on their way. upToDate: it confirmed all our entries as stored. */
  readonly state: "comparing" | "sending" | "upToDate";
  /** Entries here that this peer has not confirmed as stored; undefined while comparing. */
  readonly unconfirmed: number | undefined;
}

export interface DatabaseStatus {
  readonly name: string;
  readonly ready: boolean;
  /** What this device's key may do; none while the database has not arrived. */
  readonly permission: Permission;
  /** Entries that are part of the database here. */
  readonly entries: number;
  /** Of these, how many are durable on this device. */
  readonly saved: number;
  readonly online: boolean;
  readonly relays: readonly RelayStatus[];
  /** Connected peers that share this database, in the order of their keys. */
  readonly peers: readonly PeerStatus[];
}

export function databaseStatus({ id, record, replica, permission }: OpenDatabase, peers: Peers): DatabaseStatus {
  const shared = peers.all().flatMap(({ key, channel, session }): PeerStatus[] => {
    const lane = session?.lane(id);
    if (key === undefined || lane === undefined) return [];
    if (lane.phase === "idle" || lane.phase === "comparing")
      return [{ key, path: channel.path, state: "comparing", unconfirmed: undefined }];
    const { unconfirmed } = lane;
    return [{ key, path: channel.path, state: unconfirmed === 0 ? "upToDate" : "sending", unconfirmed }];
  });
  return {
    name: record.name,
    ready: record.ticket === undefined,
    permission,
    entries: replica.graph.size,
    saved: replica.stored,
    online: peers.online,
    relays: peers.relays(),
    peers: shared.sort((a, b) => (a.key < b.key ? -1 : 1)),
  };
}
