/**
 * What was sent to one peer and is not confirmed yet.
 *
 * [LANE-5] At most `batchesInFlightMax` batches of all databases are sent and not confirmed, and as many bytes as the owner
 *          allows, at most as many times `batchBytesMax`; or one larger batch alone, so that the peer never has to hold more
 *          than one.
 * [LANE-9] Catch-up never takes the last quarter of it: what somebody waits for has room.
 */
import { batchBytesMax, batchesInFlightMax } from "../limits.ts";

/** interactive: new entries, as they come. bulk: what was missing before. */
export type Priority = "interactive" | "bulk";

const bulkPart = 0.75;

export class Window {
  batches = 0;
  bytes = 0;
  /** How many were confirmed. */
  confirmed = 0;

  hasRoomFor(bytes: number, bytesMax: number, priority: Priority): boolean {
    if (this.batches === 0) return true;
    const part = priority === "bulk" ? bulkPart : 1;
    const most = Math.min(bytesMax, batchesInFlightMax * batchBytesMax);
    return this.batches < part * batchesInFlightMax && this.bytes + bytes <= part * most;
  }

  add(bytes: number): void {
    this.batches += 1;
    this.bytes += bytes;
  }

  remove(bytes: number): void {
    this.batches -= 1;
    this.confirmed += 1;
    this.bytes -= bytes;
  }
}
