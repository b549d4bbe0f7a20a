/** [STORAGE-21] What tells one storage from another that took its place: a device that comes back with another epoch lost its disk. */
import { TidemarkError } from "../core/errors.ts";
import { encodeHex } from "../core/ids.ts";
import type { Random } from "../ports/random.ts";
import type { Storage } from "../ports/storage.ts";

const epochBytes = 16;
/** What it is stored as. */
export const epochName = "epoch";

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
