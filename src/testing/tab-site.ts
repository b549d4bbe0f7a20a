/** Tabs of one browser with real hosts and engines, on simulated locks, channels, storage and network: everything but the page's client. */
import { TidemarkError } from "../core/errors.ts";
import type { PublicKey, Sha256 } from "../core/ids.ts";
import { chunkCiphers } from "../crypto/chunk-cipher.ts";
import { openKeyRing } from "../crypto/key-ring.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import type { EnginePorts } from "../engine/ports.ts";
import type { Storage } from "../ports/storage.ts";
import { createMemoryStorage, MemoryDisk } from "../storage/memory.ts";
import type { OutboxWrite } from "../storage/outbox.ts";
import type { PairEndpoint } from "../tabs/pair-endpoint.ts";
import { carryErrors } from "../worker/error-data.ts";
import type { Platform } from "../worker/platform.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { openRealmNetwork } from "./realm-network.ts";
import { SimulatedVerifier, simulatedIdentity, simulatedKeyMaker } from "./simulated-keys.ts";
import { simulatedSealing } from "./simulated-sealing.ts";
import { instanceName, SitePage } from "./tab-site-page.ts";
import { type Realm, TabsWorld } from "./tabs-world.ts";

export { SitePage } from "./tab-site-page.ts";

/** How a page calls what is behind an endpoint: Comlink's `wrap`. */
export type Wrap = (endpoint: PairEndpoint) => unknown;

const loadedSha256: Promise<Sha256> = loadSha256();
/** Some who die are missed at once, some when their silence has lasted. */
const silentDeathMs = 30_000;

/** Told of everything that happens to what is stored. */
export interface StorageWatcher {
  /** `term`: the claim of whoever did it. */
  stored(method: string, args: readonly unknown[], term: number | undefined): void;
  refused(method: string, error: TidemarkError): void;
}

const writingMethods: ReadonlySet<PropertyKey> = new Set<keyof Storage>([
  "putDatabase",
  "deleteDatabase",
  "commit",
  "putCheckpoint",
  "deleteCheckpoints",
  "putSnapshot",
  "putRecords",
  "replace",
  "repair",
  "deleteAside",
  "deleteWriteRow",
  "putValueOnce",
  "deleteValue",
]);

/** A browser, and what is stored in it. */
export class TabSite {
  readonly world: TabsWorld;
  readonly disk: MemoryDisk = new MemoryDisk();
  readonly outbox: OutboxWrite[] = [];
  readonly network: MemoryNetwork;
  readonly sha256: Sha256;
  readonly wrap: Wrap;
  readonly pages: SitePage[] = [];
  /** What the storages say they are. "memory": nothing of one is in the next. */
  kind: Storage["kind"] = "idb";
  watcher: StorageWatcher | undefined;
  /** What the next calls of these methods of storage fail with, without doing anything. */
  readonly failing: Map<string, TidemarkError> = new Map();
  readonly #stalled = new Map<string, Promise<void>>();
  readonly #connections: ((error: TidemarkError) => void)[] = [];
  #secret: Uint8Array;

  private constructor(seed: number, sha256: Sha256, wrap: Wrap, beside: TabSite | undefined) {
    carryErrors();
    this.wrap = wrap;
    this.world = new TabsWorld(seed, beside?.world.clock);
    this.sha256 = sha256;
    const { clock, random } = this.world;
    this.network = beside?.network ?? new MemoryNetwork({ clock, random });
    this.#secret = random.bytes(32);
  }

  /** @param beside another device, whose clock and network it shares */
  static async open(seed: number, wrap: Wrap, beside?: TabSite): Promise<TabSite> {
    return new TabSite(seed, await loadedSha256, wrap, beside);
  }

  get publicKey(): PublicKey {
    return simulatedIdentity(this.#secret, this.sha256).publicKey;
  }

  /** The connection to what is stored is gone, for good. `cleared`: and what is stored, with the device's key. */
  loseStorage(cleared: boolean): void {
    if (cleared) {
      this.#clear();
      this.#secret = this.world.random.bytes(32);
    }
    const error = new TidemarkError("STORAGE_CLOSED", { reason: "the browser closed it" });
    for (const lose of this.#connections.splice(0)) lose(error);
  }

  #clear(): void {
    this.disk.databases.clear();
    this.disk.writes.clear();
    this.disk.values.clear();
    this.disk.records.clear();
  }

  /** From now on calls of this method of storage, or of `deleteStored`, take until what is returned is called. */
  stall(method: string): () => void {
    let goOn = (): void => {};
    const stalled = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    this.#stalled.set(method, stalled);
    return () => {
      this.#stalled.delete(method);
      goOn();
    };
  }

  /** A page with its worker. */
  async addPage(name: string): Promise<SitePage> {
    const page = new SitePage(this, name);
    this.pages.push(page);
    await this.world.settle(page.boot());
    return page;
  }

  get leaders(): readonly SitePage[] {
    return this.pages.filter(({ standing, worker }) => standing.type === "leading" && worker.state === "running");
  }

  platform(worker: Realm): Platform {
    const { clock, locks, channels } = worker;
    const random = this.world.random.fork();
    return {
      ...{ clock, locks, channels, random },
      ciphers: chunkCiphers({ memoryKib: 8, passes: 1, lanes: 1 }),
      outbox: {
        read: () => this.world.browser.call(worker, () => [...this.outbox]),
        clear: (tab, through) =>
          this.world.browser.call(worker, () => {
            const left = this.outbox.filter((write) => write.tab !== tab || write.number > through);
            this.outbox.splice(0, this.outbox.length, ...left);
          }),
      },
      openStorage: async (lost) => this.#storageFor(worker, lost),
      openPorts: async (storage, settings, report) => {
        const { sha256, network } = this;
        const identity = simulatedIdentity(this.#secret, sha256);
        const maker = simulatedKeyMaker(sha256, random);
        const keys = await openKeyRing({ storage, device: identity, clock, maker, reported: report });
        const goneAfterMs = (): number => ((random.bytes(1)[0] ?? 0) < 128 ? 0 : silentDeathMs);
        const onNetwork = { realm: worker, clock: this.world.clock, goneAfterMs };
        const ports: EnginePorts = {
          ...{ storage, settings, identity, keys, sha256, clock, random },
          name: instanceName,
          relays: ["wss://relay.simulated"],
          verifier: new SimulatedVerifier(sha256),
          sealing: simulatedSealing(this.#secret, sha256),
          deriveIdentity: async (seed) => simulatedIdentity(seed, sha256),
          openNetwork: () => openRealmNetwork(network.join(identity.publicKey), onNetwork),
        };
        return ports;
      },
      deleteStored: async () => {
        await this.#stalled.get("deleteStored");
        this.#clear();
      },
    };
  }

  /** Each call happens in the browser, and is answered when the worker runs: one that dies meanwhile does not hear what became of it. */
  #storageFor(worker: Realm, lost: (error: TidemarkError) => void): Storage {
    const { kind } = this;
    const inner = createMemoryStorage(kind === "memory" ? new MemoryDisk() : this.disk);
    const { browser } = this.world;
    let gone: TidemarkError | undefined;
    this.#connections.push((error) => {
      gone = error;
      lost(error);
    });
    let term: number | undefined;
    const call = async (method: string, run: () => Promise<unknown>): Promise<unknown> => {
      const failure = this.failing.get(method);
      this.failing.delete(method);
      try {
        if (failure !== undefined) throw failure;
        if (gone !== undefined && method !== "close") throw gone;
        const stalled = this.#stalled.get(method);
        if (stalled !== undefined) await stalled;
        const value = await run();
        if (method === "claim") term = value as number;
        return value;
      } catch (error) {
        if (error instanceof TidemarkError) this.watcher?.refused(method, error);
        throw error;
      }
    };
    return new Proxy(inner, {
      get: (_inner, name) => {
        if (name === "kind") return kind;
        const value: unknown = Reflect.get(inner, name, inner);
        if (typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          const run = (): readonly [Promise<unknown>] => {
            const running = call(String(name), () => value.apply(inner, args) as Promise<unknown>);
            const stored = (): void => this.watcher?.stored(String(name), args, term);
            running.then(writingMethods.has(name) ? stored : undefined, () => {}); // Heard by the worker, if it lives.
            return [running];
          };
          const [running] = await browser.call(worker, run);
          return await running;
        };
      },
    });
  }
}
