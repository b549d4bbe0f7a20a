/**
 * The transports of an instance by name: which there are, which run, and which of them an address is for.
 *
 * [TRANSPORT-5] A name belongs to one transport of one type, also after a restart, with its configuration and its state.
 * [TRANSPORT-6] Starting what was started, stopping what was not, and asking it for addresses are errors with codes of their own.
 * [TRANSPORT-7] One that fails to start leaves the others working.
 * [TRANSPORT-8] An address is for the transports of its type, one after the other; a room is sought by all of them.
 * [TRANSPORT-9] A stored transport that cannot be built is reported and kept.
 *
 * Nothing is built before it is started for the first time.
 */
import { asTidemarkError, show, TidemarkError } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import type { Channel, RelayStatus, TransportBuilder } from "../ports/transport.ts";
import { NamedTransport, typeOf, type Wish } from "./named-transport.ts";
import type { TransportRecord } from "./records.ts";
import type { TransportInfo } from "./sync-info.ts";

/** The part of `LocalStore` that is needed here. */
export interface TransportRecords {
  all(kind: "transport"): readonly TransportRecord[];
  put(kind: "transport", key: string, value: TransportRecord): void;
  delete(kind: "transport", key: string): void;
}

export interface TransportsOptions {
  readonly builders: readonly TransportBuilder[];
  readonly store: TransportRecords;
  readonly listener: TransportsListener;
}

/** Never throws. */
export interface TransportsListener {
  /** A channel that others or a room made. */
  connected(channel: Channel, expected: PublicKey | undefined): void;
  relayChanged(status: RelayStatus): void;
  /** One more runs: what could not be dialled before may be reached now. */
  started(name: string): void;
  /** Something went wrong that no call is waiting for. */
  reported(error: TidemarkError): void;
}

export class Transports {
  readonly #builders: ReadonlyMap<string, TransportBuilder>;
  readonly #store: TransportRecords;
  readonly #listener: TransportsListener;
  readonly #named = new Map<string, NamedTransport>();
  readonly #wishes = new Set<Wish>();
  #online = false;

  /** Takes up what is stored; `setOnline` starts what ran before. */
  constructor(options: TransportsOptions) {
    this.#builders = new Map(options.builders.map((builder) => [builder.type, builder]));
    this.#store = options.store;
    this.#listener = options.listener;
    for (const record of options.store.all("transport")) this.#restore(record);
  }

  get online(): boolean {
    return this.#online;
  }

  /**
   * Registers a transport; it does not run before `start`. One that an earlier life left under this name is taken up, with what it knew
   * and the new configuration. Throws INPUT_INVALID, TRANSPORT_TYPE, TRANSPORT_EXISTS and TRANSPORT_CONFIG; then nothing has changed.
   */
  add(name: string, type: string, config: unknown): TransportInfo {
    const builder = this.#builders.get(type);
    if (name === "") throw new TidemarkError("INPUT_INVALID", { field: "name", got: show(name), expected: "a name" });
    if (builder === undefined) {
      const expected = `one of ${[...this.#builders.keys()].join(", ")}`;
      throw new TidemarkError("INPUT_INVALID", { field: "type", got: show(type), expected });
    }
    const known = this.#named.get(name);
    if (known !== undefined && known.record.type !== type) {
      throw new TidemarkError("TRANSPORT_TYPE", { name, got: type, expected: known.record.type });
    }
    if (known?.isAdded === true) throw new TidemarkError("TRANSPORT_EXISTS", { name });
    builder.checkConfig(name, config);
    const fresh = { name, type, config: undefined, state: undefined, isRunning: false, accepts: false };
    const named = known ?? this.#adopt(fresh);
    try {
      named.configure(config);
    } catch (error) {
      if (known === undefined) this.#named.delete(name);
      throw error;
    }
    return named.info();
  }

  /** Stops it and forgets it. Rejects with TRANSPORT_UNKNOWN. */
  async remove(name: string): Promise<void> {
    const named = this.#find(name);
    this.#named.delete(name);
    this.#store.delete("transport", name);
    await named.discard();
  }

  /** Rejects with TRANSPORT_UNKNOWN, TRANSPORT_STARTED, TRANSPORT_TYPE, or what the transport says. Offline it runs later. */
  async start(name: string): Promise<TransportInfo> {
    const named = this.#find(name);
    await named.start();
    return named.info();
  }

  /** Closes its channels. Rejects with TRANSPORT_UNKNOWN and TRANSPORT_STOPPED. */
  async stop(name: string): Promise<TransportInfo> {
    const named = this.#find(name);
    await named.stop();
    return named.info();
  }

  /** Adds a transport that needs no configuration and starts it, unless the user once did otherwise. */
  ensure(name: string, type: string): void {
    const isNew = !this.#named.has(name);
    this.add(name, type, undefined);
    if (isNew)
      this.#find(name)
        .start()
        .catch((error: unknown) => this.#report(error));
  }

  /** Where others can dial us at present. Throws TRANSPORT_UNKNOWN and TRANSPORT_STOPPED. */
  addresses(name: string): readonly string[] {
    return this.#find(name).addresses();
  }

  /** Whether those who dial us are let in, by one transport or by all that are registered. Throws TRANSPORT_UNKNOWN. */
  accept(isOn: boolean, name?: string): readonly string[] {
    const chosen = name === undefined ? [...this.#named.values()] : [this.#find(name)];
    for (const named of chosen) named.accept(isOn);
    return chosen.flatMap((named) => named.info().addresses);
  }

  /** In the order in which they were registered. */
  all(): readonly TransportInfo[] {
    return [...this.#named.values()].map((named) => named.info());
  }

  relays(): readonly RelayStatus[] {
    return [...this.#named.values()].flatMap((named) => named.relays());
  }

  /** Offline nothing runs; online whatever was started does. */
  setOnline(online: boolean): void {
    if (online === this.#online) return;
    this.#online = online;
    this.#alignAll();
  }

  /**
   * Resolves with a channel to whoever is at the address; what is just being started is waited for. Rejects with ADDRESS_INVALID, TRANSPORT_STOPPED, CONNECT_REFUSED,
   * CONNECT_FAILED or ABORTED; with that of the last transport when several were tried.
   */
  async dial(address: string, signal: AbortSignal): Promise<Channel> {
    const serving = this.#serving(address);
    await Promise.all(serving.map((named) => named.settled()));
    const running = serving.filter((named) => named.isUp);
    if (running.length === 0) throw stopped(serving[0]?.record.name ?? "");
    let reason: unknown;
    for (const named of running) {
      try {
        return await named.dial(address, signal);
      } catch (error) {
        reason = error;
        if (signal.aborted) break;
      }
    }
    throw reason;
  }

  /** Looks for peers in a room until the returned function is called, whatever is started or stopped meanwhile. Throws ADDRESS_INVALID. */
  seek(address: string, room: Uint8Array): () => void {
    const serving = this.#serving(address);
    const wish: Wish = { address, room };
    this.#wishes.add(wish);
    for (const named of serving) named.seek(wish);
    return () => {
      this.#wishes.delete(wish);
      for (const named of this.#named.values()) named.leave(wish);
    };
  }

  /** The network came back, or the user asks: what waits, and what did not start, is tried now. */
  retry(): void {
    for (const named of this.#named.values()) named.retry();
  }

  /** Resolves when everything has stopped. What ran runs again in the next life. */
  async close(): Promise<void> {
    this.#online = false;
    await Promise.all([...this.#named.values()].map((named) => named.align().catch((error) => this.#report(error))));
  }

  #restore(record: TransportRecord): void {
    const named = this.#adopt(record);
    try {
      named.check();
    } catch (error) {
      this.#report(error);
    }
  }

  #adopt(record: TransportRecord): NamedTransport {
    const { name, type } = record;
    const named = new NamedTransport(record, this.#builders.get(type), {
      mayRun: () => this.#online,
      wishes: () => this.#wishes,
      types: () => [...this.#builders.keys()],
      changed: (changed) => {
        if (this.#named.get(name) === named) this.#store.put("transport", name, changed);
      },
      started: () => this.#listener.started(name),
      connected: (channel, expected) => this.#listener.connected(channel, expected),
      relayChanged: (status) => this.#listener.relayChanged(status),
      reported: (error) => this.#report(error),
    });
    this.#named.set(name, named);
    return named;
  }

  #alignAll(): void {
    for (const named of this.#named.values()) named.align().catch((error: unknown) => this.#report(error));
  }

  #find(name: string): NamedTransport {
    const named = this.#named.get(name);
    if (named === undefined) throw new TidemarkError("TRANSPORT_UNKNOWN", { name });
    return named;
  }

  #serving(address: string): readonly NamedTransport[] {
    const type = typeOf(address);
    const serving = [...this.#named.values()].filter((named) => named.serves(type));
    if (serving.length > 0) return serving;
    throw new TidemarkError("ADDRESS_INVALID", {
      address: show(address),
      expected: "an address that a transport serves",
    });
  }

  #report(error: unknown): void {
    this.#listener.reported(asTidemarkError(error));
  }
}

function stopped(name: string): TidemarkError {
  return new TidemarkError("TRANSPORT_STOPPED", { name });
}
