/**
 * Getting in: what peers are shown, the redemption that this device writes, and when a joined database is ready.
 *
 * [ENGINE-15] A ticket is shown to every peer that is met until the database is ready. After that those are shown it who do not know
 *             that it let this key in, so that they hear of it from this key itself.
 * [ENGINE-16] `ready` resolves when a peer's entries have arrived and this key may read; it rejects when somebody who should know
 *             refuses it, or when the instance closes.
 * [JOIN-1] A key that a ticket's invite makes stronger redeems it as soon as everything has arrived, whoever sent it.
 * [JOIN-5] Whoever has not got everything when its invite ends is told why only if what it has says so.
 * [REQUEST-7] Without a secret every peer that is met is asked, until the database is ready.
 */

import { explainKey } from "../core/authority/explain.ts";
import { asTidemarkError, TidemarkError, unwrap } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { redeemMessage } from "../core/invite-proof.ts";
import {
  inviteFault,
  isBarred,
  isRemoved,
  joinMessage,
  knownInvites,
  proveMessage,
} from "../core/protocol/admission.ts";
import { commitmentOf } from "../core/protocol/commitments.ts";
import { NONE } from "../core/store/power.ts";
import type { RedeemOp } from "../core/store/settings.ts";
import { parseTicket, type Ticket } from "../core/ticket.ts";
import type { Identity } from "../ports/keys.ts";
import type { AskRecord, DatabaseRecord, InviteKey, JoinRefusal } from "../ports/storage.ts";
import type { JoinReply } from "./blocked-by.ts";
import type { OpenDatabase } from "./database.ts";
import type { Path } from "./path.ts";
import type { Access } from "./permissions-info.ts";
import type { EnginePorts } from "./ports.ts";
import { answerMs } from "./status-input.ts";

export interface JoinTerms {
  /** What others are to call this device. */
  readonly name?: string;
  /** For whoever decides about a request. */
  readonly note?: string;
  /** What to ask for; by default whatever it may have, and else write. */
  readonly power?: number;
}

export interface JoinsOptions {
  readonly ports: EnginePorts;
  readonly putRecord: (record: DatabaseRecord) => Promise<void>;
  readonly report: (error: unknown, database: DatabaseId) => void;
  /** Whether the database is synced with the peer at all. */
  readonly shares: (peer: PublicKey, database: DatabaseId) => boolean;
  /** Whether this device has exchanged the database with the peer before. */
  readonly knows: (peer: PublicKey, database: DatabaseId) => boolean;
  /** Signs and stores a redemption. Rejects with what it is refused for. */
  readonly redeem: (database: OpenDatabase, op: RedeemOp) => Promise<void>;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: TidemarkError) => void;
}

export class Joins {
  readonly #options: JoinsOptions;
  readonly #waiters = new Map<DatabaseId, Waiter[]>();
  /** Everything came, but some of it waits here: entries whose time has not come, by a clock that is behind. */
  readonly #arrived = new Set<DatabaseId>();
  /** Somebody has heard that we ask to be let in. */
  readonly #heard = new Set<DatabaseId>();
  /** Being redeemed, or made ready. */
  readonly #settling = new Set<DatabaseId>();

  constructor(options: JoinsOptions) {
    this.#options = options;
  }

  /** What is remembered of a ticket. Throws TICKET_MALFORMED. */
  recordOf(text: string, { name = "", note = "", power = NONE }: JoinTerms): DatabaseRecord {
    const { database, relays } = this.#parse(text);
    const asks: AskRecord = { name, note, power };
    return { id: database, name: "", ticket: text, relays, asks };
  }

  /** What opens the epochs that the ticket's invite was given; empty for a ticket without a secret. */
  async inviteKeysOf(text: string): Promise<readonly InviteKey[]> {
    const { secret } = this.#parse(text);
    const { sealing, deriveIdentity } = this.#options.ports;
    if (secret === undefined || sealing === undefined) return [];
    const { publicKey } = await deriveIdentity(secret);
    return [{ invite: publicKey, opens: await sealing.inviteKey(secret) }];
  }

  /** Whether it says more than how to reach the database. */
  hasSecret(text: string): boolean {
    return this.#parse(text).secret !== undefined;
  }

  /** Tells a peer what it has to know of us before it lets us in to these. */
  introduce(path: Path, databases: Iterable<OpenDatabase>): void {
    for (const database of databases)
      if (path.key !== undefined && this.#options.shares(path.key, database.id))
        this.#introduce(path, database).catch((error: unknown) => this.#options.report(error, database.id));
  }

  async #introduce(path: Path, database: OpenDatabase): Promise<void> {
    const { ticket, redeemed } = database.record;
    const { key } = path;
    await this.#proveKey(path, database);
    if (ticket !== undefined) return this.#show(path, database, ticket);
    if (redeemed === undefined || key === undefined) return;
    if (!this.#options.knows(key, database.id)) return this.#show(path, database, redeemed);
    // It has let us in before. Should it say nothing it has lost what says so, or that does not count any more.
    this.#options.ports.clock.after(answerMs, () => {
      if (!path.isOpen || !this.#options.shares(key, database.id)) return;
      if ((path.session?.lane(database.id)?.phase ?? "idle") !== "idle") return;
      this.#show(path, database, redeemed).catch((error: unknown) => this.#options.report(error, database.id));
    });
  }

  async #proveKey(path: Path, { id, identity }: OpenDatabase): Promise<void> {
    const { ports } = this.#options;
    if (identity.publicKey === ports.identity.publicKey) return;
    const self = ports.identity.publicKey;
    const commitment = commitmentOf(id, self, path.transcript, ports.sha256);
    const signature = await identity.sign(proveMessage(path.transcript, self, commitment));
    path.step({ type: "proving", database: id, key: identity.publicKey, signature });
  }

  async #show(path: Path, { id, record }: OpenDatabase, text: string): Promise<void> {
    const { identity, sha256 } = this.#options.ports;
    const invite = await this.#inviteOf(text);
    if (invite === undefined) {
      const { name, note, power } = record.asks ?? { name: "", note: "", power: NONE };
      const sealKey = this.#options.ports.sealing?.publicKey;
      return path.step({ type: "knocking", database: id, knock: { name, note, power, sealKey } });
    }
    const commitment = commitmentOf(id, identity.publicKey, path.transcript, sha256);
    const signature = await invite.sign(joinMessage(path.transcript, identity.publicKey, commitment));
    path.step({ type: "joining", database: id, invite: invite.publicKey, signature });
  }

  /**
   * A peer says that there is nothing for us. Others may just not know it yet: only those count that the ticket names, before it was
   * redeemed, and those that have let us in before.
   */
  refusedBy(database: OpenDatabase | undefined, { key }: Path): void {
    const text = database?.record.ticket ?? database?.record.redeemed;
    if (database === undefined || text === undefined || key === undefined) return;
    const isNamed = database.record.ticket !== undefined && this.#parse(text).peers.includes(key);
    if (!isNamed && !this.#options.knows(key, database.id)) return;
    this.#reasonOf(database, text)
      .then((reason) => this.#refuse(database, reason))
      .catch((error: unknown) => this.#options.report(error, database.id));
  }

  /** An admin said no to our request. */
  rejected(database: OpenDatabase | undefined): void {
    if (database?.record.ticket !== undefined) this.#refuse(database, "rejected");
  }

  /** Everything that a peer had is durable here. */
  caughtUp(database: OpenDatabase | undefined): void {
    if (database === undefined) return;
    const { refused, ...record } = database.record;
    if (record.ticket !== undefined) this.#arrived.add(database.id);
    else if (refused !== undefined && this.#mayRead(database)) void this.#options.putRecord(record);
    this.changed(database);
  }

  /** What is here changed, or what this key may do. */
  changed(database: OpenDatabase): void {
    const { ticket, redeemed } = database.record;
    const report = (error: unknown): void => this.#options.report(error, database.id);
    if (ticket !== undefined) this.#settle(database, ticket).catch(report);
    else if (redeemed !== undefined && !this.#mayRead(database)) this.#redeemAfterAll(database, redeemed).catch(report);
  }

  /** Nothing more will arrive. */
  close(): void {
    for (const database of [...this.#waiters.keys()])
      for (const { reject } of this.#takeWaiters(database))
        reject(new TidemarkError("INSTANCE_CLOSED", { name: this.#options.ports.name }));
  }

  /** Rejects with ABORTED by `signal`. */
  ready({ id, record }: OpenDatabase, signal?: AbortSignal): Promise<void> {
    if (record.refused !== undefined) return Promise.reject(refusal(id, record.refused));
    if (record.ticket === undefined) return Promise.resolve();
    if (signal?.aborted) return Promise.reject(new TidemarkError("ABORTED", { call: "ready" }));
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#dropWaiter(id, waiter);
        reject(new TidemarkError("ABORTED", { call: "ready" }));
      };
      const end = (): void => signal?.removeEventListener("abort", abort);
      const waiter: Waiter = {
        resolve: () => {
          end();
          resolve();
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      this.#waiters.set(id, [...(this.#waiters.get(id) ?? []), waiter]);
      signal?.addEventListener("abort", abort);
    });
  }

  #dropWaiter(id: DatabaseId, waiter: Waiter): void {
    const left = (this.#waiters.get(id) ?? []).filter((one) => one !== waiter);
    if (left.length === 0) this.#waiters.delete(id);
    else this.#waiters.set(id, left);
  }

  /** Everybody says so, whether or not they know of the database. */
  heard({ id }: OpenDatabase): void {
    this.#heard.add(id);
  }

  /** What came of asking to be let in. */
  reply({ id, record }: OpenDatabase): JoinReply | undefined {
    if (record.refused !== undefined) return record.refused;
    return record.ticket !== undefined && this.#heard.has(id) ? "heard" : undefined;
  }

  access({ record, permission, isRemoved }: OpenDatabase): Access {
    const { ticket, refused } = record;
    const known = { permission, ...(isRemoved ? { removed: true as const } : {}) };
    if (refused !== undefined) return { state: "rejected", ...known, reason: refused };
    if (ticket === undefined) return { state: "member", ...known };
    return { state: this.hasSecret(ticket) ? "joining" : "pending", ...known };
  }

  /** The database is gone from here. */
  forget(database: DatabaseId, error: TidemarkError): void {
    this.#arrived.delete(database);
    this.#heard.delete(database);
    for (const { reject } of this.#takeWaiters(database)) reject(error);
  }

  async #settle(database: OpenDatabase, ticket: string): Promise<void> {
    const { id } = database;
    if (!this.#arrived.has(id) || !database.hasRoot || this.#settling.has(id)) return;
    this.#settling.add(id);
    try {
      await this.#redeem(database, ticket);
      if (this.#mayRead(database) && database.record.ticket === ticket) await this.#finish(database, ticket);
    } finally {
      this.#settling.delete(id);
    }
  }

  async #finish(database: OpenDatabase, text: string): Promise<void> {
    const { id, identity, replica } = database;
    const { ticket: _used, refused: _refused, asks: _asks, ...record } = database.record;
    const isRedeemed = replica.settings.sets().some(({ via, key }) => via === "redeem" && key === identity.publicKey);
    this.#arrived.delete(id);
    // Whoever made the invite may know of a lowering that is not here yet, and what is open to everybody may be closed.
    const mayLoseIt = async (): Promise<boolean> => isPublic(database) || !(await this.#knowsInvite(database, text));
    const isNeeded = isRedeemed || (this.hasSecret(text) && (await mayLoseIt()));
    await this.#options.putRecord(isNeeded ? { ...record, redeemed: text } : record);
    for (const { resolve } of this.#takeWaiters(id)) resolve();
  }

  /** This key may not read any more: a ticket that was not needed before may be good for something now. Once redeemed it is not. */
  async #redeemAfterAll(database: OpenDatabase, text: string): Promise<void> {
    const { id, identity, replica } = database;
    if (this.#settling.has(id)) return;
    this.#settling.add(id);
    try {
      const invite = await this.#inviteOf(text);
      const redemptions = invite === undefined ? [] : replica.authority.ledger.redemptions(invite.publicKey);
      if (!redemptions.some(({ author }) => author === identity.publicKey)) await this.#redeem(database, text);
      if (!this.#mayRead(database)) this.#refuse(database, await this.#reasonOf(database, text));
    } finally {
      this.#settling.delete(id);
    }
  }

  async #knowsInvite({ replica }: OpenDatabase, text: string): Promise<boolean> {
    const invite = await this.#inviteOf(text);
    return invite !== undefined && replica.authority.ledger.invites(invite.publicKey).length > 0;
  }

  /** When it makes this key stronger. What stands against it is told when this key has nothing else. */
  async #redeem(database: OpenDatabase, text: string): Promise<void> {
    const invite = await this.#inviteOf(text);
    const known = invite && knownInvites(database.replica).get(invite.publicKey);
    if (invite === undefined || known === undefined || database.power <= known.power) return;
    const fault = this.#faultOf(database, invite.publicKey);
    if (fault !== undefined) {
      if (!this.#mayRead(database)) this.#refuse(database, fault);
      return;
    }
    try {
      await this.#options.redeem(database, await this.#redemption(database, invite));
    } catch (error) {
      const { code } = asTidemarkError(error);
      if (code !== "ENTRY_INVITE") throw error;
      // By the time of what it follows, where this clock is behind.
      if (!this.#mayRead(database)) this.#refuse(database, this.#faultOf(database, invite.publicKey) ?? "expired");
    }
  }

  async #redemption({ id, identity, record }: OpenDatabase, invite: Identity): Promise<RedeemOp> {
    const name = record.asks?.name ?? "";
    const proof = await invite.sign(redeemMessage(id, identity.publicKey));
    const sealKey = this.#options.ports.sealing?.publicKey;
    const described = { ...(name === "" ? {} : { name }), ...(sealKey === undefined ? {} : { sealKey }) };
    return { type: "redeem", invite: invite.publicKey, proof, ...described };
  }

  /** As far as is known here. */
  #faultOf({ replica, identity }: OpenDatabase, invite: PublicKey): JoinRefusal | undefined {
    const { publicKey } = identity;
    if (isRemoved(replica, publicKey) || isBarred(replica, publicKey, invite)) return "removed";
    const fault = inviteFault(replica, invite, this.#options.ports.clock.now());
    return fault === "unentitled" ? "withdrawn" : fault;
  }

  async #reasonOf(database: OpenDatabase, text: string): Promise<JoinRefusal> {
    const invite = await this.#inviteOf(text);
    const found = invite && database.hasRoot ? this.#faultOf(database, invite.publicKey) : undefined;
    // An invite that has not come yet is no withdrawn one.
    const fault = found === "withdrawn" && !(await this.#knowsInvite(database, text)) ? undefined : found;
    return fault ?? (database.record.redeemed === undefined ? "unavailable" : "void");
  }

  #refuse(database: OpenDatabase, reason: JoinRefusal): void {
    const { record, id } = database;
    if (record.refused !== reason) void this.#options.putRecord({ ...record, refused: reason });
    for (const { reject } of this.#takeWaiters(id)) reject(refusal(id, reason));
  }

  #mayRead({ hasRoot, power, replica }: OpenDatabase): boolean {
    return hasRoot && power <= replica.holderPower;
  }

  #parse(text: string): Ticket {
    return unwrap(parseTicket(text, this.#options.ports.sha256));
  }

  /** Undefined for a ticket without a secret. */
  async #inviteOf(text: string): Promise<Identity | undefined> {
    const { secret } = this.#parse(text);
    return secret && (await this.#options.ports.deriveIdentity(secret));
  }

  #takeWaiters(database: DatabaseId): readonly Waiter[] {
    const waiters = this.#waiters.get(database) ?? [];
    this.#waiters.delete(database);
    return waiters;
  }
}

/** This key may do here what everybody may, and nothing of its own. */
function isPublic({ replica, identity }: OpenDatabase): boolean {
  return explainKey(replica, identity.publicKey).isPublic;
}

function refusal(database: DatabaseId, reason: JoinRefusal): TidemarkError {
  return new TidemarkError("JOIN_REFUSED", { database, reason });
}
