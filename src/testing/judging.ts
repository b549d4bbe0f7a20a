/**
 * What has to be so in the end, said by an oracle that believes no device: what counts of all that devices hold, and
 * what follows from it.
 *
 * [SIMULATION-9] All who have to agree hold everything that counts, and the same state; nobody who was never lowered
 *   has lost anything.
 * [SIMULATION-16] Void entries affect nothing: on every device, also of those who were removed, tables and settings
 *   are those of the entries that count, as the oracle has it.
 */
import { equalBytes } from "../core/bytes.ts";
import { decodeEntry, type Entry, follows } from "../core/entry.ts";
import { assert } from "../core/errors.ts";
import { type DatabaseId, type EntryId, entryIdFromDigest, type PublicKey } from "../core/ids.ts";
import { redeemMessage, redeemOf } from "../core/invite-proof.ts";
import { decodeParts, settingsIn } from "../core/judgement.ts";
import type { DecodedPart } from "../core/store/kinds.ts";
import { WRITE } from "../core/store/power.ts";
import type { SettingsOp } from "../core/store/settings.ts";
import { SettingsView } from "../core/store/settings-view.ts";
import { DatabaseState } from "../core/store/state.ts";
import { AuthorityModel, type Counting, type ModelEntry } from "./authority-model.ts";
import type { Device } from "./device.ts";
import { judgeDocuments } from "./document-judging.ts";
import { forgedRow } from "./mallory.ts";
import type { Scene } from "./scene.ts";
import { isSignedBy } from "./simulated-keys.ts";
import { isRotten } from "./verdict.ts";

interface HeldEntry {
  readonly entry: Entry;
  readonly parts: readonly DecodedPart[];
}

/** Everything that is wrong when all is at rest. */
export function judgeAll(scene: Scene): readonly string[] {
  return new Judge(scene).judge();
}

/** What a set of entries comes to. */
interface Outcome {
  readonly counting: Counting;
  readonly settings: SettingsView;
  readonly state: DatabaseState;
}

class Judge {
  readonly #problems: string[] = [];
  readonly #scene: Scene;
  readonly #devices: readonly Device[];
  /** Of all disks, each good copy once. */
  readonly #held: ReadonlyMap<EntryId, HeldEntry>;
  /** Of all of them. */
  readonly #model = new AuthorityModel();
  /** By their ids. */
  readonly #outcomes = new Map<string, Outcome>();

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#devices = scene.peers.flatMap(({ device }) => (device === undefined ? [] : [device]));
    this.#held = readDisks(this.#devices, scene.id);
    for (const each of [...this.#held.values()].sort((a, b) => a.entry.height - b.entry.height))
      this.#model.add(modelEntryOf(each));
  }

  judge(): readonly string[] {
    for (const device of this.#devices) this.#judgeDevice(device);
    this.#judgeCircle();
    return this.#problems;
  }

  /** By what it accepted itself, whatever that is. */
  #judgeDevice(device: Device): void {
    const { instance, disk } = device;
    const replica = instance.find(this.#scene.id)?.replica;
    const ids = disk.databases.get(this.#scene.id)?.index.map(({ id }) => id) ?? [];
    if (replica === undefined || replica.graph.size !== ids.length || ids.length === 0) return;
    const { counting, settings, state } = this.#outcomeOf(ids);
    for (const id of ids) {
      const node = replica.graph.get(id);
      const counts = node !== undefined && replica.graph.counts(node);
      if (counts !== counting.counts.has(id))
        this.#report(device, `takes ${id} for ${counts ? "counting" : "void"}, which it is not`);
    }
    if (!equalBytes(replica.settings.encode(), settings.encode()))
      this.#report(device, "has other settings than those that have an effect");
    // Who is given nothing any more cannot be given back what its disk has lost.
    if (!isRotten(device, this.#scene.id) && !equalBytes(replica.state.encode(), state.encode()))
      this.#report(device, "has another state than that of what counts");
    if (device.rows(this.#scene.id).has(forgedRow) || replica.settings.name === forgedRow)
      this.#report(device, "has a forged row");
  }

  /** By all that those hold together who have to agree. */
  #judgeCircle(): void {
    const { circle, id, acknowledged, peers } = this.#scene;
    const ids = new Set(circle.flatMap(({ disk }) => disk.databases.get(id)?.index.map((entry) => entry.id) ?? []));
    const { counting } = this.#outcomeOf([...ids]);
    for (const device of circle) {
      const graph = device.instance.find(id)?.replica.graph;
      for (const entry of counting.counts)
        if (graph?.has(entry as EntryId) !== true) this.#report(device, `misses ${entry}, which others have`);
    }
    for (const [entry, { device }] of acknowledged)
      if (device !== undefined && circle.includes(device) && !ids.has(entry))
        this.#report(device, `misses ${entry}, which was acknowledged`);
    const honest = new Set(
      peers.flatMap(({ plan, key }) => (plan.role === "mallory" || key === undefined ? [] : [key])),
    );
    this.#judgeVoid(ids, counting, honest);
    const { documents } = this.#scene;
    const { counts } = counting;
    if (documents !== undefined)
      this.#problems.push(
        ...judgeDocuments(this.#scene, documents, { held: [...this.#held.values()], counts, honest }),
      );
    this.#judgeAccepted(ids, honest);
    this.#count(ids, counting, honest);
  }

  /** Whoever was never lowered may have written without a power only because what had given it to him was void. */
  #judgeVoid(ids: ReadonlySet<EntryId>, counting: Counting, honest: ReadonlySet<PublicKey>): void {
    const lowered = new Set<PublicKey>();
    for (const id of counting.effective)
      for (const op of this.#opsOf(id)) if (op.type === "set" && op.power > WRITE) lowered.add(op.key);
    for (const id of ids) {
      const { author } = this.#held.get(id)?.entry ?? {};
      if (author === undefined || counting.counts.has(id) || !honest.has(author) || lowered.has(author)) continue;
      if (this.#opsOf(id).length === 0 && this.#model.power(author, ids) <= WRITE)
        this.#problems.push(`${id} of ${author.slice(0, 6)} is void, and nobody has lowered that`);
    }
  }

  /** What a cheat wrote: others write through the same rule, which refuses it to them. */
  #judgeAccepted(ids: ReadonlySet<EntryId>, honest: ReadonlySet<PublicKey>): void {
    for (const id of ids) {
      const held = this.#held.get(id);
      if (held !== undefined && !honest.has(held.entry.author) && !this.#model.isAcceptable(modelEntryOf(held)))
        this.#problems.push(`${id} was accepted, which nobody may accept`);
    }
  }

  #opsOf(id: string): readonly SettingsOp[] {
    return settingsIn(this.#held.get(id as EntryId)?.parts ?? []);
  }

  /** Whether what can happen did. */
  #count(ids: ReadonlySet<EntryId>, counting: Counting, honest: ReadonlySet<PublicKey>): void {
    const scene = this.#scene;
    const sha256 = this.#devices[0]?.sha256;
    scene.count("void", ids.size - counting.counts.size);
    scene.count("guest served", scene.invariants.readers.guests);
    for (const id of ids) {
      const entry = this.#held.get(id)?.entry;
      if (entry === undefined) continue;
      if (counting.counts.has(id) && scene.invariants.wasVoid(id)) scene.count("revived");
      const redeem = redeemOf(entry);
      if (redeem === undefined || sha256 === undefined) continue;
      if (!isSignedBy(redeem.invite, redeemMessage(scene.id, entry.author), redeem.proof, sha256))
        this.#problems.push(`${id} was accepted with a forged proof`);
      if (counting.effective.has(id)) scene.count(honest.has(entry.author) ? "redeemed" : "redeemed by a cheat");
      else scene.count("redemption void");
    }
    for (const device of scene.circle) {
      const graph = device.instance.find(scene.id)?.replica.graph;
      if ([...honest].some((key) => (graph?.countHeads(key) ?? 0) > 1)) scene.count("fork");
    }
  }

  #outcomeOf(ids: readonly EntryId[]): Outcome {
    const name = [...ids].sort().join();
    const known = this.#outcomes.get(name);
    if (known !== undefined) return known;
    const held = ids.flatMap((id) => this.#held.get(id) ?? []);
    const counting = this.#model.counting(new Set(held.map(({ entry }) => entry.id)));
    const state = this.#emptyState();
    // The wrong way round: any order has to give the same.
    for (const { entry, parts } of [...held].reverse()) if (counting.counts.has(entry.id)) state.merge(parts, entry);
    const effective = held.filter(({ entry }) => counting.effective.has(entry.id));
    const settings = new SettingsView(effective.map(({ entry, parts }) => ({ ...entry, ops: settingsIn(parts) })));
    const outcome = { counting, settings, state };
    this.#outcomes.set(name, outcome);
    return outcome;
  }

  #emptyState(): DatabaseState {
    const [device] = this.#devices;
    assert(device, "a scene has devices");
    return new DatabaseState({ database: this.#scene.id, sha256: device.sha256 });
  }

  #report({ key }: Device, problem: string): void {
    this.#problems.push(`device ${key.slice(0, 6)} ${problem}`);
  }
}

function modelEntryOf({ entry, parts }: HeldEntry): ModelEntry {
  const { id, author, time, stores } = entry;
  return { id, author, time, parents: follows(entry), ops: settingsIn(parts), isMixed: stores.length > 1 };
}

/** What is damaged on one disk is good on another, or void: see `isRotten`. */
function readDisks(devices: readonly Device[], id: DatabaseId): ReadonlyMap<EntryId, HeldEntry> {
  const held = new Map<EntryId, HeldEntry>();
  for (const { disk, sha256 } of devices) {
    const { index, bytes } = disk.databases.get(id) ?? { index: [], bytes: [] };
    for (const [i, { id: entryId }] of index.entries()) {
      const found = bytes[i];
      if (held.has(entryId) || found === undefined || entryIdFromDigest(sha256(found)) !== entryId) continue;
      const entry = decodeEntry(found, sha256);
      const parts = entry.ok ? decodeParts(entry.value) : entry;
      if (entry.ok && parts.ok) held.set(entryId, { entry: entry.value, parts: parts.value });
    }
  }
  return held;
}
