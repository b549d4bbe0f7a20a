/**
 * The worker's side of the page's calls: builds the engine on the browser's adapters and answers.
 *
 * [CLIENT-1] Calls made before `boot` has finished wait for it; if it failed they reject with its error.
 */

import { TidemarkError } from "../core/errors.ts";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import { identityFromSeed, loadIdentity } from "../crypto/identity.ts";
import { createKeyMaker, openKeyRing } from "../crypto/key-ring.ts";
import { platformRandom } from "../crypto/random.ts";
import { Sealer } from "../crypto/sealing.ts";
import { loadSealingKeys } from "../crypto/sealing-keys.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import { createVerifier } from "../crypto/verifier.ts";
import { findSubtle } from "../crypto/web-crypto.ts";
import type { CommandName, SyncCommands, SyncResults } from "../engine/commands.ts";
import { Instance } from "../engine/instance.ts";
import type { EnginePorts } from "../engine/ports.ts";
import type { TransportBuilder } from "../ports/transport.ts";
import { openIdbStorage } from "../storage/idb.ts";
import { createRelayClient } from "../transport/relay-client.ts";
import { createWebRtcNetwork } from "../transport/webrtc.ts";
import type {
  BootInfo,
  BootOptions,
  CommandOptions,
  CreateOptions,
  DatabaseInfo,
  HookOptions,
  JoinOptions,
  StoreWrites,
  WatchedType,
  WorkerApi,
  WorkerEvent,
} from "./api.ts";
import { Builders } from "./builders.ts";
import { systemClock } from "./clock.ts";
import { Commands } from "./commands.ts";
import { toErrorData } from "./error-data.ts";
import { KeyCalls } from "./keys.ts";
import { holdInstanceLock, holdLock } from "./lock.ts";
import { PermissionEvents } from "./permission-events.ts";
import { StatusEvents } from "./status-events.ts";
import { SyncEvents } from "./sync-events.ts";
import { Watches } from "./watches.ts";
import { WriteHooks } from "./write-hooks.ts";
import { buildParts } from "./writes.ts";

interface Booted {
  readonly instance: Instance;
  readonly ports: EnginePorts;
  readonly watches: Watches;
  readonly commands: Commands;
  readonly hooks: WriteHooks;
  readonly syncEvents: SyncEvents;
  readonly release: () => void;
}

export class WorkerHost extends KeyCalls implements WorkerApi {
  readonly #builders = new Builders();
  readonly #booted: Promise<Booted>;
  #startWith: (booted: Promise<Booted>) => void = () => {};
  #closing: Promise<void> | undefined;

  constructor() {
    super();
    this.#booted = new Promise((resolve) => {
      this.#startWith = resolve;
    });
    this.#booted.catch(() => {}); // Each call tells its caller.
  }

  /** For whoever runs in this worker, before `boot`: one more type of transport. Throws INPUT_INVALID. */
  register(builder: TransportBuilder): void {
    this.#builders.add(builder);
  }

  async boot(options: BootOptions, events: MessagePort): Promise<BootInfo> {
    this.#startWith(start(options, events, this.#builders.take()));
    const { instance, ports } = await this.#booted;
    return { publicKey: instance.publicKey, sealKey: ports.sealing?.publicKey };
  }

  async createDatabase({ name, ...options }: CreateOptions): Promise<DatabaseInfo> {
    const { id } = await (await this.instance()).createDatabase(name, options);
    return { id, name };
  }

  async databases(): Promise<readonly DatabaseInfo[]> {
    return (await this.instance()).records().map(({ id, name }) => ({ id, name }));
  }

  async commit(database: DatabaseId, stores: readonly StoreWrites[]): Promise<void> {
    await (await this.instance()).commit(database, ({ replica }) => buildParts(stores, replica.state));
  }

  async getRow(database: DatabaseId, store: string, id: string): ReturnType<WorkerApi["getRow"]> {
    return (await this.#state(database)).table(store)?.get(id);
  }

  async allRows(database: DatabaseId, store: string): ReturnType<WorkerApi["allRows"]> {
    return [...((await this.#state(database)).table(store)?.all() ?? [])];
  }

  async getValue(database: DatabaseId, store: string, key: string): ReturnType<WorkerApi["getValue"]> {
    return (await this.#state(database)).kv(store)?.get(key);
  }

  async allValues(database: DatabaseId, store: string, prefix: string): ReturnType<WorkerApi["allValues"]> {
    return [...((await this.#state(database)).kv(store)?.entries(prefix) ?? [])];
  }

  async watch(watch: number, database: DatabaseId, type: WatchedType, store: string): Promise<void> {
    const { instance, watches } = await this.#booted;
    instance.database(database);
    watches.add(watch, database, type, store);
  }

  async unwatch(watch: number): Promise<void> {
    (await this.#booted).watches.delete(watch);
  }

  async join(ticket: string, options: JoinOptions): Promise<DatabaseInfo> {
    const { id, name } = await (await this.instance()).join(ticket, options);
    return { id, name };
  }

  async ready(database: DatabaseId): Promise<void> {
    await (await this.instance()).ready(database);
  }

  async status(database: DatabaseId): ReturnType<WorkerApi["status"]> {
    return (await this.instance()).status(database);
  }

  async stateDigest(database: DatabaseId): ReturnType<WorkerApi["stateDigest"]> {
    const { instance, ports } = await this.#booted;
    const { replica } = instance.database(database);
    return {
      entries: replica.graph.size - replica.graph.voidCount,
      tips: replica.graph.tips().map((tip) => tip.id),
      state: encodeHex(ports.sha256(replica.encodeState())),
    };
  }

  async setOnline(online: boolean): Promise<void> {
    (await this.instance()).setOnline(online);
  }

  async command<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    options: CommandOptions,
  ): Promise<SyncResults[Name]> {
    return (await this.#booted).commands.run(name, command, options);
  }

  async cancel(id: number): Promise<void> {
    (await this.#booted).commands.cancel(id);
  }

  async post<Name extends CommandName>(name: Name, command: SyncCommands[Name]): Promise<void> {
    (await this.#booted).commands.post(name, command);
  }

  async addHook(hook: number, database: DatabaseId, options: HookOptions): Promise<void> {
    const { instance, hooks } = await this.#booted;
    instance.database(database);
    hooks.add(hook, database, options);
  }

  async taken(hook: number, failure?: string): Promise<void> {
    (await this.#booted).hooks.taken(hook, failure);
  }

  async removeHook(hook: number): Promise<void> {
    (await this.#booted).hooks.delete(hook);
  }

  async setLogging(on: boolean): Promise<void> {
    (await this.#booted).syncEvents.isLogging = on;
  }

  /** Every call resolves with the first. */
  close(): Promise<void> {
    this.#closing ??= this.#closeNow();
    return this.#closing;
  }

  async #closeNow(): Promise<void> {
    const { instance, ports, commands, release } = await this.#booted;
    commands.close(new TidemarkError("INSTANCE_CLOSED", { name: ports.name }));
    await instance.close();
    release();
  }

  protected async instance(): Promise<Instance> {
    return (await this.#booted).instance;
  }

  protected async ports(): Promise<EnginePorts> {
    return (await this.#booted).ports;
  }

  async #state(database: DatabaseId): Promise<ReturnType<Instance["database"]>["replica"]["state"]> {
    return (await this.instance()).database(database).replica.state;
  }
}

type Post = (event: WorkerEvent, transfer?: Transferable[]) => void;

async function start(
  options: BootOptions,
  events: MessagePort,
  transports: readonly TransportBuilder[],
): Promise<Booted> {
  const post: Post = (event, transfer = []) => events.postMessage(event, transfer);
  const release = await holdInstanceLock(options.name);
  try {
    await holdLock(options.lifeLock);
    return { ...(await openInstance(options, transports, post)), release };
  } catch (error) {
    release();
    throw error;
  }
}

async function openInstance(
  options: BootOptions,
  transports: readonly TransportBuilder[],
  post: Post,
): Promise<Omit<Booted, "release">> {
  const ports = { ...(await openPorts(options, post)), transports };
  const watches = new Watches((id) => instance.find(id)?.replica.state, post);
  const syncEvents = new SyncEvents(systemClock, post);
  const statuses = new StatusEvents((id) => (instance.find(id) === undefined ? undefined : instance.status(id)), post);
  const here = <T>(id: DatabaseId, ask: () => T): T | undefined =>
    instance.find(id) === undefined ? undefined : ask();
  const source = {
    members: (id: DatabaseId) => here(id, () => instance.permissions.members(id)),
    requests: (id: DatabaseId) => here(id, () => instance.requests(id)),
  };
  const permissionEvents = new PermissionEvents(source, systemClock, post);
  const instance: Instance = await Instance.open(ports, {
    changed: (database, changes) => watches.note(database, changes),
    statusChanged: (database) => statuses.note(database),
    progressed: (database, progress) => post({ type: "progress", database, ...progress }),
    relayChanged: (status) => {
      post({ type: "relay", status });
      for (const { id } of instance.records()) statuses.note(id);
    },
    reported: (error, database) => post({ type: "problem", database, error: toErrorData(error) }),
    reloaded: (database) => watches.refresh(database),
    permissionsChanged: (database, recounted) => permissionEvents.permissionsChanged(database, recounted),
    requestsChanged: (database) => permissionEvents.requestsChanged(database),
    peersChanged: () => syncEvents.peersChanged(),
    jobChanged: (job) => syncEvents.jobChanged(job),
    logged: (event) => syncEvents.logged(event),
  });
  const { sync } = instance;
  const failed = (error: unknown): void => post({ type: "problem", database: undefined, error: toErrorData(error) });
  const commands = new Commands(sync, systemClock, failed);
  instance.setOnline(true);
  return { instance, ports, watches, commands, hooks: new WriteHooks(sync, post), syncEvents };
}

async function openPorts(options: BootOptions, post: Post): Promise<EnginePorts> {
  const onLost = (error: unknown): void => post({ type: "problem", database: undefined, error: toErrorData(error) });
  const storage = await openIdbStorage(options.name, { onLost });
  const [identity, verifier, sha256] = await Promise.all([loadIdentity(storage), createVerifier(), loadSha256()]);
  const sealing = await loadSealingKeys(storage, findSubtle());
  const keys = await openKeyRing({
    storage,
    device: identity,
    clock: systemClock,
    maker: await createKeyMaker(),
    reported: onLost,
  });
  const base = { storage, identity, keys, verifier, sealing, sha256, clock: systemClock, random: platformRandom };
  return {
    ...base,
    name: options.name,
    relays: options.relays,
    settings: options.sync,
    deriveIdentity: identityFromSeed,
    openNetwork: (url, peersMax) => {
      const { port1, port2 } = new MessageChannel();
      post({ type: "connections", port: port2 }, [port2]);
      const createSealer = (): Promise<Sealer> => Sealer.create(identity, verifier);
      const introducer = createRelayClient({ url, identity, createSealer, clock: systemClock, random: platformRandom });
      const { iceServers } = options;
      return createWebRtcNetwork({
        introducer,
        page: port1,
        self: identity.publicKey,
        clock: systemClock,
        random: platformRandom,
        iceServers,
        peersMax,
      });
    },
  };
}
