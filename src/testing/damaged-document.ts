/** What becomes of a document, one of whose entries the disk damages: on a device with a real IndexedDB, and a peer. */
import type { StorePart } from "../core/entry.ts";
import type { DatabaseId } from "../core/ids.ts";
import { WRITE } from "../core/store/power.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { Busy, isSame, openOn } from "./disk-damage.ts";
import { LinesDocument } from "./lines-document.ts";
import { placeOf } from "./plaintext.ts";
import { deleteRaw, listRaw, putRaw } from "./raw-idb.ts";

const [deviceSecret, peerSecret] = [new Uint8Array(32).fill(5), new Uint8Array(32).fill(6)];

/** What is there of the document at some moment, and what is not. */
export interface Moment {
  readonly lines: readonly string[];
  /** Changes that stand on what is gone. */
  readonly waiting: number | undefined;
  /** Entries that are gone. */
  readonly gone: number;
}

export interface DamagedLife {
  readonly atOnce: Moment;
  /** After a line more, and another start. */
  readonly restarted: Moment;
  /** Having met the peer, which has the damaged one of the three and nothing after it; and after another start. */
  readonly healed: readonly [Moment, Moment];
  readonly atPeer: readonly string[];
  /** What the app was told when the damaged document was opened, each once. */
  readonly told: readonly string[];
  /** What was beside it when it was opened: of the same document, of another, of a table. */
  readonly beside: readonly unknown[];
  /** The device and the peer have the same state, with all heads that the document had before. */
  readonly isWhole: boolean;
}

/** A device on IndexedDB, and a peer. */
class Pair {
  readonly #cluster = new Cluster(1);
  readonly #busy = new Busy();
  readonly #name: string;
  #device: Device | undefined;
  #peer: Device | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  get device(): Device {
    if (this.#device === undefined) throw new Error("no device");
    return this.#device;
  }

  get peer(): Device {
    if (this.#peer === undefined) throw new Error("no peer");
    return this.#peer;
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return this.#busy.settle(this.#cluster, promise);
  }

  until(condition: () => boolean): Promise<void> {
    return this.#busy.until(this.#cluster, condition);
  }

  async open(): Promise<void> {
    this.#device = await openOn(this.#cluster, this.#busy, this.#name, deviceSecret);
  }

  async share(): Promise<DatabaseId> {
    await this.open();
    this.#peer = await this.#cluster.addDevice({ secret: peerSecret });
    const { id } = await this.settle(this.device.instance.createDatabase("Notes", { sync: true }));
    const ticket = await this.settle(this.device.instance.share(id, { power: WRITE }));
    await this.settle(this.peer.instance.join(ticket));
    await this.settle(this.peer.instance.ready(id));
    return id;
  }

  async meet(id: DatabaseId): Promise<void> {
    this.#cluster.healAll();
    await this.until(() => isSame(this.device, this.peer, id));
  }

  part(): void {
    this.#cluster.cut(this.device.key, this.peer.key);
  }

  async commit(id: DatabaseId, part: StorePart | undefined): Promise<void> {
    if (part === undefined) throw new Error("nothing to write");
    await this.settle(this.device.instance.commit(id, () => [part]));
  }

  async restart(): Promise<void> {
    await this.settle(this.device.instance.close());
    await this.open();
  }

  /** Closes the device, and flips one bit in the middle of these bytes, wherever they are stored. */
  async damage(bytes: Uint8Array): Promise<void> {
    await this.settle(this.device.instance.close());
    let flipped = 0;
    for (const { key, value } of await listRaw(this.#name, "segments")) {
      const at = value instanceof Uint8Array ? placeOf(value, bytes) : -1;
      if (!(value instanceof Uint8Array) || at < 0) continue;
      const place = at + (bytes.length >> 1);
      value[place] = (value[place] as number) ^ 1;
      await putRaw(this.#name, "segments", { key, value });
      flipped++;
    }
    if (flipped !== 1) throw new Error(`${flipped} places damaged`);
  }

  async look(document: LinesDocument): Promise<Moment> {
    const { damaged, salvaged } = await this.settle(this.device.instance.verify());
    return { lines: linesOf(document), waiting: document.state?.waiting, gone: damaged - salvaged };
  }

  async end(): Promise<void> {
    await this.settle(this.device.instance.close());
    await this.settle(this.peer.instance.close());
    await deleteRaw(this.#name);
  }
}

/** Writes three lines, flips one bit in the entry of the first, and goes on. `apart`: none of the lines stands on another. */
export async function damageDocument(name: string, { apart }: { readonly apart: boolean }): Promise<DamagedLife> {
  const pair = new Pair(name);
  const id = await pair.share();
  const document = (device: Device, store = "lines"): LinesDocument => new LinesDocument(device, id, store);
  await pair.settle(pair.device.write(id, "row", { text: "beside" }));
  await pair.commit(id, document(pair.device, "other").draft({ line: "other" })[0]);
  await pair.commit(id, document(pair.device).draft({ large: "x".repeat(4_000) })[0]);
  await pair.meet(id);
  const [first, ...rest] = document(pair.device).draft({ one: "1", two: "2", three: "3" }, { apart });
  await pair.commit(id, first);
  await pair.meet(id);
  pair.part();
  for (const part of rest) await pair.commit(id, part);
  const whole = document(pair.device).state?.heads() ?? [];

  await pair.damage(first?.payload ?? new Uint8Array());
  await pair.open();
  const told = [...new Set(pair.device.problems.map(({ code }) => code))];
  const damaged = document(pair.device);
  const other = document(pair.device, "other").value.line;
  const beside = [damaged.value.large?.length, other, pair.device.rows(id).get("row")];
  const atOnce = await pair.look(damaged);
  await pair.commit(id, damaged.draft({ later: "4" })[0]);
  await pair.restart();
  const restarted = await pair.look(document(pair.device));
  await pair.meet(id);
  await pair.until(() => pair.device.stateDigest(id) === pair.peer.stateDigest(id));
  const met = await pair.look(document(pair.device));
  const isWhole = whole.every((head) => document(pair.device).state?.isApplied(head));
  const atPeer = linesOf(document(pair.peer));
  await pair.restart();
  const healed = [met, await pair.look(document(pair.device))] as const;
  await pair.end();
  return { atOnce, restarted, healed, atPeer, told, beside, isWhole };
}

function linesOf(document: LinesDocument): readonly string[] {
  return ["one", "two", "three", "later"].filter((line) => document.value[line] !== undefined);
}
