/** The running engine of a leader: tells all pages that are served what happens, and remembers what the next leader has to go on with. */
import type { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { unheardProblemsMax } from "../core/limits.ts";
import type { SyncCommands } from "../engine/commands.ts";
import { Instance } from "../engine/instance.ts";
import type { InstanceListener } from "../engine/instance-listener.ts";
import type { EnginePorts } from "../engine/ports.ts";
import type { FirstReading } from "../engine/read-ahead.ts";
import type { SyncControl } from "../engine/sync-control.ts";
import type { ChunkCiphers } from "../ports/chunk-cipher.ts";
import type { RelayStatus } from "../ports/transport.ts";
import type { Carry } from "../tabs/messages.ts";
import type { BootInfo, WorkerEvent } from "./api.ts";
import type { Client } from "./client.ts";
import { toErrorData } from "./error-data.ts";
import { PermissionEvents } from "./permission-events.ts";
import { StatusEvents } from "./status-events.ts";

export interface EngineOptions {
  readonly ports: EnginePorts;
  readonly ciphers: ChunkCiphers;
  /** `ports.settings` holds its settings already. */
  readonly carry: Carry;
  readonly carryChanged: (carry: Carry) => void;
  /** Of the storage in `ports`. */
  readonly ahead: Promise<FirstReading>;
}

export class Engine {
  readonly instance: Instance;
  readonly ports: EnginePorts;
  readonly ciphers: ChunkCiphers;
  /** What the engine can be told; `carry` follows. */
  readonly control: SyncControl;
  readonly #listening: Listening;
  readonly #carryChanged: (carry: Carry) => void;
  #carry: Carry;

  private constructor(
    { ports, ciphers, carry, carryChanged }: EngineOptions,
    instance: Instance,
    listening: Listening,
  ) {
    this.ports = ports;
    this.ciphers = ciphers;
    this.instance = instance;
    this.#listening = listening;
    this.#carry = carry;
    this.#carryChanged = carryChanged;
    const { sync } = instance;
    this.control = {
      addHook: (hook) => sync.addHook(hook),
      execute: async (name, command, signal) => {
        const result = await sync.execute(name, command, signal);
        if (name === "changeSettings") this.#settingsChanged(command as SyncCommands["changeSettings"]);
        return result;
      },
    };
  }

  /** Opens what storage holds, and looks for peers unless that is switched off. Rejects with a STORAGE_ code. */
  static async open(options: EngineOptions): Promise<Engine> {
    const listening = new Listening(options.ports);
    let instance: Instance | undefined;
    instance = await Instance.open(
      options.ports,
      listening.listener(() => instance),
      options.ahead,
    );
    return new Engine(options, instance, listening);
  }

  /** From now on, unless it is switched off. */
  begin(): void {
    this.instance.setOnline(this.#carry.online);
  }

  /** What a page is told first. */
  get info(): BootInfo {
    const { sealing, storage } = this.ports;
    return { publicKey: this.instance.publicKey, sealKey: sealing?.publicKey, storage: storage.kind };
  }

  setOnline(online: boolean): void {
    this.instance.setOnline(online);
    this.#setCarry({ ...this.#carry, online });
  }

  /** It is told everything from now on, and what nobody was there to hear. */
  add(client: Client): void {
    this.#listening.add(client);
  }

  delete(client: Client): void {
    this.#listening.delete(client);
  }

  report(error: TidemarkError, database: DatabaseId | undefined): void {
    this.#listening.report(error, database);
  }

  /** To all pages. */
  post(event: WorkerEvent): void {
    this.#listening.post(event);
  }

  #settingsChanged(changes: Partial<Carry["settings"]>): void {
    this.#setCarry({ ...this.#carry, settings: { ...this.#carry.settings, ...changes } });
  }

  #setCarry(carry: Carry): void {
    this.#carry = carry;
    this.#carryChanged(carry);
  }
}

/** Whoever is told of what happens. */
class Listening {
  readonly #ports: EnginePorts;
  readonly #clients = new Set<Client>();
  readonly #relays = new Map<string, RelayStatus>();
  /** Problems from before the first page was there. */
  #unheard: WorkerEvent[] = [];

  constructor(ports: EnginePorts) {
    this.#ports = ports;
  }

  add(client: Client): void {
    this.#clients.add(client);
    for (const status of this.#relays.values()) client.post({ type: "relay", status });
    for (const event of this.#unheard.splice(0)) client.post(event);
  }

  delete(client: Client): void {
    this.#clients.delete(client);
  }

  post(event: WorkerEvent): void {
    for (const client of this.#clients) client.post(event);
  }

  report(error: TidemarkError, database: DatabaseId | undefined): void {
    // Another tab leads: that is no problem, and what fails because of it none either.
    if (error.code === "STORAGE_FENCED") return;
    const event: WorkerEvent = { type: "problem", database, error: toErrorData(error) };
    if (this.#clients.size > 0) this.post(event);
    else if (this.#unheard.length < unheardProblemsMax) this.#unheard.push(event);
  }

  /** `instanceOf`: undefined while it is opened. */
  listener(instanceOf: () => Instance | undefined): InstanceListener {
    const { clock } = this.#ports;
    const post = (event: WorkerEvent): void => this.post(event);
    const here = <T>(id: DatabaseId, ask: (instance: Instance) => T): T | undefined => {
      const instance = instanceOf();
      return instance?.find(id) === undefined ? undefined : ask(instance);
    };
    const statuses = new StatusEvents((id) => here(id, (instance) => instance.status(id)), clock, post);
    const source = {
      members: (id: DatabaseId) => here(id, ({ permissions }) => permissions.members(id)),
      requests: (id: DatabaseId) => here(id, (instance) => instance.requests(id)),
    };
    const permissions = new PermissionEvents(source, clock, post);
    return {
      changed: (database, changes) => {
        for (const client of this.#clients) client.changed(database, changes);
      },
      reloaded: (database) => {
        for (const client of this.#clients) client.reloaded(database);
      },
      statusChanged: (database) => statuses.note(database),
      progressed: (database, progress) => post({ type: "progress", database, ...progress }),
      relayChanged: (status) => {
        this.#relays.set(status.url, status);
        post({ type: "relay", status });
        for (const { id } of instanceOf()?.records() ?? []) statuses.note(id);
      },
      reported: (error, database) => this.report(error, database),
      permissionsChanged: (database, recounted) => permissions.permissionsChanged(database, recounted),
      requestsChanged: (database) => permissions.requestsChanged(database),
      peersChanged: () => {
        for (const { events } of this.#clients) events.peersChanged();
      },
      jobChanged: (job) => post({ type: "job", job }),
      logged: (event) => {
        for (const { events } of this.#clients) events.logged(event);
      },
      storageChanged: (health) => post({ type: "storage", health }),
    };
  }
}
