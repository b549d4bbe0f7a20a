/** [EXPORT-5]: which record may come when. */
import { unreachable } from "../errors.ts";
import type { DatabaseId } from "../ids.ts";
import { malformed } from "./framing.ts";
import type { ExportRecord } from "./records.ts";

export class RecordOrder {
  readonly #isSealed: boolean;
  readonly #databases = new Set<DatabaseId>();
  #head: Extract<ExportRecord, { readonly type: "head" }> | undefined;
  /** Entries of the database at hand that have not come. */
  #left = 0;
  #entries = 0;
  #isRecovered = false;

  constructor(isSealed: boolean) {
    this.#isSealed = isSealed;
  }

  /** Entries of the database at hand that have not come. */
  get left(): number {
    return this.#left;
  }

  /** Throws EXPORT_MALFORMED when it may not come now. */
  take(record: ExportRecord, isLast: boolean): void {
    if (isLast !== (record.type === "end")) throw malformed("another last record", "the end as the last one");
    if ((this.#head === undefined) !== (record.type === "head")) throw this.#misplaced(record);
    switch (record.type) {
      case "head":
        this.#head = record;
        return;
      case "database":
        if (this.#left > 0 || this.#isRecovered || this.#databases.has(record.id)) throw this.#misplaced(record);
        if (record.entries === 0) throw malformed("a database without entries", "at least one");
        this.#databases.add(record.id);
        this.#left = record.entries;
        return;
      case "entries":
        return this.#takeEntries(record, record.entries.length);
      case "missing":
        return this.#takeEntries(record, record.ids.length);
      case "recovery":
        if (this.#left > 0 || this.#isRecovered || !this.#isSealed) throw this.#misplaced(record);
        this.#isRecovered = true;
        return;
      case "end":
        if (this.#left > 0) throw this.#misplaced(record);
        if (this.#databases.size !== this.#head?.databases || this.#entries !== this.#head.entries)
          throw malformed(
            `${this.#entries} entries of ${this.#databases.size} databases`,
            "what the file announces: a part is missing",
          );
        return;
      default:
        unreachable(record);
    }
  }

  #takeEntries(record: ExportRecord, count: number): void {
    if (count > this.#left) throw this.#misplaced(record);
    this.#left -= count;
    this.#entries += count;
  }

  #misplaced({ type }: ExportRecord): Error {
    return malformed(`a record of type ${type}`, "another one at this place");
  }
}
