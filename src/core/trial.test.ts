import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, test } from "vitest";
import { keyOf, rowParts, seal, sealRoot, setPower, settingsParts, startMs, Writer } from "../testing/writers.ts";
import { ticksPerMs } from "./clock.ts";
import type { EntryBody, VouchedEntry } from "./entry.ts";
import type { EntryId } from "./ids.ts";
import { clockAheadMsMax } from "./limits.ts";
import { WRITE } from "./store/power.ts";

const [owner, author] = [keyOf(0), keyOf(1)];
const root = sealRoot(owner, sha256, settingsParts(setPower(author, WRITE)));

function reader(...held: readonly VouchedEntry[]): Writer {
  const writer = new Writer(keyOf(9), root.id, sha256);
  writer.receive([root, ...held]);
  return writer;
}

/** The next entry of the author on top of its own, with changes. */
function next(prev: VouchedEntry | undefined, changes: Partial<EntryBody> = {}): VouchedEntry {
  const body: EntryBody = {
    database: root.id,
    author,
    seq: prev === undefined ? 0 : prev.seq + 1,
    prev: prev?.id,
    parents: prev === undefined ? [root.id] : [],
    height: 1 + (prev?.height ?? root.height),
    time: 1 + (prev?.time ?? root.time),
    stores: rowParts("r"),
    ...changes,
  };
  return seal(body, sha256);
}

const first = next(undefined);
const second = next(first);
const third = next(second);

function isProved(writer: Writer, entries: readonly VouchedEntry[], checked: readonly VouchedEntry[]): boolean {
  const before = writer.fingerprint;
  const ids = new Set<EntryId>(checked.map(({ id }) => id));
  const proved = writer.replica.isProved(entries, (id) => ids.has(id), startMs);
  expect(writer.fingerprint).toBe(before);
  return proved;
}

describe("[REPLICA-8] entries whose own signature was not checked may be taken", () => {
  test("together with the entry that vouches for them", () => {
    expect(isProved(reader(), [first, second, third], [third])).toBe(true);
    expect(isProved(reader(first), [second, third], [third])).toBe(true);
  });

  test("together with the root, when nothing is here yet", () => {
    const empty = new Writer(keyOf(9), root.id, sha256);
    expect(isProved(empty, [root, first, second, third], [root, third])).toBe(true);
    const own = seal({ ...next(undefined), author: owner, seq: 1, prev: root.id, parents: [] }, sha256);
    expect(isProved(empty, [root, own], [own])).toBe(true);
  });

  test("when everything was checked, whatever becomes of it", () => {
    const wrong = next(second, { height: 99 });
    expect(isProved(reader(), [first, second, wrong], [first, second, wrong])).toBe(true);
  });

  test("when they are refused themselves", () => {
    const wrong = next(first, { height: 99 });
    expect(isProved(reader(), [first, wrong, next(wrong)], [first, next(wrong)])).toBe(true);
  });

  test("when what vouches for them waits here for them, and is accepted with them", () => {
    const writer = reader();
    writer.receive([second]);
    expect(isProved(writer, [first], [])).toBe(true);
  });
});

describe("[REPLICA-8] entries whose own signature was not checked are not taken", () => {
  const ahead = (startMs + clockAheadMsMax + 1) * ticksPerMs;
  const removal = ((): VouchedEntry => {
    const admin = new Writer(owner, root.id, sha256);
    admin.receive([root]);
    return admin.write(settingsParts(setPower(author, 999))) as VouchedEntry;
  })();

  test.each<[string, Partial<EntryBody>]>([
    ["its height is wrong", { height: 99 }],
    ["its time is wrong", { time: second.time }],
    ["its payload is bad", { stores: [{ name: "t", type: "table", payload: new Uint8Array() }] }],
    ["it is not permitted", { stores: settingsParts({ type: "name", name: "x" }) }],
    ["it follows the removal of its author", { parents: [removal.id], height: 4, time: removal.time + 10 }],
    ["it misses something", { parents: [next(undefined, { time: 7 }).id] }],
    ["its time has not come", { time: ahead }],
  ])("when what vouches for them is not accepted, because %s", (_why, changes) => {
    const voucher = next(second, changes);
    expect(isProved(reader(removal), [first, second, voucher], [voucher])).toBe(false);
    expect(isProved(reader(removal, first), [second, voucher], [voucher])).toBe(false);
  });

  test("when what vouches for them waits here, and is refused with them", () => {
    const writer = reader();
    writer.receive([next(first, { height: 99 })]);
    expect(isProved(writer, [first], [])).toBe(false);
  });

  test("when they have to wait themselves: they would be released on nobody's word", () => {
    expect(isProved(reader(), [second, third], [third])).toBe(false);
  });
});
