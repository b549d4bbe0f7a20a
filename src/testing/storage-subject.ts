/** What the checks of storage share: a disk, a database of which everything committed is remembered, and expectations. */
import { equalBytes } from "../core/bytes.ts";
import { type ErrorCode, TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { DatabaseRecord, EntryIndex, Storage, StoredEntry } from "../ports/storage.ts";
import { SeededRandom } from "./random.ts";
import { StoredEntries } from "./stored-entries.ts";

/** A disk of the check's own, empty at first. */
export interface StorageDisk {
  /** A storage on it; may be open several times. The check closes what it opened. */
  open(): Promise<Storage>;
}

export interface StorageCheck {
  /** The title of a test. */
  readonly title: string;
  /** True: several write in turn, so not all of them have claimed. */
  readonly hasManyWriters?: boolean;
  check(disk: StorageDisk): Promise<void>;
}

export function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`Not so: ${what}`);
}

export function expectBytes(got: readonly Uint8Array[], expected: readonly Uint8Array[], what: string): void {
  expect(got.length === expected.length, `${what}: ${expected.length} entries, got ${got.length}`);
  const at = got.findIndex((bytes, i) => !equalBytes(bytes, expected[i] as Uint8Array));
  expect(at < 0, `${what}: entry ${at} is as it was committed`);
}

export async function expectCode(code: ErrorCode, call: () => Promise<unknown>): Promise<void> {
  const outcome = await call().then(
    () => "resolved",
    (error: unknown) => (error instanceof TidemarkError ? error.code : String(error)),
  );
  expect(outcome === code, `it rejects with ${code}, got ${outcome}`);
}

/** Fields in one order, so that texts can be compared. */
function describe({ id, author, seq, prev, parents, height, time, size, settings }: EntryIndex): string {
  return JSON.stringify([id, author, seq, prev, parents, height, time, size, settings]);
}

export function bytesOf(entries: readonly StoredEntry[]): readonly Uint8Array[] {
  return entries.map(({ bytes }) => bytes);
}

export function recordOf(id: DatabaseId, name = "notes"): DatabaseRecord {
  return { id, name, relays: ["wss://relay.example"] };
}

/** One database of which everything committed is remembered. */
export class Subject {
  readonly source: StoredEntries;
  readonly committed: StoredEntry[] = [];
  storage: Storage;

  constructor(storage: Storage, seed = 1) {
    this.storage = storage;
    this.source = new StoredEntries(new SeededRandom(seed));
  }

  static async create(storage: Storage, seed?: number): Promise<Subject> {
    const subject = new Subject(storage, seed);
    await storage.putDatabase(recordOf(subject.id));
    return subject;
  }

  get id(): DatabaseId {
    return this.source.database;
  }

  async commit(entries: readonly StoredEntry[]): Promise<void> {
    const position = this.committed.length;
    this.committed.push(...entries);
    await this.storage.commit({ database: this.id, position, entries });
  }

  async commitSingly(count: number): Promise<void> {
    for (const entry of this.source.take(count)) await this.commit([entry]);
  }

  /** The index, every byte, and random ranges and ids are as committed. */
  async expectAll(storage: Storage = this.storage): Promise<void> {
    const { committed } = this;
    const loaded = await storage.load(this.id);
    expect(loaded !== undefined, "the database is there");
    const index = [...(loaded?.index ?? [])];
    expect(index.length === committed.length, `${committed.length} entries, got ${index.length}`);
    const at = index.findIndex((entry, i) => describe(entry) !== describe(committed[i] as StoredEntry));
    expect(at < 0, `the index of entry ${at} is as it was committed`);
    expectBytes(await storage.read(this.id, 0, committed.length), bytesOf(committed), "all");
    await this.#expectSome(storage);
  }

  async #expectSome(storage: Storage): Promise<void> {
    const random = new SeededRandom(7);
    for (let i = 0; i < 20 && this.committed.length > 0; i++) {
      const from = random.int(this.committed.length);
      const to = from + random.int(Math.min(700, this.committed.length - from + 1));
      expectBytes(await storage.read(this.id, from, to), bytesOf(this.committed.slice(from, to)), `${from} to ${to}`);
      const { id, bytes } = this.committed[from] as StoredEntry;
      expectBytes([(await storage.readById(this.id, id)) ?? new Uint8Array()], [bytes], `by id ${from}`);
    }
  }
}

/** Opens, runs, closes; with `again` a storage that was opened after everything before was closed. */
export async function inTurn(
  disk: StorageDisk,
  ...uses: readonly ((storage: Storage) => Promise<void>)[]
): Promise<void> {
  for (const use of uses) {
    const storage = await disk.open();
    await use(storage);
    await storage.close();
  }
}
