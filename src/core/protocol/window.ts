/**
 * What was sent to one peer and is not confirmed yet.
 *
 * [LANE-5] At most `batchesInFlightMax` batches of all databases are sent and not confirmed, and as many times
 *          `batchBytesMax` bytes; or one larger batch alone, so that the peer never has to hold more than one.
 */
import { batchBytesMax, batchesInFlightMax } from "../limits.ts";

export class Window {
  batches = 0;
  bytes = 0;

  hasRoomFor(bytes: number): boolean {
    if (this.batches === 0) return true;
    return this.batches < batchesInFlightMax && this.bytes + bytes <= batchesInFlightMax * batchBytesMax;
  }

  add(bytes: number): void {
    this.batches += 1;
    this.bytes += bytes;
  }

  remove(bytes: number): void {
    this.batches -= 1;
    this.bytes -= bytes;
  }
}
