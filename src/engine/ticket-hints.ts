/**
 * Dialling the addresses that tickets name.
 *
 * [TICKET-8] The addresses of a ticket are dialled all at once, each with a time-out of its own, until the database is ready or
 *            somebody is there; after that with pauses that double. One that is dead stands in nobody's way.
 * [TICKET-9] At an address that a ticket names with a key nobody is taken who does not prove that key.
 * [TICKET-10] When no relay and no address of a ticket leads to anybody, that is told with the code of the last failure.
 */
import { backOffMs } from "../core/back-off.ts";
import { asTidemarkError, unwrap } from "../core/errors.ts";
import type { DatabaseId, PublicKey, Sha256 } from "../core/ids.ts";
import { type AddressHint, parseTicket } from "../core/ticket.ts";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { RelayStatus } from "../ports/transport.ts";
import { isSynced } from "./sync-switch.ts";

export interface TicketHintsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly sha256: Sha256;
  readonly isOnline: () => boolean;
  /** Undefined: it is not here any more. */
  readonly record: (database: DatabaseId) => DatabaseRecord | undefined;
  /** Resolves when whoever is at the address has proved who it is; rejects with why not. */
  readonly dial: (hint: AddressHint, signal: AbortSignal) => Promise<PublicKey>;
  readonly isConnected: (peer: PublicKey) => boolean;
  readonly relays: () => readonly RelayStatus[];
  /** What `unreachable` answers is different now. */
  readonly changed: (database: DatabaseId) => void;
}

/** Of one database. */
interface Dialled {
  failures: number;
  /** Who was reached last, at each address. */
  readonly reached: Map<string, PublicKey>;
  /** Of addresses at which nobody was reached. */
  readonly codes: Map<string, string>;
  readonly controller: AbortController;
  cancel: () => void;
}

export class TicketHints {
  readonly #options: TicketHintsOptions;
  readonly #reaches = new Map<DatabaseId, Dialled>();

  constructor(options: TicketHintsOptions) {
    this.#options = options;
  }

  /** Dials now, if there is anything to dial. What was begun for an earlier ticket ends. */
  reach(database: DatabaseId): void {
    this.stop(database);
    if (!this.#options.isOnline() || this.#hintsOf(database).length === 0) return;
    const none = { reached: new Map<string, PublicKey>(), codes: new Map<string, string>() };
    const reach: Dialled = { failures: 0, ...none, controller: new AbortController(), cancel: () => {} };
    this.#reaches.set(database, reach);
    void this.#dialAll(database, reach);
  }

  stop(database: DatabaseId): void {
    const reach = this.#reaches.get(database);
    reach?.controller.abort();
    reach?.cancel();
    this.#reaches.delete(database);
  }

  stopAll(): void {
    for (const database of [...this.#reaches.keys()]) this.stop(database);
  }

  /** The code of the last failure when nothing that the ticket names leads to anybody; undefined when something may. */
  unreachable(database: DatabaseId): string | undefined {
    const record = this.#options.record(database);
    if (record?.ticket === undefined || !this.#options.isOnline()) return undefined;
    const hints = this.#hintsOf(database);
    const statuses = this.#options.relays().filter(({ url }) => record.relays.includes(url));
    const dead = statuses.filter(({ state }) => state === "waiting" || state === "refused");
    const codes = this.#reaches.get(database)?.codes;
    const failed = hints.filter(({ address }) => codes?.has(address) === true);
    if (hints.length + record.relays.length === 0) return undefined;
    if (failed.length < hints.length || dead.length < record.relays.length) return undefined;
    return [...(codes?.values() ?? [])].at(-1) ?? "CONNECT_FAILED";
  }

  /** Never rejects: failures are noted. */
  async #dialAll(database: DatabaseId, reach: Dialled): Promise<void> {
    const { clock, random, changed, isConnected } = this.#options;
    const hints = this.#hintsOf(database);
    const due = hints.filter(({ address }) => !isConnected(reach.reached.get(address) ?? ("" as PublicKey)));
    await Promise.all(due.map((hint) => this.#dial(hint, reach)));
    if (reach.controller.signal.aborted) return;
    changed(database);
    const isReached = hints.some(({ address }) => reach.reached.has(address));
    reach.failures = isReached ? 0 : reach.failures + 1;
    if (hints.length === 0) return this.stop(database);
    reach.cancel = clock.after(backOffMs(reach.failures, random.bytes(2)), () => void this.#dialAll(database, reach));
  }

  async #dial(hint: AddressHint, { reached, codes, controller }: Dialled): Promise<void> {
    const { address } = hint;
    try {
      reached.set(address, await this.#options.dial(hint, controller.signal));
      codes.delete(address);
    } catch (error) {
      reached.delete(address);
      codes.delete(address); // So that the last one is the last.
      codes.set(address, asTidemarkError(error).code);
    }
  }

  /** None once the database has come. */
  #hintsOf(database: DatabaseId): readonly AddressHint[] {
    const record = this.#options.record(database);
    if (record?.ticket === undefined || !isSynced(record)) return [];
    return unwrap(parseTicket(record.ticket, this.#options.sha256)).addresses;
  }
}
