/**
 * What peers write to one database: checked, opened as far as the keys at hand go, and judged by the replica.
 *
 * Deliberately not here: what is asked of the peer next, and what it is told.
 */
import type { Entry } from "../core/entry.ts";
import type { EntryId } from "../core/ids.ts";
import type { Replica, ReplicaEffect, ReplicaEvent } from "../core/replica.ts";
import type { DatabaseListener } from "./database-listener.ts";
import type { Encryption } from "./encryption.ts";
import type { Healing } from "./healing.ts";
import type { Journal } from "./journal.ts";
import type { EnginePorts } from "./ports.ts";
import { type Checked, checkByChains, checkEach, type RefusedEntry } from "./signatures.ts";

/** What became of a peer's batch. */
export interface Judged {
  /** Resolves when what was accepted is durable. */
  readonly durable: Promise<void>;
  readonly missing: readonly EntryId[];
  /** Signatures that were checked, and how many of them were bad. */
  readonly checks: number;
  readonly badSignatures: number;
}

export interface ReceivingOptions {
  readonly ports: Pick<EnginePorts, "clock" | "verifier">;
  readonly replica: Replica;
  readonly encryption: Encryption;
  readonly journal: Journal;
  readonly healing: Healing;
  readonly listener: Pick<DatabaseListener, "refused">;
  /** Throws why nothing is accepted any more. */
  readonly assertWorks: () => void;
  /** Has the replica judge them, and does what that says. */
  readonly run: (event: ReplicaEvent) => readonly ReplicaEffect[];
}

export class Receiving {
  readonly #options: ReceivingOptions;

  constructor(options: ReceivingOptions) {
    this.#options = options;
  }

  /** Never rejects for what they contain, only when nothing is accepted any more. */
  async take(entries: readonly Entry[]): Promise<Judged> {
    const { ports, replica, encryption, journal, healing, assertWorks, run } = this.#options;
    if (healing.damaged > 0) await healing.take(entries);
    const checked = await this.#check(entries);
    const opened = await encryption.open(checked.vouched);
    assertWorks();
    const nowMs = ports.clock.now();
    // If it is proved, nothing is awaited before `run`: it has to be so still when it is used.
    const isProved = replica.isProved(checked.vouched, (id) => checked.ids.has(id), nowMs);
    const { vouched, refused } = isProved ? checked : await checkEach(ports.verifier, checked);
    assertWorks();
    this.#tellRefused(refused);
    const effects = run({ type: "received", entries: vouched, nowMs, opened });
    const missing = effects.flatMap((effect) => (effect.type === "fetch" ? effect.ids : []));
    const checks = checked.ids.size + (isProved ? 0 : checked.vouched.filter(({ id }) => !checked.ids.has(id)).length);
    return { durable: journal.durable(replica.graph.size), missing, checks, badSignatures: refused.length };
  }

  async #check(entries: readonly Entry[]): Promise<Checked> {
    const { ports, replica } = this.#options;
    const { graph, pending } = replica;
    const unknown = entries.filter((entry) => !graph.has(entry.id));
    return await checkByChains(ports.verifier, unknown, (id, author) => pending.vouchesFor(id, author));
  }

  #tellRefused(refused: readonly RefusedEntry[]): void {
    if (refused.length === 0) return;
    this.#options.listener.refused(
      refused.map(({ entry, failure }) => ({ id: entry.id, author: entry.author, failure })),
    );
  }
}
