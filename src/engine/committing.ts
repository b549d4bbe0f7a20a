/**
 * What this device writes to one database.
 *
 * [ENGINE-6] Commits of this device are signed one after the other, each following the one before; entries of peers come in between.
 */
import { vouchOwn } from "../core/chain.ts";
import { encodeUnsigned, sealEntry, type VouchedEntry } from "../core/entry.ts";
import { success, toError } from "../core/errors.ts";
import { nothingOpened, type OpenedParts } from "../core/opened.ts";
import type { Replica, ReplicaEffect, ReplicaEvent } from "../core/replica.ts";
import type { BuiltPart, DecodedPart, DecodedPayloads } from "../core/store/kinds.ts";
import type { Identity } from "../ports/keys.ts";
import type { DatabaseListener } from "./database-listener.ts";
import type { Encryption } from "./encryption.ts";
import type { Journal } from "./journal.ts";
import type { EnginePorts } from "./ports.ts";
import type { WriteMark } from "./writes.ts";

export interface CommittingOptions {
  readonly ports: Pick<EnginePorts, "clock" | "sha256">;
  readonly replica: Replica;
  readonly encryption: Encryption;
  readonly journal: Journal;
  readonly listener: Pick<DatabaseListener, "storageError" | "admit">;
  /** What signs. */
  readonly identity: () => Identity;
  /** Throws why nothing is accepted any more. */
  readonly assertWorks: () => void;
  /** One is about to be signed. */
  readonly begun: () => void;
  /** Has the replica judge it, and does what that says. */
  readonly run: (event: ReplicaEvent) => readonly ReplicaEffect[];
}

export class Committing {
  readonly #options: CommittingOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: CommittingOptions) {
    this.#options = options;
  }

  /** Resolves when it is durable. Rejects with what `assertMay` and `build` throw in its turn, and as `OpenDatabase.commit`. */
  async commit(
    build: () => readonly BuiltPart[],
    assertMay: () => void,
    marks: readonly WriteMark[] = [],
  ): Promise<void> {
    const accepted = this.#last.then(() => this.#commitNext(build, assertMay, marks));
    this.#last = accepted.catch(() => {});
    await this.#options.journal.durable(await accepted);
  }

  /** What is committed later waits for that as well. */
  waitFor(ready: Promise<void>): void {
    this.#last = this.#last.then(() => ready);
  }

  /** Resolves when all so far have been accepted or refused. */
  settled(): Promise<unknown> {
    return this.#last;
  }

  async #commitNext(
    build: () => readonly BuiltPart[],
    assertMay: () => void,
    marks: readonly WriteMark[],
  ): Promise<number> {
    const { ports, replica, encryption, journal, listener, assertWorks, begun } = this.#options;
    const identity = this.#options.identity();
    assertWorks();
    assertMay();
    begun();
    const built = build();
    const decoded = decodedIn(built);
    // An entry outlives what its payloads were decoded to.
    const stores = built.map(({ name, type, payload }) => ({ name, type, payload }));
    const draft = replica.draft(identity.publicKey, stores, ports.clock.now());
    const { body, content } = await encryption.seal(draft, decoded);
    const message = encodeUnsigned(body);
    const entry = sealEntry(body, message, await identity.sign(message), ports.sha256);
    // What cannot be kept is not shown first, nor the database loaded anew for it.
    if (listener.storageError !== undefined) await listener.admit(entry.bytes.length);
    const opened = content === undefined ? nothingOpened : new Map([[entry.id, success(content)]]);
    this.#accept(vouchOwn(entry), opened, decoded);
    journal.mark(marks);
    return replica.graph.size;
  }

  /** Throws what it is refused for. */
  #accept(entry: VouchedEntry, opened: OpenedParts, decoded: DecodedPayloads): void {
    const { ports, assertWorks, run } = this.#options;
    assertWorks();
    const effects = run({ type: "received", entries: [entry], nowMs: ports.clock.now(), opened, decoded });
    const refusals = effects.flatMap((effect) => (effect.type === "refuse" ? effect.refusals : []));
    const refusal = refusals.find(({ id }) => id === entry.id);
    if (refusal !== undefined) throw toError(refusal.failure);
  }
}

function decodedIn(parts: readonly BuiltPart[]): DecodedPayloads {
  const decoded = new Map<Uint8Array, DecodedPart>();
  for (const part of parts) if (part.decoded !== undefined) decoded.set(part.payload, part.decoded);
  return decoded;
}
