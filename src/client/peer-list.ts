/** The peers that this device knows: other devices, by their public keys. */
import { peerNameBytesMax } from "../core/limits.ts";
import { checkLabel } from "../engine/label.ts";
import type { PeerState } from "../engine/records.ts";
import type { PeerInfo } from "../engine/sync-info.ts";
import { assertAddresses, assertObject, assertOneOf, given, toPublicKey } from "./input.ts";
import type { Line } from "./line.ts";
import { Listeners, type Stop } from "./listeners.ts";

const peerStates: readonly PeerState[] = ["active", "inactive", "blocked"];

export interface PeerListEvents {
  /** All peers, after something about any of them changed. At most 20 times a second. */
  changed: readonly PeerInfo[];
}

export class PeerList {
  readonly #line: Line;
  readonly #listeners = new Listeners<PeerListEvents>(["changed"]);
  #reading: "no" | "reading" | "again" = "no";

  /** For `InstanceSync`. */
  constructor(line: Line) {
    this.#line = line;
  }

  /** Everyone who was registered or met, in the order of their keys. */
  list(): Promise<readonly PeerInfo[]> {
    return this.#line.command("peers", {});
  }

  /** Undefined for a peer that is not known. Rejects with INPUT_INVALID for what is no key. */
  async get(key: string): Promise<PeerInfo | undefined> {
    const peer = toPublicKey(key);
    return (await this.list()).find((info) => info.key === peer);
  }

  /**
   * Registers a peer, or adds to what is known of it. A peer with an address is dialled, as soon as there is a
   * transport for the address. The name is for people on this device, at most 64 bytes; empty: none. Rejects with
   * INPUT_INVALID.
   *
   * @example
   * await tide.sync.peers.add(key, { name: "Laptop" });
   */
  async add(
    key: string,
    options: { readonly name?: string; readonly addresses?: readonly string[] } = {},
  ): Promise<PeerInfo> {
    assertObject(options, "options of add", "{ name, addresses }");
    const { name, addresses } = options;
    checkDescription(name, addresses);
    return this.#line.command("addPeer", given({ peer: toPublicKey(key), name, addresses }));
  }

  /**
   * Changes what is given, and adds addresses to those that it has. `inactive` and `blocked` close what is open to the
   * peer: nothing is sent to it, and nothing accepted from it, until it is `active` again. Rejects with PEER_UNKNOWN or
   * INPUT_INVALID.
   */
  async update(
    key: string,
    changes: { readonly name?: string; readonly state?: PeerState; readonly addresses?: readonly string[] },
  ): Promise<PeerInfo> {
    assertObject(changes, "changes of update", "{ name, state, addresses }");
    const { name, state, addresses } = changes;
    checkDescription(name, addresses);
    if (state !== undefined) assertOneOf(state, "state", peerStates);
    return this.#line.command("updatePeer", given({ peer: toPublicKey(key), name, state, addresses }));
  }

  /**
   * Forgets a peer with everything remembered about it; one that comes by itself is a new one. Rejects with
   * PEER_UNKNOWN.
   */
  async remove(key: string): Promise<void> {
    await this.#line.command("removePeer", { peer: toPublicKey(key) });
  }

  on<E extends keyof PeerListEvents>(event: E, listener: (data: PeerListEvents[E]) => void): Stop {
    return this.#listeners.on(event, listener);
  }

  /** For `InstanceSync`: the worker's list is another now. */
  async reread(): Promise<void> {
    if (!this.#listeners.has("changed")) return;
    if (this.#reading !== "no") {
      this.#reading = "again";
      return;
    }
    do {
      this.#reading = "reading";
      const peers = await this.list().catch(() => undefined); // Closed: there is nothing to show any more.
      if (peers !== undefined) this.#listeners.emit("changed", peers);
      // Set by whoever called meanwhile.
    } while ((this.#reading as string) === "again");
    this.#reading = "no";
  }
}

function checkDescription(name: string | undefined, addresses: readonly string[] | undefined): void {
  if (name !== undefined) checkLabel("name", name, peerNameBytesMax);
  if (addresses !== undefined) assertAddresses(addresses);
}
