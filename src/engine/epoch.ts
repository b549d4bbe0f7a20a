/** [STORAGE-21] What tells one storage from another that took its place: a device that comes back with another epoch lost its disk. */
import { TidemarkError } from "../core/errors.ts";
import { encodeHex } from "../core/ids.ts";
import type { Random } from "../ports/random.ts";
import type { Storage } from "../ports/storage.ts";

const epochBytes = 16;
const valueName = "epoch";

/** 32 hex digits, drawn at the first start. Rejects with STORAGE_CORRUPT when something else is stored in its place. */
export async function loadEpoch(storage: Storage, random: Random): Promise<string> {
  const epoch = await storage.putValueOnce(valueName, encodeHex(random.bytes(epochBytes)));
  if (typeof epoch === "string" && /^[0-9a-f]{32}$/.test(epoch)) return epoch;
  throw new TidemarkError("STORAGE_CORRUPT", { where: "the epoch" });
}
