/** The devices that this one knows, and what their users let them do here. */
import type { Instance, PeerInfo, PeerState, Stop } from "tidemark";

/** What the engine takes as a name of a peer. */
const nameBytesMax = 64;

export class Peers {
  readonly #instance: Instance;
  readonly #stop: Stop;
  #byKey: ReadonlyMap<string, PeerInfo> = new Map();

  /** `changed` is called once the list is here, and after every change. */
  constructor(instance: Instance, changed: () => void) {
    this.#instance = instance;
    const take = (peers: readonly PeerInfo[]): void => {
      this.#byKey = new Map(peers.map((peer) => [peer.key, peer]));
      changed();
    };
    this.#stop = instance.sync.peers.on("changed", take);
    instance.sync.peers.list().then(take, () => {}); // Closed: there is nothing to show any more.
  }

  get(key: string): PeerInfo | undefined {
    return this.#byKey.get(key);
  }

  all(): readonly PeerInfo[] {
    return [...this.#byKey.values()];
  }

  /** The name that this device's user gave; empty: none. */
  nameOf(key: string): string {
    return this.#byKey.get(key)?.name ?? "";
  }

  /** The engine calls those that have no name here by the first digits of their keys. */
  withNames(text: string, nameOf: (key: string) => string): string {
    const nameless = this.all().filter(({ name }) => name === "");
    return nameless.reduce((told, { key }) => told.replaceAll(key.slice(0, 8), nameOf(key)), text);
  }

  async setState(key: string, state: PeerState): Promise<void> {
    await this.#instance.sync.peers.update(key, { state });
  }

  async setName(key: string, name: string): Promise<void> {
    await this.#instance.sync.peers.update(key, { name: fitBytes(name, nameBytesMax) });
  }

  async forget(key: string): Promise<void> {
    await this.#instance.sync.peers.remove(key);
  }

  /** Tries to reach it now. Rejects with a code of `sync.connect`. */
  async connect(key: string): Promise<void> {
    await this.#instance.sync.connect(key, { timeoutMs: 20_000 });
  }

  close(): void {
    this.#stop();
  }
}

/** As many whole characters as fit. */
function fitBytes(text: string, bytesMax: number): string {
  const encoder = new TextEncoder();
  let fitting = "";
  for (const character of text) {
    if (encoder.encode(fitting + character).length > bytesMax) break;
    fitting += character;
  }
  return fitting;
}
