import { next as A } from "@automerge/automerge";
import { type AutomergeUrl, type DocHandle, Repo, type StorageAdapterInterface } from "@automerge/automerge-repo";
import { IndexedDBStorageAdapter } from "@automerge/automerge-repo-storage-indexeddb";
import * as idbDouble from "fake-indexeddb";
import { afterAll, describe, expect, test } from "vitest";
import { damageDocument } from "../testing/damaged-document.ts";
import { installIdbDouble } from "../testing/idb-double.ts";
import { listValues, putValue } from "../testing/raw-values.ts";
import { type DamagedValue, TidemarkStorageAdapter } from "./storage-adapter.ts";

afterAll(installIdbDouble(idbDouble));

interface Text {
  readonly [line: string]: string;
}

/** Nothing is saved but by `flush`. */
const never = 2 ** 30;

/** Whom a `Repo` may keep its documents with. */
interface Kept {
  readonly database: string;
  readonly store: string;
  open(): StorageAdapterInterface;
}

const damaged: DamagedValue[] = [];

function stock(database: string): Kept {
  return { database, store: "documents", open: () => new IndexedDBStorageAdapter(database) };
}

function ours(database: string): Kept {
  const onDamaged = (value: DamagedValue): void => void damaged.push(value);
  return { database, store: "values", open: () => new TidemarkStorageAdapter({ database, onDamaged }) };
}

function openRepo(kept: Kept): Repo {
  return new Repo({ storage: kept.open(), saveDebounceRate: never });
}

/** Text that does not get smaller when it is stored. */
function noise(length: number): string {
  let state = 1;
  return Array.from({ length }, () => {
    state = Math.imul(state, 1_103_515_245) + 12_345;
    return String.fromCharCode(33 + ((state >>> 16) % 90));
  }).join("");
}

/** A snapshot and three pieces after it; what a peer got of it that was there until the first of the three. */
async function write(kept: Kept): Promise<{ readonly url: AutomergeUrl; readonly peer: A.Doc<Text> }> {
  const repo = openRepo(kept);
  const handle = repo.create<Text>({ large: noise(4_000) });
  await repo.flush();
  let peer = A.clone(handle.doc());
  for (const line of ["one", "two", "three"]) {
    handle.change((doc) => Object.assign(doc, { [line]: line }));
    await repo.flush();
    if (line === "one") peer = A.clone(handle.doc());
  }
  return { url: handle.url, peer };
}

/** One byte of the first piece after the snapshot. */
async function flip({ database, store }: Kept): Promise<void> {
  for (const { id, value } of await listValues(database, store)) {
    const { key, data, binary } = value as {
      readonly key: string[];
      readonly data?: Uint8Array;
      readonly binary?: Uint8Array;
    };
    const bytes = data ?? binary;
    if (bytes === undefined || !key.includes("incremental")) continue;
    bytes[bytes.length - 3] = (bytes.at(-3) as number) ^ 1;
    return await putValue(database, store, { id, value });
  }
  throw new Error("nothing to damage");
}

function lines(handle: DocHandle<Text>): readonly string[] {
  return ["one", "two", "three", "later"].filter((line) => handle.doc()[line] !== undefined);
}

/** Until everything that was loaded was put together, and removed. */
async function compact(repo: Repo, handle: DocHandle<Text>): Promise<void> {
  let isCompacted = false;
  repo.on("doc-metrics", ({ type }) => {
    isCompacted ||= type === "doc-compacted";
  });
  for (let i = 0; i < 5 && !isCompacted; i++) {
    handle.change((doc) => Object.assign(doc, { later: noise(3_000) + i }));
    await repo.flush();
  }
  expect(isCompacted).toBe(true);
}

/** What is there at once, and after compaction, a restart, and a meeting with the peer. */
async function live(kept: Kept): Promise<readonly (readonly string[])[]> {
  const { url, peer } = await write(kept);
  await flip(kept);
  const repo = openRepo(kept);
  const handle = await repo.find<Text>(url);
  const atOnce = lines(handle);
  await compact(repo, handle);
  const again = await openRepo(kept).find<Text>(url);
  const restarted = lines(again);
  again.update((doc) => A.merge(doc, A.clone(peer)));
  return [atOnce, restarted, lines(again)];
}

describe("one flipped byte in the first of three stored pieces", () => {
  test("automerge-repo's own storage loses all three without an error, and the sound ones for good", async () => {
    expect(await live(stock("stock"))).toEqual([[], ["later"], ["one", "later"]]);
  });

  test("[DOC-42] a document of Tidemark, to which the same is done, shows what is sound, and all of it having met a peer", async () => {
    const all = ["one", "two", "three", "later"];
    const { atOnce, restarted, healed } = await damageDocument("tidemark", { apart: false });
    expect([atOnce, restarted, ...healed].map(({ lines }) => lines)).toEqual([[], ["later"], all, all]);
  });

  test("[REPO-4] compaction takes nothing away that was sound: what stands on the damaged piece is back with it", async () => {
    damaged.length = 0;
    const all = ["one", "two", "three", "later"];
    expect(await live(ours("ours"))).toEqual([[], ["later"], all]);
    expect(damaged.map(({ key }) => key?.[1])).toEqual(["incremental", "incremental"]);
  });

  test.each([
    ["automerge-repo's own storage", stock("stock-beside"), []],
    ["[REPO-2] ours", ours("ours-beside"), ["two", "three"]],
  ])("what does not stand on it, with %s", async (_, kept, expected) => {
    const repo = openRepo(kept);
    const handle = repo.create<Text>({ large: noise(4_000) });
    await repo.flush();
    const before = handle.doc();
    for (const line of ["one", "two", "three"]) {
      const other = A.change(A.clone(before), (doc) => Object.assign(doc, { [line]: line }));
      handle.update((doc) => A.merge(doc, other));
      await repo.flush();
    }
    await flip(kept);
    expect(lines(await openRepo(kept).find<Text>(handle.url))).toEqual(expected);
  });
});
