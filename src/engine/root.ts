/** The first entry of a database: whose it is, what it is called, and whether it is encrypted, for ever. */
import { type Entry, encodeUnsigned, sealEntry } from "../core/entry.ts";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { Replica } from "../core/replica.ts";
import { OWNER } from "../core/store/power.ts";
import { type SettingsOp, settingsPart } from "../core/store/settings.ts";
import type { Identity } from "../ports/keys.ts";
import { epochSecretBytesLength } from "./epoch-plan.ts";
import type { EnginePorts } from "./ports.ts";

type RootPorts = Pick<EnginePorts, "clock" | "random" | "sha256" | "sealing">;

/** Rejects with ENVIRONMENT_UNSUPPORTED when it is to be encrypted and nothing can be sealed here. */
export async function createRoot(
  ports: RootPorts,
  owner: Identity,
  name: string,
  isEncrypted: boolean,
): Promise<Entry> {
  const { clock, random, sha256 } = ports;
  const ops: SettingsOp[] = [
    { type: "nonce", nonce: random.bytes(16) },
    { type: "name", name },
    ...(isEncrypted ? await firstEpoch(ports, owner) : []),
  ];
  // A database that does not exist yet has no id, and its first entry follows nothing.
  const draft = new Replica("" as DatabaseId, sha256).draft(owner.publicKey, [settingsPart(ops)], clock.now());
  const message = encodeUnsigned(draft);
  return sealEntry(draft, message, await owner.sign(message), sha256);
}

/** The owner's sealing key, so that admins can give it what they begin, and the key of the first epoch for the owner alone. */
async function firstEpoch({ sealing, random }: RootPorts, owner: Identity): Promise<readonly SettingsOp[]> {
  const sealKey = sealing?.publicKey;
  const wrapped = sealKey && (await sealing.wrap(random.bytes(epochSecretBytesLength), sealKey));
  if (sealKey === undefined || wrapped === undefined)
    throw new TidemarkError("ENVIRONMENT_UNSUPPORTED", { missing: "crypto.subtle, which needs https or localhost" });
  return [
    { type: "set", key: owner.publicKey, power: OWNER, sealKey },
    { type: "epoch", number: 1, keys: [{ key: owner.publicKey, wrapped }] },
  ];
}
