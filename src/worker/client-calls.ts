/** All calls of a page, as what is done for them with what is kept for that page. */
import { type DatabaseId, encodeHex, type PublicKey } from "../core/ids.ts";
import type { DatabaseState } from "../core/store/state.ts";
import type { CommandName, SyncCommands, SyncResults } from "../engine/commands.ts";
import type { WriteId } from "../engine/writes.ts";
import type {
  CommandOptions,
  CreateOptions,
  DatabaseInfo,
  DocOpened,
  DocOptions,
  DocSnapshot,
  ExportOptions,
  HookOptions,
  JoinOptions,
  StateDigest,
  StoreWrites,
  WatchedType,
  WorkerApi,
} from "./api.ts";
import type { Client } from "./client.ts";
import { HistoryCalls } from "./history.ts";
import { buildParts } from "./writes.ts";

/** For `ClientHost` and `TabHost`, which know whose calls they are. */
export abstract class ClientCalls extends HistoryCalls implements WorkerApi {
  protected abstract override run<T>(name: string, call: (client: Client) => T | Promise<T>): Promise<T>;

  createDatabase({ name, ...options }: CreateOptions, write?: WriteId): Promise<DatabaseInfo> {
    return this.run("createDatabase", async ({ engine: { instance } }) =>
      infoOf(await instance.createDatabase(name, options, write)),
    );
  }

  databases(): Promise<readonly DatabaseInfo[]> {
    return this.run("databases", async ({ engine: { instance } }) => {
      await Promise.all(instance.reloading().values());
      return instance.records().map(infoOf);
    });
  }

  commit(database: DatabaseId, stores: readonly StoreWrites[], write?: WriteId): Promise<void> {
    return this.run("commit", async ({ engine: { instance }, documents }) => {
      await instance.commit(database, (open) => buildParts(stores, open), write);
      documents.wrote(database, stores);
    });
  }

  getRow(database: DatabaseId, store: string, id: string): ReturnType<WorkerApi["getRow"]> {
    return this.#read("getRow", database, (state) => state.table(store)?.get(id));
  }

  allRows(database: DatabaseId, store: string): ReturnType<WorkerApi["allRows"]> {
    return this.#read("allRows", database, (state) => [...(state.table(store)?.all() ?? [])]);
  }

  getValue(database: DatabaseId, store: string, key: string): ReturnType<WorkerApi["getValue"]> {
    return this.#read("getValue", database, (state) => state.kv(store)?.get(key));
  }

  allValues(database: DatabaseId, store: string, prefix: string): ReturnType<WorkerApi["allValues"]> {
    return this.#read("allValues", database, (state) => [...(state.kv(store)?.entries(prefix) ?? [])]);
  }

  watch(watch: number, database: DatabaseId, type: WatchedType, store: string): Promise<void> {
    return this.run("watch", ({ engine, watches }) => {
      engine.instance.database(database);
      watches.add(watch, database, type, store);
    });
  }

  unwatch(watch: number): Promise<void> {
    return this.run("unwatch", ({ watches }) => watches.delete(watch));
  }

  openDoc(watch: number, database: DatabaseId, store: string, options: DocOptions): Promise<DocOpened> {
    return this.run("openDoc", ({ documents }) => documents.open(watch, database, store, options));
  }

  closeDoc(watch: number): Promise<void> {
    return this.run("closeDoc", ({ documents }) => documents.close(watch));
  }

  docHistory(
    database: DatabaseId,
    store: string,
    before: number | undefined,
    limit: number,
  ): ReturnType<WorkerApi["docHistory"]> {
    return this.run("docHistory", ({ engine: { instance } }) => {
      const { state, graph } = instance.database(database).replica;
      const records = state.doc(store)?.records(before ?? Number.MAX_SAFE_INTEGER, limit) ?? [];
      return records.map(({ position, hash, entry, author, ops, message }) => {
        return { position, hash, entry, author, ops, message, time: graph.get(entry)?.time ?? 0 };
      });
    });
  }

  putSnapshot(database: DatabaseId, store: string, snapshot: DocSnapshot): Promise<void> {
    return this.run("putSnapshot", ({ documents }) => documents.keep(database, store, snapshot));
  }

  join(ticket: string, options: JoinOptions, write?: WriteId): Promise<DatabaseInfo> {
    return this.run("join", async ({ engine: { instance } }) => infoOf(await instance.join(ticket, options, write)));
  }

  ready(database: DatabaseId): Promise<void> {
    return this.run("ready", ({ engine: { instance }, signal }) => instance.ready(database, signal));
  }

  status(database: DatabaseId): ReturnType<WorkerApi["status"]> {
    return this.run("status", ({ engine: { instance } }) => instance.status(database));
  }

  stateDigest(database: DatabaseId): Promise<StateDigest> {
    return this.run("stateDigest", ({ engine: { instance, ports } }) => {
      const { replica } = instance.database(database);
      return {
        entries: replica.graph.size - replica.graph.voidCount,
        tips: replica.graph.tips().map((tip) => tip.id),
        state: encodeHex(ports.sha256(replica.encodeState())),
      };
    });
  }

  setOnline(online: boolean): Promise<void> {
    return this.run("setOnline", ({ engine }) => engine.setOnline(online));
  }

  storageHealth(): ReturnType<WorkerApi["storageHealth"]> {
    return this.run("storageHealth", ({ engine: { instance } }) => instance.storageHealth());
  }

  verify(id: number): ReturnType<WorkerApi["verify"]> {
    return this.run("verify", ({ verifications }) => verifications.run(id));
  }

  cancelVerify(id: number): Promise<void> {
    return this.run("cancelVerify", ({ verifications }) => verifications.cancel(id));
  }

  command<Name extends CommandName>(
    name: Name,
    command: SyncCommands[Name],
    options: CommandOptions,
  ): Promise<SyncResults[Name]> {
    return this.run(name, ({ commands }) => commands.run(name, command, options));
  }

  cancel(id: number): Promise<void> {
    return this.run("cancel", ({ commands }) => commands.cancel(id));
  }

  post<Name extends CommandName>(name: Name, command: SyncCommands[Name]): Promise<void> {
    return this.run(name, ({ commands }) => commands.post(name, command));
  }

  addHook(hook: number, database: DatabaseId, options: HookOptions): Promise<string> {
    return this.run("addHook", ({ engine, hooks }) => {
      engine.instance.database(database);
      return hooks.add(hook, database, options);
    });
  }

  taken(hook: number, failure?: string): Promise<void> {
    return this.run("taken", ({ hooks }) => hooks.taken(hook, failure));
  }

  removeHook(hook: number): Promise<void> {
    return this.run("removeHook", ({ hooks }) => hooks.delete(hook));
  }

  setPresence(database: DatabaseId, page: string, turn: number, state: Uint8Array | undefined): Promise<void> {
    return this.run("setPresence", ({ presence }) => presence.set(database, page, turn, state));
  }

  presence(database: DatabaseId): ReturnType<WorkerApi["presence"]> {
    return this.run("presence", ({ presence }) => presence.pages(database));
  }

  watchPresence(database: DatabaseId, on: boolean): Promise<void> {
    return this.run("watchPresence", ({ presence }) => (on ? presence.watch(database) : presence.unwatch(database)));
  }

  openMessages(number: number, channel: string): Promise<void> {
    return this.run("openMessages", ({ messages }) => messages.open(number, channel));
  }

  closeMessages(number: number): Promise<void> {
    return this.run("closeMessages", ({ messages }) => messages.close(number));
  }

  sendMessage(number: number, peer: PublicKey, bytes: Uint8Array): Promise<void> {
    return this.run("messages.send", ({ messages }) => messages.send(number, peer, bytes));
  }

  tookMessage(number: number, bytes: number): Promise<void> {
    return this.run("tookMessage", ({ messages }) => messages.took(number, bytes));
  }

  setLogging(on: boolean): Promise<void> {
    return this.run("setLogging", ({ events }) => {
      events.isLogging = on;
    });
  }

  exportOpen(stream: number, options: ExportOptions): Promise<void> {
    return this.run("export", ({ files }) => files.exportOpen(stream, options));
  }

  exportNext(stream: number): ReturnType<WorkerApi["exportNext"]> {
    return this.run("export", ({ files }) => files.exportNext(stream));
  }

  exportClose(stream: number): Promise<void> {
    return this.run("export", ({ files }) => files.exportClose(stream));
  }

  importOpen(stream: number, passphrase?: string): Promise<void> {
    return this.run("import", ({ files }) => files.importOpen(stream, passphrase));
  }

  importPush(stream: number, bytes: Uint8Array): ReturnType<WorkerApi["importPush"]> {
    return this.run("import", ({ files }) => files.importPush(stream, bytes));
  }

  importEnd(stream: number): ReturnType<WorkerApi["importEnd"]> {
    return this.run("import", ({ files }) => files.importEnd(stream));
  }

  importClose(stream: number): Promise<void> {
    return this.run("import", ({ files }) => files.importClose(stream));
  }

  forgetDatabase(database: DatabaseId): Promise<void> {
    return this.run("forget", ({ files }) => files.forgetDatabase(database));
  }

  removeDatabase(database: DatabaseId): Promise<void> {
    return this.run("remove", ({ files }) => files.removeDatabase(database));
  }

  wipe(): Promise<void> {
    return this.run("wipe", ({ files }) => files.wipe());
  }

  #read<T>(name: string, database: DatabaseId, read: (state: DatabaseState) => T): Promise<T> {
    return this.run(name, ({ engine: { instance } }) => read(instance.database(database).replica.state));
  }
}

function infoOf({ id, name }: DatabaseInfo): DatabaseInfo {
  return { id, name };
}
