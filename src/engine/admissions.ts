/** Getting in and letting in, in one place: invites, tickets, requests, and whether a database is synced at all. */
import type { StorePart } from "../core/entry.ts";
import { show, TidemarkError, unwrap } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { Knock } from "../core/protocol/knock.ts";
import { NONE, type Power, WRITE } from "../core/store/power.ts";
import { decodeSettings, type SettingsOp, settingsPart, settingsStoreName } from "../core/store/settings.ts";
import type { DatabaseRecord } from "../ports/storage.ts";
import type { JoinReply } from "./blocked-by.ts";
import type { OpenDatabase } from "./database.ts";
import { assertGivesSomething, assertMaySet, Invites, type InviteTerms, type Reach } from "./invites.ts";
import { Joins, type JoinTerms } from "./joins.ts";
import type { Path } from "./path.ts";
import type { JoinAnswer } from "./path-owner.ts";
import type { Access, InviteInfo } from "./permissions-info.ts";
import type { EnginePorts } from "./ports.ts";
import { Requests } from "./requests.ts";
import { isRefused } from "./status-input.ts";
import type { Sync } from "./sync.ts";
import { gives, isSynced, withSync } from "./sync-switch.ts";
import type { Marking, WriteId, WriteMark } from "./writes.ts";

export interface Approval {
  readonly key: PublicKey;
  /** Default: what they asked for, and write at most: a wish is a stranger's. */
  readonly power?: Power;
  /** Default: what they call themselves. */
  readonly name?: string;
}

export interface AdmissionsOwner {
  /** Undefined for one that is not here. */
  find(id: DatabaseId): OpenDatabase | undefined;
  databases(): Iterable<OpenDatabase>;
  /** It was forgotten: nothing about it is to be stored. */
  isGone(id: DatabaseId): boolean;
  /** A failure is reported. */
  putRecord(record: DatabaseRecord): Promise<void>;
  /** Of `requests`. */
  requestsChanged(database: DatabaseId): void;
  statusChanged(database: DatabaseId): void;
  reported(error: unknown, database: DatabaseId): void;
}

interface Changing {
  readonly seeds?: ReadonlyMap<PublicKey, Uint8Array>;
  readonly marks?: readonly WriteMark[];
}

export class Admissions {
  readonly joins: Joins;
  readonly requests: Requests;
  readonly #ports: EnginePorts;
  readonly #sync: Sync;
  readonly #owner: AdmissionsOwner;
  readonly #invites: Invites;

  constructor(ports: EnginePorts, sync: Sync, owner: AdmissionsOwner) {
    this.#ports = ports;
    this.#sync = sync;
    this.#owner = owner;
    this.#invites = new Invites(ports);
    this.requests = new Requests({
      store: sync.store,
      clock: ports.clock,
      changed: (database) => owner.requestsChanged(database),
    });
    this.joins = new Joins({
      ports,
      putRecord: (record) => owner.putRecord(record),
      report: (error, database) => owner.reported(error, database),
      shares: (peer, database) => sync.sharing.shares(peer, database),
      knows: (peer, database) => sync.registry.relation(peer, database) !== undefined,
      redeem: (database, op) => database.redeem(settingsPart([op])),
    });
  }

  // --- Letting in

  async share(database: OpenDatabase, terms: InviteTerms, mark: Marking): Promise<string> {
    const { invite, secret, ticket } = await this.#invites.create(database, terms, this.#reach(database));
    const seeds = new Map([[invite.key, secret]]);
    await this.change(database, () => [invite], { seeds, marks: mark(ticket) });
    return ticket;
  }

  address(database: OpenDatabase): string {
    return this.#invites.address(database, this.#reach(database));
  }

  invites(database: OpenDatabase): readonly InviteInfo[] {
    return this.#invites.list(database);
  }

  async revokeInvite(database: OpenDatabase, key: PublicKey, mark: Marking): Promise<void> {
    await this.change(database, () => [this.#invites.withdrawal(database, key)], { marks: mark() });
  }

  async approve(database: OpenDatabase, { key, power, name }: Approval, mark: Marking): Promise<void> {
    assertAdmin(database);
    await this.requests.approving(database, key, async (asked) => {
      const given = power ?? Math.max(asked.power, WRITE);
      if (given >= NONE)
        throw new TidemarkError("INPUT_INVALID", { field: "power", got: show(given), expected: "below 999" });
      const called = name ?? asked.name;
      const build = (): readonly SettingsOp[] => {
        assertMaySet(database, key, given);
        assertGivesSomething(database, given);
        const described = {
          ...(called === "" ? {} : { name: called }),
          ...(asked.sealKey === undefined ? {} : { sealKey: asked.sealKey }),
        };
        return [{ type: "set", key, power: given, ...described }];
      };
      await this.change(database, build, { marks: mark() });
    });
    await this.requests.flush();
  }

  /** What may have been left undone of it when the device died. */
  async approved(database: OpenDatabase): Promise<void> {
    await this.setSync(database, true);
    this.requests.settle(database);
    await this.requests.flush();
  }

  async reject(database: OpenDatabase, key: PublicKey, write: WriteId | undefined): Promise<void> {
    assertAdmin(database);
    this.requests.reject(database, key, write);
    for (const path of this.#sync.peers.all()) this.#tellRejected(path, database.id, key);
    await this.requests.flush();
  }

  async acceptRequests(database: OpenDatabase, on: boolean): Promise<void> {
    const { requests: _before, ...record } = database.record;
    await this.#save(database, on ? record : { ...record, requests: false });
  }

  /**
   * Writes settings. Resolves when they are durable, and the database is synced if that gives somebody something. `build` may be called more
   * than once. `seeds`: the secrets of the invites among them. `marks`: the writes that it decides.
   */
  async change(
    database: OpenDatabase,
    build: () => readonly SettingsOp[],
    { seeds, marks }: Changing = {},
  ): Promise<void> {
    let ops: readonly SettingsOp[] = [];
    const buildOnce = (): readonly SettingsOp[] => {
      ops = build();
      return ops;
    };
    await database.commitSettings(buildOnce, seeds, marks);
    await this.wroteOps(database, ops);
  }

  /** This device did. */
  async wrote(database: OpenDatabase, parts: readonly StorePart[]): Promise<void> {
    const payloads = parts.filter(({ name }) => name === settingsStoreName).map(({ payload }) => payload);
    const ops = payloads.flatMap((payload) => unwrap(decodeSettings(settingsStoreName, payload)));
    await this.wroteOps(database, ops);
  }

  /** Who is given something wants it synced. */
  async wroteOps(database: OpenDatabase, ops: readonly SettingsOp[]): Promise<void> {
    if (ops.some((op) => gives(op, database.identity.publicKey))) await this.setSync(database, true);
  }

  // --- Getting in

  recordOf(ticket: string, terms: JoinTerms): DatabaseRecord {
    return this.joins.recordOf(ticket, terms);
  }

  /** Whether a ticket has nothing for a database as it is here. */
  isIdle(database: OpenDatabase, ticket: string): boolean {
    const isMember =
      database.record.ticket === undefined && database.hasRoot && database.power <= database.replica.holderPower;
    if (!isMember || this.joins.hasSecret(ticket)) return false;
    // Whoever was taken out is not told of it, and may ask.
    return !isRefused(database, this.#sync, this.#ports.clock);
  }

  reply(database: OpenDatabase): JoinReply | undefined {
    return this.joins.reply(database);
  }

  access(database: OpenDatabase): Access {
    return this.joins.access(database);
  }

  /** Peers that are there hear of a database that is new here, or of a new ticket for it; others are looked for. */
  opened(database: OpenDatabase): void {
    for (const path of this.#sync.peers.all()) this.joins.introduce(path, [database]);
    this.#sync.hints.reach(database.id);
  }

  /** With whom it is synced may be different now. */
  sharingChanged(database: OpenDatabase | undefined): void {
    if (database !== undefined) this.opened(database);
  }

  met(path: Path): void {
    this.joins.introduce(path, this.#owner.databases());
  }

  answered(path: Path, id: DatabaseId, answer: JoinAnswer): void {
    const database = this.#owner.find(id);
    this.#sync.log.log("info", `join.${answer}`, id, { peer: path.key ?? "" });
    if (answer === "heardKnock" && database !== undefined) this.#heard(database);
    if (answer === "refusedJoin") this.joins.refusedBy(database, path);
    if (answer === "rejectedKnock") this.joins.rejected(database);
  }

  knocked(path: Path, id: DatabaseId, knock: Knock): void {
    const database = this.#owner.find(id);
    const key = path.session?.keyOf(id);
    if (database === undefined || key === undefined) return;
    const isReadable = path.session?.isReadable(id) === true;
    // It may come in anyway.
    if (isReadable) path.step({ type: "offered", database: id });
    if (isReadable && knock.power >= database.replica.authority.power(key)) return;
    if (this.requests.heard(database, key, knock) === "rejected") path.step({ type: "rejecting", database: id });
  }

  /** Something became durable, or what counts changed. */
  changed(database: OpenDatabase, permissionsChanged: boolean): void {
    this.joins.changed(database);
    if (permissionsChanged) this.requests.settle(database);
  }

  /** The database is gone from here: whoever waits for it is told `error`. */
  forget(database: DatabaseId, error: TidemarkError): void {
    this.joins.forget(database, error);
    this.requests.forget(database);
  }

  // --- The switch

  async setSync(database: OpenDatabase, on: boolean): Promise<void> {
    if (isSynced(database.record) === on) return;
    await this.#save(database, withSync(database.record, on));
    this.#sync.sharing.changed(database.id);
  }

  /** Rejects with a STORAGE_ code. */
  async #save(database: OpenDatabase, record: DatabaseRecord): Promise<void> {
    if (this.#owner.isGone(database.id)) throw new TidemarkError("DATABASE_UNKNOWN", { database: database.id });
    database.record = record;
    await this.#ports.storage.putDatabase(record);
    this.#owner.statusChanged(database.id);
  }

  #heard(database: OpenDatabase): void {
    this.joins.heard(database);
    this.#owner.statusChanged(database.id);
  }

  #tellRejected(path: Path, database: DatabaseId, key: PublicKey): void {
    if (path.session?.keyOf(database) === key) path.step({ type: "rejecting", database });
  }

  #reach({ record }: OpenDatabase): Reach {
    const accepting = this.#sync.transports.all().filter(({ accepts, isRunning }) => accepts && isRunning);
    return { relays: this.#sync.rooms.relaysOf(record), addresses: accepting.flatMap(({ addresses }) => addresses) };
  }
}

/** Throws PERMISSION_DENIED. */
function assertAdmin({ power, permission }: OpenDatabase): void {
  if (power >= WRITE) throw new TidemarkError("PERMISSION_DENIED", { need: "admin", got: permission });
}
