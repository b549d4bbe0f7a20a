/**
 * What has to be so after every single step of a simulation, on every device and in every message.
 *
 * Looks only at what is new, so that it can look after every step. What is checked is in device-checks.ts and message-checks.ts; here is what
 * the simulation tells of its devices, and asks of what was seen of them.
 */
import type { DatabaseId, EntryId, PublicKey, Sha256 } from "../core/ids.ts";
import { wantsMax } from "../core/limits.ts";
import type { PeerRecord, RelationRecord } from "../engine/records.ts";
import type { SimulatedClock } from "./clock.ts";
import type { Device } from "./device.ts";
import { DeviceChecks } from "./device-checks.ts";
import type { MemoryNetwork } from "./memory-network.ts";
import { MessageChecks } from "./message-checks.ts";
import type { Place } from "./places.ts";
import { Readers } from "./readers.ts";
import { type Bar, newlyWatched, type WatchedDevice } from "./watched-device.ts";

const problemsMax = 20;

export class Invariants {
  /** Each with the time at which it was found; at most 20. */
  readonly problems: string[] = [];
  /** Who may be told what. */
  readonly readers: Readers = new Readers();
  /** To be told of every message. */
  readonly messages: MessageChecks;
  readonly #devices: DeviceChecks;
  readonly #watched = new Map<PublicKey, WatchedDevice>();

  constructor(clock: SimulatedClock, network: MemoryNetwork, database: DatabaseId, sha256: Sha256) {
    const startMs = clock.now();
    const report = (key: PublicKey, problem: string): void => {
      if (this.problems.length < problemsMax)
        this.problems.push(`${clock.now() - startMs} ms, device ${key.slice(0, 6)}: ${problem}`);
    };
    const watch = {
      clock,
      network,
      database,
      sha256,
      devices: this.#watched,
      places: new Map<EntryId, Place>(),
      report,
    };
    this.#devices = new DeviceChecks(watch);
    this.messages = new MessageChecks(watch, this.#devices, this.readers);
  }

  /** To be called for every device, again after it was opened anew. */
  watch(device: Device): void {
    const known = this.#watched.get(device.key);
    if (known !== undefined) known.device = device;
    else this.#watched.set(device.key, newlyWatched(device));
    // A loss of power may have taken back the last ones.
    const { records } = device.disk;
    for (const value of records.get("peer")?.values() ?? []) {
      const { key, state } = value as PeerRecord;
      if (state === "blocked") this.bar(device.key, key, "block");
    }
    for (const value of records.get("relation")?.values() ?? []) {
      const { peer, state } = value as RelationRecord;
      if (state === "off") this.bar(device.key, peer, "unrelate");
    }
  }

  /** From now on a device says nothing of the database to another. */
  bar(key: PublicKey, other: PublicKey, bar: Bar): void {
    const watched = this.#watched.get(key);
    watched?.bars.set(other, (watched.bars.get(other) ?? new Set()).add(bar));
  }

  unbar(key: PublicKey, other: PublicKey, bar: Bar): void {
    this.#watched.get(key)?.bars.get(other)?.delete(bar);
  }

  /** The device is gone, and whether it remembers is seen when it is back. */
  unbarAll(key: PublicKey): void {
    this.#watched.get(key)?.bars.clear();
  }

  /** From now on it may do what it wants, or has another disk. */
  forget(key: PublicKey): void {
    this.#watched.delete(key);
  }

  /** Whether a device still counts on what another of some had confirmed before that lost its disk. */
  trustsLostDisk(key: PublicKey, others: ReadonlySet<PublicKey>): boolean {
    const relations = this.#watched.get(key)?.device.disk.records.get("relation")?.values() ?? [];
    return [...relations].some((value) => {
      const { peer, epoch, heldThrough } = value as RelationRecord;
      const now = this.#watched.get(peer)?.device.disk.values.get("epoch");
      return others.has(peer) && heldThrough > 0 && now !== undefined && now !== epoch;
    });
  }

  /** Whether some device but one has an entry on its disk. */
  isDurableBeside(key: PublicKey, id: EntryId): boolean {
    return [...this.#watched].some(([other, { durableIds }]) => other !== key && durableIds.has(id));
  }

  /** What a device has made durable, in that order. */
  durable(key: PublicKey): readonly EntryId[] {
    return this.#watched.get(key)?.durable ?? [];
  }

  /** After how many entries its log ended at some time: never in the middle of what goes to the disk in one step. */
  lengths(key: PublicKey): readonly number[] {
    return [...(this.#watched.get(key)?.lengths ?? [])];
  }

  /** Whether an entry was void on some device at some time. */
  wasVoid(id: EntryId): boolean {
    return [...this.#watched.values()].some(({ everVoid }) => everVoid.has(id));
  }

  /** To be called whenever something may have happened. */
  check(): void {
    for (const watched of this.#watched.values()) this.#devices.check(watched);
  }

  /** How many entries a device has never asked for, though others wait for them there. */
  unasked(key: PublicKey): number {
    const { replica, wanted } = this.#watched.get(key) ?? {};
    return replica?.pending.missing(0, wantsMax).filter((id) => wanted?.has(id) !== true).length ?? 0;
  }
}
