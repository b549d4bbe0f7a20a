/**
 * What has to be so on every device after every step.
 *
 * [SIMULATION-11] Graph parent-closed, what counts stands on what counts, tips an antichain; numbers and heights are right; what was durable stays;
 *   what others are taken to hold is on their disks; queues stay within their limits; no clock is run ahead of.
 *
 * Believes no device: what is durable is what is on the disk, and what an entry follows is what its bytes say.
 */
import { ticksPerMs } from "../core/clock.ts";
import type { Graph } from "../core/graph.ts";
import type { EntryId, PublicKey } from "../core/ids.ts";
import {
  clockAheadMsMax,
  inboundMessagesMax,
  outboundMessagesMax,
  pendingBytesMax,
  pendingEntriesMax,
} from "../core/limits.ts";
import { differenceRangesMax } from "../core/protocol/delivery.ts";
import { shortDigest } from "../core/protocol/short-digest.ts";
import type { Replica } from "../core/replica.ts";
import type { RelationRecord } from "../engine/records.ts";
import type { Device } from "./device.ts";
import { followsOf, type Place, placeOfNode } from "./places.ts";
import type { Watch, WatchedDevice } from "./watched-device.ts";

/** Of a message that is taken others may follow, and what was on its way when taking stopped. A guess. */
const outboundWaitingMax = 2 * outboundMessagesMax;
/** One for each record that there is, and was a moment ago: here there are some hundred. */
const unwrittenMax = 500;

export class DeviceChecks {
  readonly #watch: Watch;

  constructor(watch: Watch) {
    this.#watch = watch;
  }

  /** To be called whenever something may have happened. */
  check(watched: WatchedDevice): void {
    const { device } = watched;
    watched.latestMs = Math.max(watched.latestMs, this.#watch.clock.now() + device.skewMs);
    this.checkDisk(watched);
    const replica = device.instance.find(this.#watch.database)?.replica;
    if (replica !== watched.replica) this.#startOver(watched, replica);
    if (replica !== undefined && replica.graph.size > watched.size) this.#checkNodes(watched, replica);
    // After that: what was accepted, made durable and remembered in one step may have been void all along.
    this.#checkMemory(watched);
    if (replica === undefined) return;
    if (replica.stored > watched.stored && replica.stored > watched.durable.length)
      this.#watch.report(device.key, `takes ${replica.stored} entries for durable, ${watched.durable.length} are`);
    watched.stored = replica.stored;
    watched.formerDigests.add(shortDigest(replica.digest()));
    if (replica.pending.size > pendingEntriesMax || replica.pending.bytes > pendingBytesMax)
      this.#watch.report(device.key, `${replica.pending.size} entries wait`);
    this.#checkBacklog(device);
  }

  #checkBacklog({ instance, key }: Device): void {
    const { ranges, pushedRanges, queueRanges, inbound, outbound, unwritten } = instance.backlog(this.#watch.database);
    if (ranges > 2 * differenceRangesMax) this.#watch.report(key, `${ranges} ranges wait to be sent`);
    if (pushedRanges > queueRanges) this.#watch.report(key, `${pushedRanges} ranges of new entries wait to be sent`);
    if (inbound > inboundMessagesMax) this.#watch.report(key, `${inbound} messages wait to be taken`);
    if (outbound > outboundWaitingMax) this.#watch.report(key, `${outbound} messages wait for a channel`);
    if (unwritten > unwrittenMax) this.#watch.report(key, `${unwritten} records wait to be written`);
  }

  /** What is on it, as it is now. */
  checkDisk({ device, durable, durableIds, lengths }: WatchedDevice): void {
    const index = device.disk.databases.get(this.#watch.database)?.index ?? [];
    if (index.length < durable.length || (durable.length > 0 && index[durable.length - 1]?.id !== durable.at(-1))) {
      this.#watch.report(device.key, `${durable.length} entries were durable, and are not any more`);
      durable.length = 0;
      durableIds.clear();
    }
    for (let i = durable.length; i < index.length; i++) {
      const entry = index[i] as (typeof index)[number];
      const { id, prev, parents } = entry;
      // What its bytes said, where it was seen on its way, is believed rather.
      if (!this.#watch.places.has(id)) this.#watch.places.set(id, entry);
      durable.push(id);
      durableIds.add(id);
      if (!followsOf({ prev, parents }).every((each) => durableIds.has(each)))
        this.#watch.report(device.key, `stored ${id} before what it follows`);
    }
    if (durable.length > 0) lengths.add(durable.length);
  }

  /**
   * What it remembers that others hold is on their disks, unless these were lost. Confirmations have no numbers of their own: where one
   * overtook another, which no channel allows, it may have been taken for more than it said.
   */
  #checkMemory({ device, durable, remembered, everVoid }: WatchedDevice): void {
    for (const value of device.disk.records.get("relation")?.values() ?? []) {
      if (remembered.has(value as object)) continue;
      remembered.add(value as object);
      const { database, peer, epoch, heldThrough, cursor } = value as RelationRecord;
      const other = this.#watch.devices.get(peer);
      if (database !== this.#watch.database || other?.device.disk.values.get("epoch") !== epoch) continue;
      if (!this.#watch.network.isOrdered(peer, device.key)) continue;
      const through = Math.max(heldThrough, cursor?.position ?? 0);
      // What is void here is kept from everybody, and what was void may have begun to count a moment ago.
      const lacking = durable.slice(0, through).find((id) => !other.durableIds.has(id) && !everVoid.has(id));
      if (lacking !== undefined || through > durable.length)
        this.#watch.report(
          device.key,
          `believes that ${peer.slice(0, 6)} holds ${through} entries, ${lacking} it does not`,
        );
    }
  }

  #startOver(watched: WatchedDevice, replica: Replica | undefined): void {
    watched.replica = replica;
    watched.restored = replica?.stored ?? 0;
    watched.size = 0;
    watched.stored = 0;
    watched.digests.clear();
    const { device, durable } = watched;
    if (replica !== undefined && replica.stored < durable.length)
      this.#watch.report(device.key, `opened with ${replica.stored} of ${durable.length} durable entries`);
  }

  #checkNodes(watched: WatchedDevice, { graph }: Replica): void {
    const { device } = watched;
    // What counts may have changed.
    watched.digests.clear();
    for (; watched.size < graph.size; watched.size++) {
      const node = graph.at(watched.size);
      const follows = this.#watch.places.get(node.id) ?? placeOfNode(node);
      for (const id of followsOf(follows))
        if ((graph.get(id)?.position ?? Number.POSITIVE_INFINITY) >= node.position)
          this.#watch.report(device.key, `accepted ${node.id} without what it follows`);
      this.#checkPlace(device.key, node.id, follows);
      const isLater = node.time > 1 + Math.max(node.prev?.time ?? 0, ...node.parents.map(({ time }) => time));
      if (
        node.position >= watched.restored &&
        isLater &&
        node.time / ticksPerMs > watched.latestMs + clockAheadMsMax + 1
      )
        this.#watch.report(device.key, `accepted ${node.id} too early`);
    }
    this.#checkTips(watched, graph);
  }

  /** Tips are what counts and nothing that counts follows. */
  #checkTips({ device, everVoid, everCounted }: WatchedDevice, graph: Graph): void {
    const tips = new Set<EntryId>();
    for (let position = 0; position < graph.size; position++) {
      const node = graph.at(position);
      if (!graph.counts(node)) {
        everVoid.add(node.id);
        continue;
      }
      everCounted.add(node.id);
      for (const id of followsOf(this.#watch.places.get(node.id) ?? placeOfNode(node))) {
        tips.delete(id);
        const before = graph.get(id);
        if (before !== undefined && !graph.counts(before))
          this.#watch.report(device.key, `counts ${node.id}, and not ${id}, which it follows`);
      }
      tips.add(node.id);
    }
    const found = graph.tips();
    if (found.length !== tips.size || found.some(({ id }) => !tips.has(id)))
      this.#watch.report(device.key, `${found.length} tips instead of ${tips.size}`);
  }

  /** Its number in its chain, and its height, follow from what it follows. */
  #checkPlace(key: PublicKey, id: EntryId, entry: Place): void {
    const prev = entry.prev === undefined ? undefined : this.#watch.places.get(entry.prev);
    if (prev !== undefined && (prev.author !== entry.author || prev.seq + 1 !== entry.seq))
      this.#watch.report(key, `accepted ${id} with a wrong number`);
    const heights = followsOf(entry).map((each) => this.#watch.places.get(each)?.height ?? Number.NaN);
    const height = heights.length === 0 ? 0 : 1 + Math.max(...heights);
    if (!Number.isNaN(height) && height !== entry.height) this.#watch.report(key, `accepted ${id} with a wrong height`);
  }
}
