/** What is read of a log at a time, and what is put back where some of it cannot be read. */
import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, entryIdFromDigest } from "../core/ids.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import { type Found, type StoredLog, scanLog } from "./log-scan.ts";

const sha256 = await loadSha256();

/** Of these sizes, which a damaged entry has kept. */
class Log {
  readonly calls: string[] = [];
  readonly #sizes: readonly number[];
  readonly #damaged: ReadonlySet<number>;
  readonly #error: TidemarkError | undefined;

  constructor(sizes: readonly number[], damaged: readonly number[] = [], error?: TidemarkError) {
    this.#sizes = sizes;
    this.#damaged = new Set(damaged);
    this.#error = error;
  }

  async scan(from: number, to: number, isWanted: () => boolean = () => true): Promise<Found> {
    const there = (first: number, end: number): readonly Uint8Array[] =>
      this.#sizes
        .slice(first, end)
        .map((_, i) => (this.#damaged.has(first + i) ? new Uint8Array(1) : this.#bytes(first + i)));
    const log: StoredLog = {
      database: "d".repeat(64) as DatabaseId,
      sha256,
      at: (position) => ({
        id: entryIdFromDigest(sha256(this.#bytes(position))),
        size: this.#sizes[position] as number,
      }),
      storage: {
        read: async (_, first, end) => {
          this.calls.push(`read ${first} ${end}`);
          if (this.#error !== undefined) throw this.#error;
          return there(first, end);
        },
        salvage: async (_, first, end) => {
          this.calls.push(`salvage ${first} ${end}`);
          return there(first, end);
        },
        replace: async (_, position, entries) => void this.calls.push(`replace ${position} ${entries.length}`),
      },
    };
    return await scanLog(log, from, to, isWanted);
  }

  /** Others at each position; the size is what the log says. */
  #bytes(position: number): Uint8Array {
    return Uint8Array.of(position >> 8, position & 255);
  }
}

const corrupt = new TidemarkError("STORAGE_CORRUPT", { where: "a segment" });

describe("[STORAGE-26] going through a log", () => {
  test("reads 1,000 entries at a time, or as many as have 1 MiB", async () => {
    const small = new Log(Array.from({ length: 2_500 }, () => 10));
    await small.scan(100, 2_400);
    expect(small.calls).toEqual(["read 100 1100", "read 1100 2100", "read 2100 2400"]);
    const large = new Log([600_000, 600_000, 10, 2_000_000, 10]);
    await large.scan(0, 5);
    expect(large.calls).toEqual(["read 0 2", "read 2 4", "read 4 5"]);
  });

  test("puts back what is sound beside damage, a run at a time, and nothing that can be read", async () => {
    const sizes = [1, 2, 3, 4, 5, 6, 7];
    const log = new Log(sizes, [1, 5], corrupt);
    expect(await log.scan(0, 7)).toEqual({ damaged: [1, 5], salvaged: 5 });
    expect(log.calls).toEqual(["read 0 7", "salvage 0 7", "replace 0 1", "replace 2 3", "replace 6 1"]);
    const readable = new Log(sizes, [1, 5]);
    expect(await readable.scan(0, 7)).toEqual({ damaged: [1, 5], salvaged: 0 });
    expect(readable.calls).toEqual(["read 0 7"]);
  });

  test("ends when storage fails for another reason than damage, and when it is not wanted any more", async () => {
    const quota = new TidemarkError("STORAGE_QUOTA", { reason: "full" });
    const failing = new Log([1, 2], [], quota);
    await expect(failing.scan(0, 2)).rejects.toBe(quota);
    expect(failing.calls).toEqual(["read 0 2"]);
    const long = new Log(Array.from({ length: 3_000 }, () => 1));
    await long.scan(0, 3_000, () => long.calls.length === 0);
    expect(long.calls).toEqual(["read 0 1000"]);
  });
});
