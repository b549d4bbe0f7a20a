/** Whether the author of a settings entry may do what it does, judged by what it knows: [AUTHORITY-3] and [AUTHORITY-10]. */
import type { PublicKey } from "../ids.ts";
import { NONE, OWNER, type Power, permissionName, WRITE } from "../store/power.ts";
import type { SettingsOp } from "../store/settings.ts";
import { inviteOf, powerOf, type View } from "./power-of.ts";

/** What the author lacks for an op that only admins do; undefined when nothing. `power` is the author's. */
export function lackOf(author: PublicKey, power: Power, op: SettingsOp, view: View): string | undefined {
  if (power >= WRITE) return "admin";
  switch (op.type) {
    case "name":
    case "nonce":
    case "epoch":
      return undefined;
    case "redeem":
      return "an invite";
    case "remove":
      return power === OWNER ? undefined : "owner";
    case "public":
      return strongerThan(op.power, power);
    case "invite": {
      const lack = strongerThan(op.power, power);
      if (lack !== undefined) return lack;
      return (inviteOf(op.key, view)?.power ?? NONE) > power ? undefined : "stronger than the invite it changes";
    }
    case "set": {
      // The owner stays what it is. It says so to be called something, and to name its sealing key.
      if (power === OWNER && op.power === OWNER && op.key === author) return undefined;
      const lack = strongerThan(op.power, power);
      if (lack !== undefined || op.key === author) return lack;
      return powerOf(op.key, view) > power ? undefined : "stronger than the key it sets";
    }
  }
}

/** What is given is weaker than whoever gives it. */
function strongerThan(given: Power, power: Power): string | undefined {
  return given > power ? undefined : `stronger than ${permissionName(given)}`;
}
