/**
 * Letting others in and getting in: invites, tickets, and when a joined database is ready.
 *
 * [ENGINE-15] A ticket is shown to every peer met in the database's room until the database is ready.
 * [ENGINE-16] `ready` resolves when a peer's entries have arrived and this key may read; it rejects when a peer that the
 *             ticket names refuses it, or when the instance closes.
 */

import { TidemarkError, unwrap } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { joinMessage } from "../core/protocol/admission.ts";
import { type Power, permissionName, READ } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { formatTicket, parseTicket } from "../core/ticket.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { OpenDatabase } from "./database.ts";
import type { Path } from "./path.ts";
import type { EnginePorts } from "./ports.ts";

type InviteOp = Extract<SettingsOp, { readonly type: "invite" }>;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: TidemarkError) => void;
}

export class Joins {
  readonly #ports: EnginePorts;
  readonly #putRecord: (record: DatabaseRecord) => Promise<void>;
  readonly #report: (error: unknown, database: DatabaseId) => void;
  readonly #waiters = new Map<DatabaseId, Waiter[]>();
  /** Tickets that were refused since they were last shown to anybody. */
  readonly #refused = new Set<DatabaseId>();
  /** Everything came, but some of it waits here: entries whose time has not come, by a clock that is behind. */
  readonly #arrived = new Set<DatabaseId>();

  constructor(
    ports: EnginePorts,
    putRecord: (record: DatabaseRecord) => Promise<void>,
    report: (error: unknown, database: DatabaseId) => void,
  ) {
    this.#ports = ports;
    this.#putRecord = putRecord;
    this.#report = report;
  }

  /** A new secret: its public half for the settings, the secret itself in a ticket. Throws PERMISSION_DENIED. */
  async invite(
    { id, replica }: OpenDatabase,
    power: Power,
    relays: readonly string[],
  ): Promise<{ readonly invite: InviteOp; readonly ticket: string }> {
    const { identity, random, deriveIdentity, sha256 } = this.#ports;
    const secret = random.bytes(32);
    const { publicKey } = await deriveIdentity(secret);
    if (!replica.authority.maySet(identity.publicKey, publicKey, power)) {
      const got = permissionName(replica.authority.power(identity.publicKey));
      throw new TidemarkError("PERMISSION_DENIED", { need: `stronger than ${permissionName(power)}`, got });
    }
    const ticket = formatTicket({ database: id, secret, relays, peers: [identity.publicKey] }, sha256);
    return { invite: { type: "invite", key: publicKey, power }, ticket };
  }

  recordOf(text: string): DatabaseRecord {
    const { database, relays } = unwrap(parseTicket(text, this.#ports.sha256));
    return { id: database, name: "", ticket: text, relays };
  }

  /** Proves the tickets of databases that are not ready to a peer. */
  introduce(peer: Path, databases: Iterable<OpenDatabase>): void {
    for (const database of databases) {
      const { id, ticket } = database.record;
      if (ticket === undefined) continue;
      this.#refused.delete(id);
      this.#prove(peer, id, ticket).catch((error: unknown) => this.#report(error, id));
    }
  }

  async #prove(peer: Path, id: DatabaseId, text: string): Promise<void> {
    const { identity, deriveIdentity, sha256 } = this.#ports;
    const ticket = unwrap(parseTicket(text, sha256));
    const invite = await deriveIdentity(ticket.secret);
    const signature = await invite.sign(joinMessage(peer.transcript, identity.publicKey, id));
    peer.step({ type: "joining", database: id, invite: invite.publicKey, signature });
  }

  /** Only the peers that the ticket names can say that it is worth nothing: others may just not know it yet. */
  refuse(database: OpenDatabase | undefined, peer: Path): void {
    const text = database?.record.ticket;
    if (database === undefined || text === undefined || peer.key === undefined) return;
    if (!unwrap(parseTicket(text, this.#ports.sha256)).peers.includes(peer.key)) return;
    this.#refused.add(database.id);
    for (const { reject } of this.#takeWaiters(database.id)) reject(refusal(database.id));
  }

  /** Something became durable: perhaps what was waited for. */
  announced(database: OpenDatabase): void {
    if (this.#arrived.has(database.id)) this.catchUp(database);
  }

  catchUp(database: OpenDatabase | undefined): void {
    if (database?.record.ticket === undefined) return;
    this.#arrived.add(database.id);
    if (!this.#mayRead(database)) return;
    this.#arrived.delete(database.id);
    const { ticket: _used, ...record } = database.record;
    void this.#putRecord(record);
    for (const { resolve } of this.#takeWaiters(database.id)) resolve();
  }

  /** Nothing more will arrive. */
  close(): void {
    for (const database of [...this.#waiters.keys()])
      for (const { reject } of this.#takeWaiters(database))
        reject(new TidemarkError("INSTANCE_CLOSED", { name: this.#ports.name }));
  }

  ready({ id, record }: OpenDatabase): Promise<void> {
    if (record.ticket === undefined) return Promise.resolve();
    if (this.#refused.has(id)) return Promise.reject(refusal(id));
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, [...(this.#waiters.get(id) ?? []), { resolve, reject }]);
    });
  }

  #mayRead({ replica }: OpenDatabase): boolean {
    return replica.graph.size > 0 && replica.authority.power(this.#ports.identity.publicKey) <= READ;
  }

  #takeWaiters(database: DatabaseId): readonly Waiter[] {
    const waiters = this.#waiters.get(database) ?? [];
    this.#waiters.delete(database);
    return waiters;
  }
}

function refusal(database: DatabaseId): TidemarkError {
  return new TidemarkError("JOIN_REFUSED", { database });
}
