/**
 * A lock where the browser has none and tabs cannot hear each other: a row that says until when it is held, and that its holder renews.
 *
 * [TABS-20] A second tab finds the row renewed and has to do without; a holder that renews nothing for 3 s is taken for gone.
 *
 * A holder that is only frozen or busy for so long is too. That is safe: the claim on storage says who can write. As in lease.ts an index allows
 * one row, so that renewing needs no reading, and every step is finished in the turn in which it was asked for: nobody waits for a page that is frozen.
 */
import { type DBSchema, deleteDB, type IDBPDatabase, type IDBPObjectStore, openDB } from "idb";
import { encodeHex } from "../core/ids.ts";
import { storageOpenTimeoutMs, storedLockBeatMs, storedLockMs } from "../core/limits.ts";
import type { Clock } from "../ports/clock.ts";
import { within } from "./open-database.ts";
import { isConflict, isRefusal, toStorageError } from "./storage-error.ts";

interface LockSchema extends DBSchema {
  /** By 32 random hex digits, others for each time that the lock is held. */
  holders: { readonly key: string; readonly value: unknown; readonly indexes: { readonly role: string } };
}

type Db = IDBPDatabase<LockSchema>;

interface Holder {
  readonly by: string;
  /** Milliseconds since 1970, by the clock that all tabs share. */
  readonly untilMs: number;
}

export function storedLockName(instance: string): string {
  return `tidemark/${instance}/lock`;
}

/**
 * Resolves with what lets the instance's lock go; with undefined when somebody else has it, which takes a second or two to find out. `lost` is
 * called when somebody has it instead. Where nothing can be stored nothing is shared, and it is always had. Rejects with a STORAGE_ code.
 */
export async function requestStoredLock(
  instance: string,
  clock: Clock,
  lost: () => void = () => {},
): Promise<(() => void) | undefined> {
  const by = encodeHex(crypto.getRandomValues(new Uint8Array(16)));
  let closed = (): void => {};
  try {
    const db = await connect(instance, () => closed());
    const isTaken = await take(db, by, clock).catch((error: unknown) => {
      db.close();
      throw error;
    });
    if (!isTaken) return void db.close();
    const hold = new Hold({ db, by, clock, lost });
    closed = () => hold.end();
    return () => hold.release();
  } catch (error) {
    const known = toStorageError(error);
    if (isRefusal(known)) return () => {};
    throw known;
  }
}

/** The instance is no more. */
export async function deleteStoredLock(instance: string): Promise<void> {
  await deleteDB(storedLockName(instance));
}

interface HoldOptions {
  readonly db: Db;
  readonly by: string;
  readonly clock: Clock;
  readonly lost: () => void;
}

class Hold {
  readonly #options: HoldOptions;
  #isOver = false;
  #cancelBeat: () => void;

  constructor(options: HoldOptions) {
    this.#options = options;
    this.#cancelBeat = this.#beat();
  }

  release(): void {
    const { db, by } = this.#options;
    write(db, (holders) => [holders.delete(by)]).catch(() => {}); // It runs out, or is another's.
    this.end();
  }

  /** Nothing is renewed any more. */
  end(): void {
    this.#isOver = true;
    this.#cancelBeat();
    this.#options.db.close();
  }

  #beat(): () => void {
    return this.#options.clock.after(storedLockBeatMs, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { db, by, clock, lost } = this.#options;
    try {
      await put(db, { by, untilMs: clock.now() + storedLockMs });
    } catch (error) {
      // Anything else, such as no room, may be over at the next beat.
      if (isConflict(error)) return this.#isOver ? undefined : lost();
    }
    if (!this.#isOver) this.#cancelBeat = this.#beat();
  }
}

/** False when somebody else has it and lives, or was faster. */
async function take(db: Db, by: string, clock: Clock): Promise<boolean> {
  for (let seenMs: number | undefined; ; ) {
    const holder = await readHolder(db);
    const leftMs = (holder?.untilMs ?? 0) - clock.now();
    // Nobody writes a time later than that: the clock was set back since.
    const isFree = holder === undefined || leftMs <= 0 || leftMs > storedLockMs;
    if (isFree) return await replace(db, holder, { by, untilMs: clock.now() + storedLockMs });
    if (seenMs !== undefined && seenMs !== holder.untilMs) return false;
    seenMs = holder.untilMs;
    await new Promise<void>((resolve) => void clock.after(storedLockBeatMs, resolve));
  }
}

async function readHolder(db: Db): Promise<Holder | undefined> {
  const role = db.transaction("holders").store.index("role");
  const [by, value] = await Promise.all([role.getKey("holder"), role.get("holder")]);
  const { untilMs } = (value ?? {}) as Partial<Record<string, unknown>>;
  return by === undefined ? undefined : { by, untilMs: Number.isSafeInteger(untilMs) ? (untilMs as number) : 0 };
}

async function replace(db: Db, before: Holder | undefined, holder: Holder): Promise<boolean> {
  try {
    await put(db, holder, before?.by);
    return true;
  } catch (error) {
    if (isConflict(error)) return false;
    throw error;
  }
}

/** Fails with a ConstraintError while there is a row of somebody else. */
function put(db: Db, { by, untilMs }: Holder, instead?: string): Promise<void> {
  return write(db, (holders) => [
    ...(instead === undefined ? [] : [holders.delete(instead)]),
    holders.put({ role: "holder", untilMs }, by),
  ]);
}

type Holders = IDBPObjectStore<LockSchema, ["holders"], "holders", "readwrite">;

async function write(db: Db, ask: (holders: Holders) => readonly Promise<unknown>[]): Promise<void> {
  // What a crash of the whole machine takes back says nothing any more.
  const transaction = db.transaction("holders", "readwrite", { durability: "relaxed" });
  const asked = ask(transaction.store);
  transaction.commit();
  await Promise.all([...asked, transaction.done]);
}

/** `closed`: somebody deletes it, or the browser closed it. */
function connect(instance: string, closed: () => void): Promise<Db> {
  const open = async (): Promise<Db> => {
    const db: Db = await openDB<LockSchema>(storedLockName(instance), 1, {
      upgrade: (created) => created.createObjectStore("holders").createIndex("role", "role", { unique: true }),
      blocking: () => {
        db.close();
        closed();
      },
      terminated: () => closed(),
    });
    return db;
  };
  return within(storageOpenTimeoutMs, open);
}
