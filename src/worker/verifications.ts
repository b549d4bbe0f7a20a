/** The page's calls of `verify` under way. */
import type { Instance } from "../engine/instance.ts";
import type { VerifyReport } from "../engine/verify.ts";
import type { WorkerEvent } from "./api.ts";

export class Verifications {
  readonly #instance: Pick<Instance, "verify">;
  readonly #post: (event: WorkerEvent) => void;
  readonly #running = new Map<number, AbortController>();

  constructor(instance: Pick<Instance, "verify">, post: (event: WorkerEvent) => void) {
    this.#instance = instance;
    this.#post = post;
  }

  /** Rejects with ABORTED after `cancel`. */
  async run(id: number): Promise<VerifyReport> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    try {
      return await this.#instance.verify({
        signal: controller.signal,
        onProgress: ({ checked, total }) => this.#post({ type: "verify", id, checked, total }),
      });
    } finally {
      this.#running.delete(id);
    }
  }

  cancel(id: number): void {
    this.#running.get(id)?.abort();
  }

  /** The page is gone: nobody waits any more. */
  close(): void {
    for (const controller of this.#running.values()) controller.abort();
  }
}
