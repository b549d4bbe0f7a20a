/** [STORAGE-21] What tells one storage from another that took its place: a device that comes back with another epoch lost its disk. */
import { TidemarkError } from "../core/errors.ts";
import { encodeHex } from "../core/ids.ts";
import type { Random } from "../ports/random.ts";
import type { Storage } from "../ports/storage.ts";

const epochBytes = 16;
/** What it is stored as. */
const epochName = "epoch";

/** That of one storage, as long as it is open. */
export class Epoch {
  readonly #storage: Storage;
  readonly #random: Random;
  #current: string;

  private constructor(storage: Storage, random: Random, current: string) {
    this.#storage = storage;
    this.#random = random;
    this.#current = current;
  }

  /** Rejects with a STORAGE_ code. */
  static async load(storage: Storage, random: Random): Promise<Epoch> {
    return new Epoch(storage, random, await loadEpoch(storage, random));
  }

  get current(): string {
    return this.#current;
  }

  /** What was confirmed under the old one may be gone. Rejects with a STORAGE_ code. */
  async renew(): Promise<void> {
    await this.#storage.deleteValue(epochName);
    this.#current = await loadEpoch(this.#storage, this.#random);
  }
}

/** 32 hex digits, drawn at the first start, and anew when they cannot be read. Rejects with a STORAGE_ code. */
export async function loadEpoch(storage: Storage, random: Random): Promise<string> {
  const epoch = await drawEpoch(storage, random).catch((error: unknown) => {
    if (!(error instanceof TidemarkError && error.code === "STORAGE_CORRUPT")) throw error;
    return undefined;
  });
  if (isEpoch(epoch)) return epoch;
  await storage.deleteValue(epochName);
  return (await drawEpoch(storage, random)) as string;
}

/** Whatever is stored afterwards. */
async function drawEpoch(storage: Storage, random: Random): Promise<unknown> {
  return await storage.putValueOnce(epochName, encodeHex(random.bytes(epochBytes)));
}

function isEpoch(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{32}$/.test(value);
}
