/** Listens to an introducer, keeps all it tells in order, and lets a test wait for a state of affairs without sleeping. */
import type { PublicKey } from "../core/ids.ts";
import type { IntroducerListener } from "../ports/introducer.ts";
import type { RelayStatus } from "../ports/transport.ts";

export type IntroducerEvent =
  | { readonly type: "met"; readonly peer: PublicKey }
  | { readonly type: "left"; readonly peer: PublicKey }
  | { readonly type: "noted"; readonly peer: PublicKey; readonly note: Uint8Array }
  | { readonly type: "status"; readonly status: RelayStatus };

interface Waiting {
  readonly isReached: () => boolean;
  readonly resolve: () => void;
}

export class IntroducerRecorder implements IntroducerListener {
  readonly events: IntroducerEvent[] = [];
  #waiting: Waiting[] = [];

  met(peer: PublicKey): void {
    this.#add({ type: "met", peer });
  }

  left(peer: PublicKey): void {
    this.#add({ type: "left", peer });
  }

  noted(peer: PublicKey, note: Uint8Array): void {
    this.#add({ type: "noted", peer, note });
  }

  statusChanged(status: RelayStatus): void {
    this.#add({ type: "status", status });
  }

  /** Events of one type, in order. */
  of<T extends IntroducerEvent["type"]>(type: T): Extract<IntroducerEvent, { readonly type: T }>[] {
    return this.events.filter((event): event is Extract<IntroducerEvent, { readonly type: T }> => event.type === type);
  }

  /** Resolves when `isReached` is true: now, or after an event to come. */
  until(isReached: () => boolean): Promise<void> {
    if (isReached()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ isReached, resolve }));
  }

  /** Resolves with the status once it is in this state. Only changes after this call count. */
  async reaches(state: RelayStatus["state"]): Promise<RelayStatus> {
    const from = this.events.length;
    const find = (): RelayStatus | undefined =>
      this.events
        .slice(from)
        .flatMap((event) => (event.type === "status" ? [event.status] : []))
        .find((s) => s.state === state);
    await this.until(() => find() !== undefined);
    return find() as RelayStatus;
  }

  #add(event: IntroducerEvent): void {
    this.events.push(event);
    const reached = this.#waiting.filter(({ isReached }) => isReached());
    this.#waiting = this.#waiting.filter((waiting) => !reached.includes(waiting));
    for (const { resolve } of reached) resolve();
  }
}
