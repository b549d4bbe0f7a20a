/** The paths to one peer, and which of them carries its session: by rules that both ends apply alike. */
import { pathsPerPeerMax } from "../core/limits.ts";
import type { Path } from "./path.ts";
import type { PathInfo } from "./sync-info.ts";

/** Of how many earlier lives of a peer late channels are recognized. A guess. */
const goneMax = 8;

export class PeerPaths {
  #paths: readonly Path[] = [];
  #carrier: Path | undefined;
  /** Of the instance that it is; those before it are gone. */
  #boot = "";
  readonly #gone = new Set<string>();

  /** Oldest first. */
  get paths(): readonly Path[] {
    return this.#paths;
  }

  get carrier(): Path | undefined {
    return this.#carrier;
  }

  /**
   * False when there is no use for it: it leads to an instance that is gone, or there are enough. One that leads to a new instance
   * replaces all others. Those who stay are asked whether they live: who has a good path needs no other.
   */
  add(path: Path): boolean {
    if (this.#gone.has(path.boot)) return false;
    if (this.#boot !== path.boot) this.#replace(path.boot);
    if (this.#paths.length >= pathsPerPeerMax) return false;
    for (const other of this.#paths) other.ping();
    this.#paths = [...this.#paths, path];
    return true;
  }

  /** False for one that was not among them. */
  remove(path: Path): boolean {
    const isHere = this.#paths.includes(path);
    this.#paths = this.#paths.filter((other) => other !== path);
    if (this.#carrier === path) this.#carrier = undefined;
    return isHere;
  }

  /** The path that carries the session from now on; undefined when nothing has changed. */
  choose(): Path | undefined {
    const [first] = [...this.#paths].sort((a, b) => (a.rank < b.rank ? -1 : 1));
    if (first === this.#carrier) return undefined;
    this.#carrier = first;
    return first;
  }

  /** The one that carries last: none of the others is to go on where it ended. */
  close(code?: string): void {
    const carrier = this.#carrier;
    for (const path of this.#paths) if (path !== carrier) path.close(code);
    carrier?.close(code);
  }

  info(): readonly PathInfo[] {
    return this.#paths.map((path) => ({
      path: path.channel.path,
      carries: path === this.#carrier,
      sinceMs: path.sinceMs,
    }));
  }

  queued(): { readonly queuedEntries: number; readonly queuedBytes: number } {
    const waiting = this.#paths.map(({ session }) => session?.unconfirmed ?? { entries: 0, bytes: 0 });
    return {
      queuedEntries: waiting.reduce((sum, { entries }) => sum + entries, 0),
      queuedBytes: waiting.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  /** Beside what is remembered of the peer. */
  untold(): { readonly bytesSent: number; readonly bytesReceived: number } {
    const untold = this.#paths.map((path) => path.untold);
    return {
      bytesSent: untold.reduce((sum, { bytesSent }) => sum + bytesSent, 0),
      bytesReceived: untold.reduce((sum, { bytesReceived }) => sum + bytesReceived, 0),
    };
  }

  #replace(boot: string): void {
    if (this.#boot !== "") this.#gone.add(this.#boot);
    for (const oldest of this.#gone) {
      if (this.#gone.size <= goneMax) break;
      this.#gone.delete(oldest);
    }
    this.#boot = boot;
    const gone = this.#paths;
    this.#paths = [];
    this.#carrier = undefined;
    for (const path of gone) path.close();
  }
}
