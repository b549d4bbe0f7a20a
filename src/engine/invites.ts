/**
 * Letting others in: invites and the tickets that carry their secrets.
 *
 * The secret is in the ticket and nowhere else: a copy of the database, or of this device, lets nobody in.
 */
import { millisecondsOf } from "../core/clock.ts";
import { TidemarkError } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import { inviteFault, knownInvites } from "../core/protocol/admission.ts";
import { isLater } from "../core/store/kind.ts";
import { NONE, OWNER, type Power, permissionName } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { formatTicket } from "../core/ticket.ts";
import type { OpenDatabase } from "./database.ts";
import type { InviteInfo } from "./permissions-info.ts";
import type { EnginePorts } from "./ports.ts";

export type InviteOp = Extract<SettingsOp, { readonly type: "invite" }>;

export interface InviteTerms {
  readonly power: Power;
  /** In milliseconds since 1970. */
  readonly expiresMs?: number;
  /** How many keys may come in by it. */
  readonly uses?: number;
  /** For people. */
  readonly label?: string;
}

/** How a device is reached that holds a database: what tickets say of that. */
export interface Reach {
  readonly relays: readonly string[];
  readonly addresses: readonly string[];
}

export class Invites {
  readonly #ports: EnginePorts;

  constructor(ports: EnginePorts) {
    this.#ports = ports;
  }

  /** A new secret: its public half for the settings, the secret itself in a ticket. Rejects with PERMISSION_DENIED or INPUT_INVALID. */
  async create(
    database: OpenDatabase,
    { power, expiresMs, uses, label }: InviteTerms,
    reach: Reach,
  ): Promise<{ readonly invite: InviteOp; readonly secret: Uint8Array; readonly ticket: string }> {
    const secret = this.#ports.random.bytes(32);
    const { publicKey: key } = await this.#ports.deriveIdentity(secret);
    assertMaySet(database, key, power);
    assertGivesSomething(database, power);
    const limits = {
      ...(label === undefined ? {} : { label }),
      ...(expiresMs === undefined ? {} : { expiresMs }),
      ...(uses === undefined ? {} : { uses }),
    };
    const invite: InviteOp = { type: "invite", key, power, ...limits };
    return { invite, secret, ticket: this.#ticket(database, secret, reach) };
  }

  /** A ticket without a secret, for those who may come in anyway, and for requests. */
  address(database: OpenDatabase, reach: Reach): string {
    return this.#ticket(database, undefined, reach);
  }

  /** Those that are not withdrawn, the latest first. */
  list({ replica }: OpenDatabase): readonly InviteInfo[] {
    const nowMs = this.#ports.clock.now();
    const known = knownInvites(replica);
    const invites = [...replica.settings.invites()].sort((a, b) => (isLater(a.stamp, b.stamp) ? -1 : 1));
    return invites.flatMap(({ key, label, expiresMs, uses, author, stamp }): readonly InviteInfo[] => {
      const stands = known.get(key);
      if (stands === undefined) return [];
      const { power, used } = stands;
      const terms = { power, permission: permissionName(power), label, expiresAtMs: expiresMs, uses, used };
      const isValid = inviteFault(replica, key, nowMs) === undefined;
      return [{ key, ...terms, by: author, atMs: millisecondsOf(stamp.time), isValid }];
    });
  }

  /** What takes it back. Throws INVITE_UNKNOWN and PERMISSION_DENIED. */
  withdrawal(database: OpenDatabase, key: PublicKey): InviteOp {
    const invite = database.replica.settings.invites().find((each) => each.key === key);
    if (invite === undefined) throw new TidemarkError("INVITE_UNKNOWN", { invite: key });
    assertMaySet(database, key, invite.power);
    return { type: "invite", key, power: NONE };
  }

  #ticket({ id }: OpenDatabase, secret: Uint8Array | undefined, { relays, addresses }: Reach): string {
    const { identity, sha256 } = this.#ports;
    const peers = [identity.publicKey];
    const known = addresses.map((address) => ({ address, peer: identity.publicKey }));
    const ticket = { database: id, relays, peers, addresses: known };
    return formatTicket(secret === undefined ? ticket : { ...ticket, secret }, sha256);
  }
}

/** Throws PERMISSION_DENIED. */
export function assertMaySet({ replica, identity, permission }: OpenDatabase, key: PublicKey, power: Power): void {
  // Such an entry is allowed, and takes nothing away.
  if (key === replica.graph.root?.author && power !== OWNER)
    throw new TidemarkError("PERMISSION_DENIED", {
      need: "another key than the owner's, which stays",
      got: permission,
    });
  if (replica.authority.maySet(identity.publicKey, key, power)) return;
  throw new TidemarkError("PERMISSION_DENIED", { need: `stronger than ${permissionName(power)}`, got: permission });
}

/** Throws INPUT_INVALID for what lets nobody have anything: only what is encrypted is held by those who may not read it. */
export function assertGivesSomething({ replica }: OpenDatabase, power: Power): void {
  if (power <= replica.holderPower || power === NONE) return;
  const expected = replica.isEncrypted
    ? "relay or stronger, or none"
    : "read or stronger, or none: it is not encrypted";
  throw new TidemarkError("INPUT_INVALID", { field: "permission", got: permissionName(power), expected });
}
