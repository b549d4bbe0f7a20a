/** How a database comes to be on this device: made here, joined by a ticket, or made for a file; and with which key it is used. */
import type { DatabaseId } from "../core/ids.ts";
import { OWNER } from "../core/store/power.ts";
import type { DatabaseRecord, InviteKey } from "../ports/storage.ts";
import type { Admissions } from "./admissions.ts";
import type { Databases } from "./databases.ts";
import type { Deletion } from "./deletion.ts";
import type { JoinTerms } from "./joins.ts";
import { storedEntry } from "./journal.ts";
import { identityOf, type Keys } from "./keys.ts";
import type { Opening } from "./opening.ts";
import type { EnginePorts } from "./ports.ts";
import { createRoot } from "./root.ts";
import type { StorageWatch } from "./storage-health.ts";
import type { Sync } from "./sync.ts";
import { type Marking, storeWith, type WriteId, type WriteLedger } from "./writes.ts";

export interface MakingParts {
  readonly ports: EnginePorts;
  readonly databases: Databases;
  readonly opening: Opening;
  readonly deletion: Deletion;
  readonly admissions: Admissions;
  readonly sync: Sync;
  readonly watch: StorageWatch;
  readonly keys: Keys;
  readonly writes: WriteLedger;
  readonly statusChanged: (id: DatabaseId) => void;
}

export interface CreateOptions {
  /** The name of its owner's key; default: this device's. */
  readonly key?: string;
  /** Default: false. */
  readonly sync?: boolean;
  /** Default: false. */
  readonly encrypted?: boolean;
}

export interface JoinOptions extends JoinTerms {
  /** The name of the key that it is joined with; default: this device's, or the one that it is used with already. */
  readonly key?: string;
}

type NamedDatabase = Pick<DatabaseRecord, "id" | "name">;

export class Making {
  readonly #parts: MakingParts;

  constructor(parts: MakingParts) {
    this.#parts = parts;
  }

  /** See `Instance.createDatabase`. */
  async create(name: string, options: CreateOptions, write: WriteId | undefined): Promise<DatabaseRecord> {
    const { writes, keys } = this.#parts;
    const switched = options.sync === true ? {} : { sync: false };
    const isEncrypted = options.encrypted === true;
    const made = await writes.once(write, (mark) =>
      keys.use(options.key, (key) =>
        this.#create({ name, ...switched, ...(key === undefined ? {} : { key }) }, isEncrypted, mark),
      ),
    );
    return this.#recordAs(made);
  }

  async #create(
    given: Pick<DatabaseRecord, "name" | "key" | "sync">,
    isEncrypted: boolean,
    mark: Marking,
  ): Promise<NamedDatabase> {
    const { ports, databases, opening } = this.#parts;
    databases.assertNotClosed();
    const root = await createRoot(ports, identityOf(ports, given), given.name, isEncrypted);
    const record: DatabaseRecord = { id: root.id, ...given, relays: [] };
    // In one step: a record without its root would be a database that nobody can ever fill.
    const entries = [storedEntry(root, true)];
    const made: NamedDatabase = { id: root.id, name: given.name };
    const commit = { database: root.id, position: 0, entries, record };
    await this.#storing(storeWith(mark(made), (writes) => ports.storage.commit({ ...commit, writes })));
    await opening.load(root.id);
    return made;
  }

  /** See `Instance.join`. */
  async join(text: string, options: JoinOptions, write: WriteId | undefined): Promise<DatabaseRecord> {
    const { databases, deletion, admissions, keys, writes } = this.#parts;
    const { key: name, ...terms } = options;
    const joined = await writes.once(write, (mark) =>
      keys.use(name, async (key) => {
        const { id } = admissions.recordOf(text, terms);
        await deletion.settled(id);
        // One that is here is joined again, by another of this device's keys.
        if (name !== undefined && databases.find(id) !== undefined) await this.useKey(id, name);
        return named(await this.#join(text, key, terms, mark));
      }),
    );
    return this.#recordAs(joined);
  }

  async #join(text: string, key: string | undefined, terms: JoinTerms, mark: Marking): Promise<DatabaseRecord> {
    const { ports, databases, opening, admissions, sync } = this.#parts;
    databases.assertNotClosed();
    const inviteKeys = await admissions.joins.inviteKeysOf(text);
    const record = { ...admissions.recordOf(text, terms), ...(key === undefined ? {} : { key }), inviteKeys };
    if (databases.find(record.id) === undefined) await opening.load(record.id);
    const known = databases.find(record.id);
    if (known?.power === OWNER || (known !== undefined && admissions.isIdle(known, text))) return known.record;
    const remembered = joined(known?.record, record);
    const putting = storeWith(mark(named(remembered)), (rows) => ports.storage.putDatabase(remembered, rows));
    await this.#storing(putting);
    // Somebody else may have joined it meanwhile.
    const before = databases.find(record.id);
    const database = before ?? opening.adoptEmpty(record);
    if (before === undefined) return database.record;
    database.record = joined(database.record, record);
    sync.sharing.changed(database.id);
    // The ticket may open what was closed.
    await database.opened();
    return database.record;
  }

  /** See `Instance.makeForImport`. */
  makeForImport(record: DatabaseRecord): Promise<boolean> {
    const { ports, databases, opening, deletion, keys } = this.#parts;
    return keys.use(record.key, async () => {
      databases.assertNotClosed();
      await deletion.settled(record.id);
      if (databases.find(record.id) === undefined) await opening.load(record.id);
      if (databases.find(record.id) !== undefined) return false;
      await this.#storing(ports.storage.putDatabase(record));
      // Somebody may have joined it meanwhile.
      if (databases.find(record.id) !== undefined) return false;
      opening.adoptEmpty(record);
      return true;
    });
  }

  /** See `Instance.useKey`. */
  async useKey(id: DatabaseId, name: string): Promise<void> {
    const { ports, databases, admissions, keys, statusChanged } = this.#parts;
    await keys.use(name, async (key) => {
      const database = databases.toChange(id);
      const { key: before, ...record } = database.record;
      if (before === key) return;
      database.record = key === undefined ? record : { ...record, key };
      await ports.storage.putDatabase(database.record);
      admissions.opened(database);
      await database.opened();
      statusChanged(id);
    });
  }

  /** As it was answered first, also when it has another name by now, or is gone. */
  #recordAs(answer: NamedDatabase): DatabaseRecord {
    return { relays: [], ...this.#parts.databases.find(answer.id)?.record, ...answer };
  }

  /** A write that no database makes. */
  async #storing(writing: Promise<void>): Promise<void> {
    try {
      await writing;
    } catch (error) {
      this.#parts.watch.failed(error);
      throw error;
    }
  }
}

function named({ id, name }: DatabaseRecord): NamedDatabase {
  return { id, name };
}

/** What is remembered of a database that is joined, perhaps once more. */
function joined(known: DatabaseRecord | undefined, record: DatabaseRecord): DatabaseRecord {
  const { refused: _refused, sync: _sync, ...before } = known ?? record;
  return { ...before, ...record, name: before.name, inviteKeys: joinedInvites(known, record) };
}

/** Those of earlier tickets as well: they may have been given epochs that the latest was not. */
function joinedInvites(known: DatabaseRecord | undefined, { inviteKeys = [] }: DatabaseRecord): readonly InviteKey[] {
  const earlier = (known?.inviteKeys ?? []).filter(({ invite }) => inviteKeys[0]?.invite !== invite);
  return [...inviteKeys, ...earlier].slice(0, inviteKeysMax);
}

/** Tickets of one database that a device joined with one after the other. A guess. */
const inviteKeysMax = 16;
