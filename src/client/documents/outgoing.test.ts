import { expect, test } from "vitest";
import { buildChange, type ChangeHash } from "../../core/document/change-bytes.ts";
import { decodeDocPayload } from "../../core/document/doc-payload.ts";
import { action, valueType } from "../../core/document/op.ts";
import { TidemarkError, unwrap } from "../../core/errors.ts";
import { changeOpsMax, changeTailBytesMax, docChangesMax, docOpsMax, docTailsBytesMax } from "../../core/limits.ts";
import { plainSha256 } from "../../crypto/plain-sha256.ts";
import { encodeTail, joinTail, opOf, sleb, uleb } from "../../testing/document-tail.ts";
import { hashOf, Outgoing } from "./outgoing.ts";

const nonce = new Uint8Array(16).fill(7);

/** What waits, and how many changes are in each write that was sent; a write ends when `sends` says so. */
function setUp(send: () => Promise<void> = async () => {}) {
  const sent: number[] = [];
  const refused: unknown[] = [];
  const outgoing = new Outgoing({
    store: "page",
    send: ({ payload }) => {
      const { changes } = unwrap(decodeDocPayload("page", payload));
      // The one before is not named.
      expect(changes.slice(1).every(({ deps }) => deps === undefined)).toBe(true);
      sent.push(changes.length);
      return send();
    },
    refused: (_, error) => void refused.push(error),
    ended: () => {},
  });
  return { outgoing, sent, refused };
}

/** Each follows the one before. */
function chain(tails: readonly Uint8Array[]): readonly Uint8Array[] {
  let deps: readonly ChangeHash[] = [];
  return tails.map((tail, at) => {
    const { hash, bytes } = buildChange({ deps, actor: nonce, seq: at + 1, startOp: 1 + at }, tail, plainSha256);
    deps = [hash];
    return bytes;
  });
}

const small = encodeTail({ time: 0, message: "", others: [], ops: [opOf()] });

/** So many ops alike. Nothing here takes longer to write for more of them. */
function tailOfOps(ops: number): Uint8Array {
  const each = sleb(ops);
  return joinTail({
    columns: [
      [0x15, [...each, 1, 0x78]],
      [0x34, uleb(ops)],
      [0x42, [...each, action.set]],
      [0x56, [...each, valueType.null]],
      [0x70, [...each, 0]],
    ],
  });
}

test("[DOC-61] one write holds as many changes, bytes and operations as a part of an entry may, and not one more", async () => {
  const text = opOf({ valueType: valueType.text, value: new Uint8Array(changeTailBytesMax - 100).fill(0x61) });
  const runs: readonly (readonly [Uint8Array, number])[] = [
    [small, docChangesMax],
    [encodeTail({ time: 0, message: "", others: [], ops: [text] }), docTailsBytesMax / changeTailBytesMax],
    [tailOfOps(changeOpsMax), docOpsMax / changeOpsMax],
  ];
  for (const [tail, count] of runs) {
    const { outgoing, sent } = setUp();
    outgoing.resume(nonce, chain(new Array<Uint8Array>(count + 1).fill(tail)));
    outgoing.flush(true);
    expect(sent).toEqual([count, 1]);
    await outgoing.saved();
  }
});

test("[DOC-43] a change with more in it than a whole entry may have is refused, alone", async () => {
  const { outgoing, sent, refused } = setUp();
  outgoing.resume(nonce, chain([tailOfOps(docOpsMax + 1), small]));
  outgoing.flush(true);
  await expect(outgoing.saved()).rejects.toMatchObject({ code: "ENTRY_TOO_LARGE" });
  expect([sent, refused]).toMatchObject([[1], [{ code: "ENTRY_TOO_LARGE" }]]);
});

test("[DOC-63] while it is held nothing is sent, and what it held is sent as it is written anew", async () => {
  const { outgoing, sent } = setUp();
  expect([outgoing.isBusy, outgoing.isUnderWay]).toEqual([true, true]);
  outgoing.add(chain([small]));
  outgoing.flush(true);
  expect(sent).toEqual([]);
  let isSaved = false;
  const saved = outgoing.saved().then(() => {
    isSaved = true;
  });
  outgoing.resume(nonce, chain([small, small, small]));
  await Promise.resolve();
  expect([isSaved, outgoing.isBusy, outgoing.isUnderWay]).toEqual([false, true, false]);
  outgoing.flush(true);
  await saved;
  expect([sent, outgoing.isBusy, outgoing.isUnderWay]).toEqual([[3], false, false]);
});

interface Ends {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Three writes under way at once, of a change each; what is told in `told` is what those heard who wait for them. */
function underWay() {
  const ends: Ends[] = [];
  const parts = setUp(() => new Promise((resolve, reject) => void ends.push({ resolve, reject })));
  const { outgoing } = parts;
  outgoing.resume(nonce, []);
  const told: string[] = [];
  const steps = ["first", "second", "third"];
  const changes = chain(steps.map(() => small));
  for (const [at, name] of steps.entries()) {
    outgoing.add(changes.slice(at, at + 1));
    outgoing.flush(true);
    outgoing.saved().then(
      () => told.push(name),
      () => told.push(`not ${name}`),
    );
  }
  /** What was told until then. */
  const after = async (act: (first: Ends, second: Ends, third: Ends) => void): Promise<readonly string[]> => {
    act(...(ends as [Ends, Ends, Ends]));
    for (let i = 0; i < 10; i++) await Promise.resolve();
    return [...told];
  };
  return { ...parts, changes, told, after };
}

const tooLarge = new TidemarkError("ENTRY_TOO_LARGE", { got: 2, max: 1 });
const outdated = new TidemarkError("DOC_OUTDATED", { store: "page", reason: "hash" });

test("[DOC-61] `saved` waits for all that is under way, whatever ends first, and rejects for what was refused alone", async () => {
  const { after, sent } = underWay();
  expect(sent).toEqual([1, 1, 1]);
  expect(await after((_, __, third) => third.resolve())).toEqual([]);
  expect(await after((_, second) => second.reject(tooLarge))).toEqual(["not second", "not third"]);
  expect(await after((first) => first.resolve())).toEqual(["not second", "not third", "first"]);
});

test("[DOC-63] what is outdated is waited for until it is written anew, and nothing is written before all has ended", async () => {
  const { after, outgoing, told, changes } = underWay();
  let isHeld = false;
  const held = outgoing.hold().then(() => {
    isHeld = true;
  });
  expect(await after((first) => first.reject(outdated))).toEqual([]);
  expect(await after((_, second) => second.reject(outdated))).toEqual([]);
  expect(isHeld).toBe(false);
  expect(await after((_, __, third) => third.resolve())).toEqual([]);
  await held;
  outgoing.resume(nonce, []);
  expect(await after(() => {})).toEqual(["first", "second", "third"]);
  outgoing.add(changes.slice(0, 1));
  outgoing.fail(tooLarge);
  outgoing.flush();
  expect([outgoing.isBusy, told.length]).toEqual([false, 3]);
});

test("[DOC-63] the last durable change is told, until others are made under another nonce", async () => {
  const { after, outgoing, changes } = underWay();
  expect(outgoing.lastDurable).toBeUndefined();
  await after((first) => first.resolve());
  expect(outgoing.lastDurable).toBe(hashOf(changes[0] as Uint8Array));
  outgoing.resume(nonce, []);
  expect(outgoing.lastDurable).toBeUndefined();
});

test("[DOC-61] who waits for what is given up hears why", async () => {
  const { after, outgoing } = underWay();
  expect(await after(() => outgoing.fail(tooLarge))).toEqual(["not first", "not second", "not third"]);
});
