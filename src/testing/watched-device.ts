/** What is known of one device of a simulation, and what the checks of devices and messages share. */
import type { DatabaseId, EntryId, PublicKey, Sha256 } from "../core/ids.ts";
import type { Replica } from "../core/replica.ts";
import type { SimulatedClock } from "./clock.ts";
import type { Device } from "./device.ts";
import type { MemoryNetwork } from "./memory-network.ts";
import type { Place } from "./places.ts";

/** Why a device keeps the database from another: see bars.ts. */
export type Bar = "block" | "unrelate";

/** One device over all its restarts, and how far it was looked at. */
export interface WatchedDevice {
  device: Device;
  replica: Replica | undefined;
  /** Entries that the replica had when it was opened. */
  restored: number;
  /** Entries of it that were looked at. */
  size: number;
  stored: number;
  /** Everything that was void at some time. */
  readonly everVoid: Set<EntryId>;
  /** What is durable, in its order. */
  readonly durable: EntryId[];
  readonly durableIds: Set<EntryId>;
  /** How many were durable whenever it was looked at, if any were. */
  readonly lengths: Set<number>;
  /** Short digests of the durable entries, by their number. */
  readonly digests: Map<number, string>;
  /** Short digests of what was durable when it was looked at, whatever counted then. */
  readonly formerDigests: Set<string>;
  /** Everything that counted when it was looked at. */
  readonly everCounted: Set<EntryId>;
  /** The latest time that its clock has shown. */
  latestMs: number;
  /** Everything that it ever asked for by id. */
  readonly wanted: Set<EntryId>;
  /** What it remembers of others, as far as it was looked at. */
  readonly remembered: WeakSet<object>;
  /** From whom it keeps the database. */
  readonly bars: Map<PublicKey, Set<Bar>>;
}

/** Where the checks look. */
export interface Watch {
  readonly clock: SimulatedClock;
  readonly network: MemoryNetwork;
  readonly database: DatabaseId;
  readonly sha256: Sha256;
  readonly devices: ReadonlyMap<PublicKey, WatchedDevice>;
  /** Of every entry that was seen. What bytes said is believed rather than what a disk says. */
  readonly places: Map<EntryId, Place>;
  readonly report: (key: PublicKey, problem: string) => void;
}

export function newlyWatched(device: Device): WatchedDevice {
  return {
    device,
    replica: undefined,
    restored: 0,
    size: 0,
    stored: 0,
    everVoid: new Set(),
    durable: [],
    durableIds: new Set(),
    lengths: new Set(),
    digests: new Map(),
    formerDigests: new Set(),
    everCounted: new Set(),
    latestMs: 0,
    wanted: new Set(),
    remembered: new WeakSet(),
    bars: new Map(),
  };
}

/** At some time, or now. */
export function wasVoidAt({ everVoid, replica }: WatchedDevice, id: EntryId): boolean {
  const node = replica?.graph.get(id);
  return everVoid.has(id) || (node !== undefined && replica?.graph.counts(node) === false);
}
