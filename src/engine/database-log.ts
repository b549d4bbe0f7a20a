/** The entries of one open database: those accepted last from memory, the others from storage. What is damaged there is looked at, once, and read again. */
import type { Entry } from "../core/entry.ts";
import type { Graph, Node } from "../core/graph.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { Encryption } from "./encryption.ts";
import type { Healing } from "./healing.ts";
import type { WrittenEntry } from "./hook-reader.ts";
import type { Journal } from "./journal.ts";
import type { EnginePorts } from "./ports.ts";
import { decodeStored, readEntries } from "./reading.ts";
import { RecentEntries } from "./recent.ts";
import { writtenIn } from "./written.ts";

export interface DatabaseLogOptions {
  readonly ports: Pick<EnginePorts, "storage" | "sha256">;
  readonly database: DatabaseId;
  readonly graph: Graph;
  readonly journal: Journal;
  readonly healing: Healing;
  readonly encryption: Encryption;
}

export class DatabaseLog {
  readonly #options: DatabaseLogOptions;
  readonly #recent = new RecentEntries();

  constructor(options: DatabaseLogOptions) {
    this.#options = options;
  }

  /** It was accepted. */
  note(node: Node, entry: Entry): void {
    this.#recent.add(node.position, entry);
  }

  /** The entries at these nodes, in their order. */
  async read(nodes: readonly Node[]): Promise<readonly Entry[]> {
    const { ports, database, healing } = this.#options;
    const recall = (position: number): Entry | undefined => this.#recent.get(position);
    // Storage refuses a range with a damaged entry in it, also for those beside it.
    const read = () => readEntries(ports, database, nodes, recall, healing.damaged === 0);
    return read().catch((error: unknown) => healing.check(nodes, error).then(read));
  }

  /** For each of the positions `from` ≤ position < `to` its entry, or undefined where it is void. */
  async readCounting(from: number, to: number): Promise<readonly (Entry | undefined)[]> {
    const { graph } = this.#options;
    const nodes = Array.from({ length: to - from }, (_, i) => graph.at(from + i));
    const entries = new Map<Node, Entry>();
    const counting = nodes.filter((node) => graph.counts(node));
    for (const [i, entry] of (await this.read(counting)).entries()) entries.set(counting[i] as Node, entry);
    return nodes.map((node) => (graph.counts(node) ? entries.get(node) : undefined));
  }

  /** For each of these positions what its entry wrote to, or undefined where it is void. */
  async readWritten(from: number, to: number): Promise<readonly (WrittenEntry | undefined)[]> {
    return writtenIn(await this.readCounting(from, to), this.#options.encryption);
  }

  /** An entry that is in memory: every one that is not durable is. */
  recall(position: number): Entry | undefined {
    const recent = this.#recent.get(position);
    if (recent !== undefined) return recent;
    const { ports, journal } = this.#options;
    const pending = journal.pending(position);
    return pending && decodeStored(ports, pending.bytes, pending);
  }
}
