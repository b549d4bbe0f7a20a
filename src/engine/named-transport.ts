/** One transport under its name: whether it should run, whether it does, and the rooms that it looks for. */
import { TidemarkError } from "../core/errors.ts";
import type { PublicKey } from "../core/ids.ts";
import type { Channel, RelayStatus, Transport, TransportBuilder, TransportListener } from "../ports/transport.ts";
import type { TransportRecord } from "./records.ts";
import type { TransportInfo } from "./sync-info.ts";

/** A room that is looked for, at whatever runs, until nobody wants it any more. */
export interface Wish {
  readonly address: string;
  readonly room: Uint8Array;
}

export interface NamedTransportOwner {
  /** False while the instance is offline. */
  mayRun(): boolean;
  wishes(): Iterable<Wish>;
  /** The types that can be built here. */
  types(): readonly string[];
  /** To be stored. Throws when it cannot be. */
  changed(record: TransportRecord): void;
  started(): void;
  connected(channel: Channel, expected: PublicKey | undefined): void;
  relayChanged(status: RelayStatus): void;
  reported(error: unknown): void;
}

export class NamedTransport {
  readonly #owner: NamedTransportOwner;
  readonly #builder: TransportBuilder | undefined;
  readonly #relays = new Map<string, RelayStatus>();
  readonly #seeking = new Map<Wish, () => void>();
  #record: TransportRecord;
  #isAdded = false;
  #transport: Transport | undefined;
  #isUp = false;
  /** Starting and stopping, one after the other. */
  #work: Promise<unknown> = Promise.resolve();
  #isBusy = false;

  constructor(record: TransportRecord, builder: TransportBuilder | undefined, owner: NamedTransportOwner) {
    this.#record = record;
    this.#builder = builder;
    this.#owner = owner;
  }

  get record(): TransportRecord {
    return this.#record;
  }

  /** Whether the app has registered it in this life. */
  get isAdded(): boolean {
    return this.#isAdded;
  }

  /** Whether it works at present. */
  get isUp(): boolean {
    return this.#isUp;
  }

  info(): TransportInfo {
    const { state: _own, ...told } = this.#record;
    return { ...told, addresses: this.#isUp ? (this.#transport?.addresses() ?? []) : [] };
  }

  relays(): readonly RelayStatus[] {
    return [...this.#relays.values()];
  }

  serves(addressType: string): boolean {
    return this.#builder?.addressTypes.includes(addressType) === true;
  }

  /** Throws TRANSPORT_TYPE and TRANSPORT_CONFIG: it cannot be built as it is stored. */
  check(): TransportBuilder {
    const { name, type, config } = this.#record;
    if (this.#builder === undefined) {
      throw new TidemarkError("TRANSPORT_TYPE", { name, got: type, expected: this.#owner.types().join(" or ") });
    }
    this.#builder.checkConfig(name, config);
    return this.#builder;
  }

  /** What an earlier life left is built anew if it is configured otherwise now. Throws INPUT_INVALID when it cannot be stored. */
  configure(config: unknown): void {
    const before = this.#record.config;
    this.#change({ config });
    this.#isAdded = true;
    if (JSON.stringify(config) === JSON.stringify(before)) return;
    this.#align(() => this.#rebuild()).catch((error: unknown) => this.#owner.reported(error));
  }

  async start(): Promise<void> {
    if (this.#record.isRunning) throw new TidemarkError("TRANSPORT_STARTED", { name: this.#record.name });
    this.check();
    this.#change({ isRunning: true });
    try {
      await this.align();
    } catch (error) {
      this.#change({ isRunning: false });
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#assertStarted();
    this.#change({ isRunning: false });
    await this.align();
  }

  async discard(): Promise<void> {
    this.#record = { ...this.#record, isRunning: false };
    await this.align();
  }

  addresses(): readonly string[] {
    this.#assertStarted();
    return this.info().addresses;
  }

  accept(accepts: boolean): void {
    this.#change({ accepts });
    this.#transport?.accept(accepts);
  }

  /** Also when the transport does not heed the signal, and then closes what it made too late. */
  async dial(address: string, signal: AbortSignal): Promise<Channel> {
    const transport = this.#transport;
    if (transport === undefined) throw new TidemarkError("TRANSPORT_STOPPED", { name: this.#record.name });
    return await new Promise((resolve, reject) => {
      const abort = (): void => reject(new TidemarkError("ABORTED", { call: "dial" }));
      if (signal.aborted) return abort();
      signal.addEventListener("abort", abort);
      const dialled = transport.dial(address, signal);
      dialled.then((channel) => (signal.aborted ? channel.close() : resolve(channel))).catch(() => {});
      dialled
        .catch((error: unknown) => reject(connectError(error, address)))
        .finally(() => signal.removeEventListener("abort", abort));
    });
  }

  seek(wish: Wish): void {
    if (!this.#isUp || this.#transport === undefined || this.#seeking.has(wish)) return;
    try {
      this.#seeking.set(wish, this.#transport.seek(wish.address, wish.room));
    } catch (error) {
      this.#owner.reported(error);
    }
  }

  leave(wish: Wish): void {
    const leave = this.#seeking.get(wish);
    this.#seeking.delete(wish);
    leave?.();
  }

  retry(): void {
    if (this.#isUp) this.#transport?.retry();
    else this.align().catch((error: unknown) => this.#owner.reported(error));
  }

  /** Resolves when it is neither starting nor stopping. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** Starts or stops it as it should be now. Rejects with what the transport says. */
  align(): Promise<void> {
    return this.#align(() => this.#bring());
  }

  #align(action: () => Promise<void>): Promise<void> {
    // At once when there is nothing to wait for: offline is offline when the call returns.
    const aligned = this.#isBusy ? this.#work.then(action) : action();
    this.#isBusy = true;
    const done = aligned
      .catch(() => {})
      .then(() => {
        if (this.#work === done) this.#isBusy = false;
      });
    this.#work = done;
    return aligned;
  }

  async #bring(): Promise<void> {
    const shouldRun = this.#record.isRunning && this.#owner.mayRun() && this.#builder !== undefined;
    if (shouldRun && !this.#isUp) await this.#up();
    else if (!shouldRun && this.#isUp) await this.#down();
  }

  async #rebuild(): Promise<void> {
    if (this.#isUp) await this.#down();
    this.#transport = undefined;
    await this.#bring();
  }

  async #up(): Promise<void> {
    const { name, config, state, accepts } = this.#record;
    this.#transport ??= this.check().build({ name, config, state });
    this.#transport.accept(accepts);
    await this.#transport.start(this.#listener(this.#transport));
    this.#isUp = true;
    for (const wish of this.#owner.wishes()) if (this.serves(typeOf(wish.address))) this.seek(wish);
    this.#owner.started();
  }

  async #down(): Promise<void> {
    this.#isUp = false;
    this.#seeking.clear();
    this.#relays.clear();
    await this.#transport?.stop();
  }

  #listener(transport: Transport): TransportListener {
    const isCurrent = (): boolean => this.#transport === transport && this.#record.isRunning && this.#owner.mayRun();
    return {
      connected: (channel, expected) => (isCurrent() ? this.#owner.connected(channel, expected) : channel.close()),
      relayChanged: (status) => {
        if (!isCurrent()) return;
        this.#relays.set(status.url, status);
        this.#owner.relayChanged(status);
      },
      stateChanged: (state) => this.#keep(state),
    };
  }

  #keep(state: unknown): void {
    try {
      this.#change({ state });
    } catch (error) {
      this.#owner.reported(error);
    }
  }

  #assertStarted(): void {
    if (!this.#record.isRunning) throw new TidemarkError("TRANSPORT_STOPPED", { name: this.#record.name });
  }

  #change(change: Partial<TransportRecord>): void {
    const changed = { ...this.#record, ...change };
    this.#owner.changed(changed);
    this.#record = changed;
  }
}

/** What comes before the colon; all of an address without one. */
export function typeOf(address: string): string {
  return address.split(":", 1)[0] ?? "";
}

function connectError(error: unknown, address: string): TidemarkError {
  if (error instanceof TidemarkError) return error;
  return new TidemarkError("CONNECT_FAILED", { address, reason: String(error) }, { cause: error });
}
