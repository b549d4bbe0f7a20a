/**
 * Which peers are told to hold back with which database: each with everything while storage takes nothing, else those that a job makes wait.
 *
 * Said at every connection anew, as it is forgotten with the session.
 */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { Jobs } from "./jobs.ts";
import type { Path } from "./path.ts";
import type { Peers } from "./peers.ts";

export interface FlowOptions {
  readonly databases: () => Iterable<{ readonly id: DatabaseId }>;
  readonly peers: () => Peers;
  readonly jobs: () => Jobs;
}

export class Flow {
  readonly #options: FlowOptions;
  /** Storage takes nothing. */
  #isStopped = false;

  constructor(options: FlowOptions) {
    this.#options = options;
  }

  /** Answers whether that is anything new. */
  stop(on: boolean): boolean {
    if (this.#isStopped === on) return false;
    this.#isStopped = on;
    for (const path of this.#options.peers().all()) this.#tell(path);
    return true;
  }

  /** A job makes the peer wait with the database, or does not any more. */
  pause(peer: PublicKey, database: DatabaseId, on: boolean): void {
    const path = this.#options.peers().carrier(peer);
    path?.step({ type: "flowing", database, paused: on || this.#isStopped });
  }

  carried(path: Path): void {
    if (this.#isStopped) this.#tell(path);
  }

  opened(database: DatabaseId): void {
    if (this.#isStopped) this.#options.peers().stepAll({ type: "flowing", database, paused: true });
  }

  #tell(path: Path): void {
    const { key } = path;
    if (key === undefined) return;
    const { databases, jobs } = this.#options;
    for (const { id } of databases())
      path.step({ type: "flowing", database: id, paused: this.#isStopped || jobs().holdsBack(key, id) });
  }
}
