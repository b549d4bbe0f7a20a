/**
 * Whether every entry of a log is still vouched for after its end was lost.
 *
 * [STORAGE-29] Of each branch of each author only the newest entry that is left is checked, if that is good, and none twice.
 *
 * Most entries were taken because a later one of their author was signed, which may be gone: then what it alone vouched for must go too, or
 * peers would be served what they have to refuse.
 */
import { checkOf } from "../core/chain.ts";
import type { DatabaseId, EntryId } from "../core/ids.ts";
import { type LogIndex, nowhere } from "../core/log-index.ts";
import { isCorrupt } from "./log-scan.ts";
import type { EnginePorts } from "./ports.ts";
import { decodeStored } from "./reading.ts";

export class Vouching {
  readonly #ports: Pick<EnginePorts, "storage" | "sha256" | "verifier">;
  readonly #database: DatabaseId;
  /** Checked here before. */
  readonly #good = new Set<EntryId>();

  constructor(ports: Pick<EnginePorts, "storage" | "sha256" | "verifier">, database: DatabaseId) {
    this.#ports = ports;
    this.#database = database;
  }

  /**
   * How many entries from the first on are vouched for by each other. One that cannot be read vouches for nothing and ends nothing: it is
   * asked for as what it was. Rejects with a STORAGE_ code.
   */
  async end(index: LogIndex): Promise<number> {
    const successors = new Successors(index);
    let end = index.length;
    // Downwards: what continues an entry lies above it.
    for (let position = end - 1; position >= 0; position--) {
      if (successors.continue(position)) continue;
      const verdict = await this.#check(position, index.id(position));
      if (verdict === "unread") successors.leaveOut(position);
      if (verdict === "bad") while (end > position) successors.leaveOut(--end);
    }
    return end;
  }

  async #check(position: number, id: EntryId): Promise<"good" | "bad" | "unread"> {
    if (this.#good.has(id)) return "good";
    const { storage, verifier } = this.#ports;
    try {
      const [bytes] = await storage.read(this.#database, position, position + 1);
      const check = checkOf(decodeStored(this.#ports, bytes ?? new Uint8Array(), { id }));
      if (!(await verifier.verify(check.publicKey, check.message, check.signature))) return "bad";
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      return "unread";
    }
    this.#good.add(id);
    return "good";
  }
}

/** How many entries continue each one's chain, and can vouch for it. */
class Successors {
  readonly #index: LogIndex;
  readonly #counts: Uint32Array;
  readonly #isLeftOut: Uint8Array;

  constructor(index: LogIndex) {
    this.#index = index;
    this.#counts = new Uint32Array(index.length);
    this.#isLeftOut = new Uint8Array(index.length);
    for (let position = 0; position < index.length; position++) this.#count(position, 1);
  }

  continue(position: number): boolean {
    return (this.#counts[position] as number) > 0;
  }

  /** It vouches for nothing. */
  leaveOut(position: number): void {
    if (this.#isLeftOut[position] === 1) return;
    this.#isLeftOut[position] = 1;
    this.#count(position, -1);
  }

  #count(position: number, by: 1 | -1): void {
    const prev = this.#index.prev(position);
    if (prev !== nowhere) this.#counts[prev] = (this.#counts[prev] as number) + by;
  }
}
