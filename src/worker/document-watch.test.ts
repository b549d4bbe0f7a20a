import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildChange, type ChangeHash } from "../core/document/change-bytes.ts";
import { type DatabaseId, encodeHex } from "../core/ids.ts";
import { docEventBytesMax, docEventChangesMax } from "../core/limits.ts";
import { encodeUtf8 } from "../core/utf8.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import { DocumentWatch, type DocView } from "./document-watch.ts";

interface Change {
  readonly hash: ChangeHash;
  readonly deps: readonly ChangeHash[];
  readonly actor: string;
  readonly bytes: Uint8Array;
}

const sha256 = await loadSha256();
const [me, other] = ["a", "b"];
/** A document as sets have it. */
class ModelDoc implements DocView {
  readonly changes = new Map<ChangeHash, Change>();

  /** Of these each whose deps are there. */
  static of(changes: Iterable<Change>): ModelDoc {
    const doc = new ModelDoc();
    for (const change of changes) if (doc.canApply(change)) doc.changes.set(change.hash, change);
    return doc;
  }

  canApply({ deps }: Change): boolean {
    return deps.every((dep) => this.changes.has(dep));
  }

  heads(): readonly ChangeHash[] {
    const followed = new Set([...this.changes.values()].flatMap(({ deps }) => deps));
    return [...this.changes.keys()].filter((hash) => !followed.has(hash));
  }

  since(heads: readonly ChangeHash[]): readonly ChangeHash[] | undefined {
    if (!heads.every((head) => this.changes.has(head))) return undefined;
    const past = new Set(heads);
    for (const hash of past) for (const dep of this.changes.get(hash)?.deps ?? []) past.add(dep);
    return [...this.changes.keys()].filter((hash) => !past.has(hash));
  }

  bytesOf(hashes: readonly ChangeHash[]): readonly Uint8Array[] {
    return hashes.map((hash) => this.changes.get(hash)?.bytes.slice() ?? new Uint8Array());
  }

  actorOf(hash: ChangeHash): string | undefined {
    return this.changes.get(hash)?.actor;
  }
}

/** A page with its replica, and the document that it watches. */
class Scene {
  doc = new ModelDoc();
  replica = new Map<ChangeHash, Change>();
  /** Written by the page, and neither accepted nor refused; also by replicas that it has thrown away since. */
  inFlight: Change[] = [];
  told: readonly ChangeHash[] = [];
  watch: DocumentWatch;
  /** By the first bytes of their hashes. */
  readonly known = new Map<string, Change>();
  events = 0;
  anew = 0;
  /** What it writes is sent to it as well: until it is opened again. */
  isEchoed = false;
  actor = me;
  #made = 0;

  constructor() {
    this.watch = this.#watch([]);
  }

  #watch(heads: readonly ChangeHash[]): DocumentWatch {
    const watched = { number: 7, database: "d".repeat(64) as DatabaseId, store: "text", actor: this.actor };
    return new DocumentWatch(watched, this.doc, heads);
  }

  make(deps: readonly ChangeHash[], actor: string, bytes = 100): Change {
    this.#made += 1;
    const header = { deps: [...deps].sort(), actor: encodeUtf8(actor), seq: this.#made, startOp: 1 };
    return { ...buildChange(header, new Uint8Array(bytes), sha256), deps, actor };
  }

  accept(change: Change): void {
    this.known.set(change.hash.slice(0, 8), change);
    if (!this.doc.canApply(change)) return;
    this.doc.changes.set(change.hash, change);
    this.watch.note(this.doc, { isAnew: false, added: [change.hash], faults: [] });
  }

  write(): void {
    const followed = new Set([...this.replica.values()].flatMap(({ deps }) => deps));
    const deps = [...this.replica.keys()].filter((hash) => !followed.has(hash));
    const change = this.make(deps, this.actor);
    this.replica.set(change.hash, change);
    this.inFlight.push(change);
  }

  /** What was written first is signed, or refused: then the page begins anew. */
  commit(): void {
    const change = this.inFlight.shift();
    if (change === undefined) return;
    const isOwn = change.actor === this.actor;
    if (isOwn && this.doc.canApply(change)) this.told = [...this.told, change.hash];
    if (this.doc.canApply(change)) this.accept(change);
    else if (isOwn) this.#begin();
  }

  /** As with another leader, or with the next. */
  reopen(): void {
    this.watch = this.#watch(this.told);
    this.isEchoed = false;
  }

  #begin(): void {
    this.#throwAway();
    this.told = [];
    this.reopen();
  }

  /** What is still under way may come all the same: under a nonce that the page does not use any more. */
  #throwAway(): void {
    this.replica.clear();
    this.#made += 1;
    this.actor = `a${this.#made}`;
  }

  /** The state is made anew without what is left out and all that follows it. */
  refold(isOut: (hash: ChangeHash) => boolean): void {
    this.doc = ModelDoc.of([...this.known.values()].filter(({ hash }) => !isOut(hash)));
    this.watch.refresh(this.doc);
  }

  /** The next event, if there is one. */
  take(): boolean {
    if (!this.watch.isDue) return false;
    const { isAnew, bytes, ends, left, heads } = this.watch.take(this.doc);
    this.events += 1;
    expect(ends.length).toBeLessThanOrEqual(docEventChangesMax);
    if (ends.length > 1) expect(bytes.length).toBeLessThanOrEqual(docEventBytesMax);
    expect(bytes.length).toBe(ends.at(-1) ?? 0);
    if (isAnew) {
      this.anew += 1;
      this.isEchoed = true;
      this.#throwAway();
    }
    for (const [i, end] of ends.entries()) this.#apply(bytes.subarray(ends[i - 1] ?? 0, end));
    this.told = heads as readonly ChangeHash[];
    if (left === 0) {
      expect(heads).toEqual(this.doc.heads());
      this.expectSame();
    }
    return true;
  }

  #apply(bytes: Uint8Array): void {
    // The checksum tells which.
    const change = this.known.get(encodeHex(bytes.subarray(4, 8))) as Change;
    expect(bytes.length).toBe(change.bytes.length);
    for (const dep of change.deps) expect(this.replica.has(dep)).toBe(true);
    if (!this.isEchoed) expect(this.replica.has(change.hash), "nothing twice, and nothing of its own").toBe(false);
    this.replica.set(change.hash, change);
  }

  expectSame(): void {
    const own = new Set(this.inFlight.map(({ hash }) => hash));
    const has = [...this.replica.keys()].filter((hash) => !own.has(hash));
    expect(new Set(has)).toEqual(new Set(this.doc.changes.keys()));
  }
}

type Step = (scene: Scene) => void;

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.nat().map(
    (n): Step =>
      (scene) => {
        const heads = scene.doc.heads();
        const deps = n % 3 === 0 ? heads.slice(0, 1) : heads;
        scene.accept(scene.make(deps, other, n % 20 === 0 ? docEventBytesMax / 2 : 100));
      },
  ),
  fc.constant<Step>((scene) => scene.write()),
  fc.constant<Step>((scene) => scene.commit()),
  fc.constant<Step>((scene) => void scene.take()),
  fc.constant<Step>((scene) => scene.reopen()),
  fc.tuple(fc.nat(6), fc.nat()).map(
    ([modulo, n]): Step =>
      (scene) => {
        scene.refold((hash) => modulo > 0 && Number.parseInt(hash.slice(0, 6), 16) % (modulo * 2) === n % (modulo * 2));
      },
  ),
);

describe("a page that watches a document", () => {
  test("[DOC-30] [DOC-31] [DOC-32] has what counts and what it has not sent, whatever happens in between", () => {
    let [anew, events] = [0, 0];
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: "max" }), (steps) => {
        const scene = new Scene();
        for (const run of steps) run(scene);
        while (scene.take());
        scene.expectSame();
        anew += scene.anew;
        events += scene.events;
      }),
      { numRuns: 200, seed: 30 },
    );
    expect(anew).toBeGreaterThan(100);
    expect(events).toBeGreaterThan(anew * 5);
  });

  test("[DOC-30] is sent much in pieces of 2,000 changes or 1 MiB, and a larger one by itself", () => {
    const scene = new Scene();
    const sizes = [...Array.from({ length: 4_100 }, () => 1), docEventBytesMax / 2, docEventBytesMax / 2, 5];
    let deps: readonly ChangeHash[] = [];
    for (const size of [...sizes, docEventBytesMax + 5, 7]) {
      const change = scene.make(deps, other, size);
      scene.accept(change);
      deps = [change.hash];
    }
    const pieces: (readonly [number, number])[] = [];
    while (scene.watch.isDue) {
      const { ends, left, heads } = scene.watch.take(scene.doc);
      pieces.push([ends.length, left]);
      expect(heads).toHaveLength(1);
    }
    // Each change is 100 bytes longer than its tail.
    expect(pieces).toEqual([
      [2_000, 2_105],
      [2_000, 105],
      [101, 4],
      [2, 2],
      [1, 1],
      [1, 0],
    ]);
  });

  test("[DOC-30] is told once that it has everything, and nothing when nothing came", () => {
    const scene = new Scene();
    scene.refold(() => false);
    expect([scene.take(), scene.take()]).toEqual([true, false]);
    scene.watch.note(scene.doc, { isAnew: false, added: [], faults: [] });
    scene.refold(() => false);
    expect(scene.take()).toBe(false);
    scene.accept(scene.make([], other));
    scene.accept(scene.make([], other));
    expect([scene.take(), scene.take(), scene.events]).toEqual([true, false, 2]);
  });

  test("[DOC-32] that has written something void is sent everything anew, and once, for it throws that replica away", () => {
    const watch = new DocumentWatch({ number: 1, database: "d" as DatabaseId, store: "s", actor: me }, undefined, []);
    watch.take(undefined);
    watch.hasVoid(undefined);
    expect([watch.isDue, watch.take(undefined).isAnew]).toEqual([true, true]);
    watch.hasVoid(undefined);
    expect([watch.isDue, watch.take(undefined).isAnew]).toEqual([false, false]);
  });

  test("[DOC-32] begins anew when something that was applied is so no longer", () => {
    const scene = new Scene();
    const [first, second] = [scene.make([], other), scene.make([], me)];
    for (const change of [first, second]) scene.accept(change);
    scene.watch.take(scene.doc);
    scene.doc = ModelDoc.of([second]);
    scene.watch.note(scene.doc, { isAnew: true, added: [], faults: [] });
    const event = scene.watch.take(scene.doc);
    expect([event.isAnew, event.ends.length, event.heads]).toEqual([true, 1, [second.hash]]);
  });
});
