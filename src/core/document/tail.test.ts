import fc from "fast-check";
import { expect, test } from "vitest";
import { applyDamage, arbitraryDamage } from "../../testing/arbitrary.ts";
import { arbitraryTail } from "../../testing/arbitrary-tail.ts";
import {
  type Column,
  columnsOf,
  encodeTail,
  joinTail,
  markOps,
  measured,
  opOf,
  plainOp,
  sleb,
  type TailParts,
  tailOfMany,
  tailOfText,
  uleb,
} from "../../testing/document-tail.ts";
import { unwrap } from "../errors.ts";
import {
  actorBytesMax,
  actorBytesMin,
  changeActorsMax,
  changeMessageBytesMax,
  changeOpsMax,
  changePredsMax,
  changeTailBytesMax,
  docTimeMsMax,
  opCounterMax,
} from "../limits.ts";
import { action, type Op, type OpId, valueType } from "./op.ts";
import { countOps, decodeTail } from "./tail.ts";

/** What is refused about a tail; "" when it is taken. */
function refusal(bytes: Uint8Array): string {
  const tail = decodeTail("board", bytes);
  if (tail.ok) return "";
  const { code, details } = tail.failure;
  expect({ code, store: "store" in details && details.store }).toEqual({ code: "ENTRY_PAYLOAD", store: "board" });
  return "got" in details ? String(details.got) : "";
}

const one: OpId = { counter: 1, actor: 0 };

/** A tail of these ops and actors, but for the parts that are given. */
function tailOf(ops: readonly Op[], parts: Partial<TailParts> = {}): Uint8Array {
  return joinTail({ columns: columnsOf(ops), ...parts });
}

test("[DOC-2] [DOC-3] every tail of the right form is read as what was written, and its ops are counted", () => {
  fc.assert(
    fc.property(arbitraryTail, (tail) => {
      const bytes = encodeTail(tail);
      expect(unwrap(decodeTail("board", bytes))).toEqual(tail);
      expect(countOps(bytes)).toBe(tail.ops.length);
    }),
    { numRuns: 500 },
  );
});

test("[DOC-2] a damaged tail is refused, or gives the same bytes when it is encoded again", () => {
  let taken = 0;
  fc.assert(
    fc.property(arbitraryTail, arbitraryDamage(), (tail, damages) => {
      const bytes = applyDamage(encodeTail(tail), damages);
      const got = decodeTail("board", bytes);
      expect(got.ok ? "ENTRY_PAYLOAD" : got.failure.code).toBe("ENTRY_PAYLOAD");
      if (!got.ok) return;
      taken++;
      expect(encodeTail(got.value)).toEqual(bytes);
      expect(countOps(bytes)).toBe(got.value.ops.length);
    }),
    { numRuns: 1_000 },
  );
  expect(taken).toBeGreaterThan(20);
});

/** Short, and mostly lengths of runs and literals. */
const anyColumn: fc.Arbitrary<readonly number[]> = fc.array(
  fc.oneof(fc.constantFrom(0, 1, 2, 3, 0x7e, 0x7f), fc.nat(255)),
  { maxLength: 6 },
);

test("[DOC-2] [DOC-4] a tail with another column put in is refused, or gives the same bytes when it is encoded again", () => {
  let taken = 0;
  fc.assert(
    fc.property(arbitraryTail, fc.nat(13), anyColumn, (tail, at, bytes) => {
      const columns = columnsOf(tail.ops).map((column, i): Column => (i === at ? [column[0], bytes] : column));
      const damaged = joinTail({ time: tail.time, others: tail.others, columns });
      const got = decodeTail("board", damaged);
      if (!got.ok) return;
      taken++;
      expect(encodeTail(got.value)).toEqual(damaged);
    }),
    { numRuns: 1_000 },
  );
  expect(taken).toBeGreaterThan(20);
});

const actorsOf = (count: number, length = 16): readonly Uint8Array[] =>
  Array.from({ length: count }, (_, i) =>
    new Uint8Array(length).fill(9).map((byte, at) => (at < 2 ? i >> (8 - 8 * at) : byte)),
  );

/** An op that names so many others. */
const naming = (count: number): Op =>
  opOf({ preds: Array.from({ length: count }, (_, i) => ({ counter: 1 + i, actor: 1 + i })) });

/** At a limit, and beyond it. */
test.each<[string, Uint8Array, Uint8Array]>([
  [
    "a message",
    tailOf([], { message: text(changeMessageBytesMax) }),
    tailOf([], { message: text(changeMessageBytesMax + 1) }),
  ],
  ["a tail", ofLength(changeTailBytesMax), ofLength(changeTailBytesMax + 1)],
  ["others", ofOthers(actorsOf(changeActorsMax)), ofOthers(actorsOf(changeActorsMax + 1))],
  ["a long actor", ofOthers(actorsOf(1, actorBytesMax)), ofOthers(actorsOf(1, actorBytesMax + 1))],
  ["a short actor", ofOthers(actorsOf(1, actorBytesMin)), ofOthers(actorsOf(1, actorBytesMin - 1))],
  ["the counter of an object", ofObj(opCounterMax), ofObj(opCounterMax + 1)],
  ["the counter of an element", ofElement(opCounterMax), ofElement(opCounterMax + 1)],
  ["the counter of a pred", ofPred(opCounterMax), ofPred(opCounterMax + 1)],
  ["the time of the change", tailOf([], { time: Number.MAX_SAFE_INTEGER }), tailOf([], { time: 2n ** 53n })],
  ["a time", ofValue(valueType.time, sleb(docTimeMsMax)), ofValue(valueType.time, sleb(docTimeMsMax + 1))],
  [
    "a time before 1970",
    ofValue(valueType.time, sleb(-docTimeMsMax)),
    ofValue(valueType.time, sleb(-docTimeMsMax - 1)),
  ],
  ["an integer", ofValue(valueType.int, sleb(2n ** 53n - 1n)), ofValue(valueType.int, sleb(2n ** 53n))],
  ["a negative integer", ofValue(valueType.int, sleb(1n - 2n ** 53n)), ofValue(valueType.int, sleb(-(2n ** 53n)))],
  ["an unsigned integer", ofValue(valueType.uint, uleb(2n ** 53n - 1n)), ofValue(valueType.uint, uleb(2n ** 53n))],
  ["a counter", ofValue(valueType.counter, sleb(2 ** 52)), ofValue(valueType.counter, sleb(2 ** 52 + 1))],
  ["a counter below 0", ofValue(valueType.counter, sleb(-(2 ** 52))), ofValue(valueType.counter, sleb(-(2 ** 52) - 1))],
  ["an increment", ofStep(2 ** 26), ofStep(2 ** 26 + 1)],
  ["a decrement", ofStep(-(2 ** 26)), ofStep(-(2 ** 26) - 1)],
])("[DOC-2] [DOC-3] [DOC-5] [DOC-40] %s may be as large as its limit says and no larger", (_, at, beyond) => {
  expect(refusal(at)).toBe("");
  expect(refusal(beyond)).not.toBe("");
});

function text(length: number): Uint8Array {
  return new Uint8Array(length).fill(0x61);
}

function ofValue(type: number, value: Iterable<number>): Uint8Array {
  return tailOf([opOf({ valueType: type, value: Uint8Array.from(value) })]);
}

/** A tail of so many bytes, nearly all of which are one text. */
function ofLength(length: number): Uint8Array {
  const near = length - 100;
  return tailOfText(length - (tailOfText(near).length - near));
}

function ofOthers(others: readonly Uint8Array[]): Uint8Array {
  return tailOf([naming(others.length)], { others });
}

/** An increment by 1, as a value of this type. */
function stepOf(type: number): Op {
  return opOf({ action: action.increment, valueType: type, value: Uint8Array.of(1), preds: [one] });
}

function ofStep(by: number): Uint8Array {
  const value = Uint8Array.from(sleb(by));
  return tailOf([opOf({ action: action.increment, valueType: valueType.int, value, preds: [one] })]);
}

function ofObj(counter: number): Uint8Array {
  return tailOf([opOf({ obj: { counter, actor: 0 } })]);
}

function ofElement(counter: number): Uint8Array {
  return tailOf([opOf({ obj: one, key: { counter, actor: 0 } })]);
}

function ofPred(counter: number): Uint8Array {
  return tailOf([opOf({ preds: [{ counter, actor: 0 }] })]);
}

test("[DOC-9] as many ops and preds are taken as may be, and not one more", () => {
  expect(unwrap(decodeTail("board", tailOfMany(changeOpsMax))).ops).toHaveLength(changeOpsMax);
  expect(refusal(tailOfMany(changeOpsMax + 1))).toBe(`${changeOpsMax + 1} ops`);
  expect(refusal(tailOfMany(2, changePredsMax / 2))).toBe("");
  expect(refusal(tailOfMany(2, changePredsMax / 2 + 1))).toBe(`${changePredsMax + 2} preds`);
});

test.each([1e6, 1e8, 1e12, Number.MAX_SAFE_INTEGER])(
  "[DOC-9] less than 100 bytes that claim %d ops are refused",
  (ops) => {
    const bomb = tailOfMany(ops);
    expect(bomb.length).toBeLessThan(100);
    expect(refusal(bomb)).toBe(`${ops} ops`);
    expect(refusal(tailOfMany(2, Math.floor(ops / 2)))).toMatch(/ preds$/);
  },
);

test.each([0x01, 0x02, 0x11, 0x13, 0x15, 0x34, 0x56, 0x70, 0x71, 0x73, 0x94, 0xa5])(
  "[DOC-9] column %i that claims 2^50 values for one op is refused",
  (name) => {
    const claim = name === 0x34 || name === 0x94 ? [0, ...uleb(2 ** 50)] : [...sleb(2 ** 50), 0];
    const nulls = name === 0x34 || name === 0x94 ? uleb(2 ** 50) : [0, ...uleb(2 ** 50)];
    const others = columnsOf([opOf()]).filter(([column]) => column !== name);
    for (const bytes of [claim, nulls]) {
      const columns = [...others, [name, bytes] as const].sort(([a], [b]) => a - b);
      expect(refusal(joinTail({ columns }))).not.toBe("");
    }
  },
);

/** Of one op that sets a key. */
const plain = columnsOf([opOf()]);

/** The columns of that op with one put in the place of another, or where it belongs. */
function withColumn(name: number, bytes: readonly number[]): Uint8Array {
  const others = plain.filter(([column]) => column !== name);
  return joinTail({ columns: [...others, [name, bytes] as const].sort(([a], [b]) => a - b) });
}

/** The same for several; those without bytes are left out. */
function withColumns(...columns: readonly Column[]): Uint8Array {
  const all = new Map([...plain, ...columns]);
  return joinTail({ columns: [...all].filter(([, bytes]) => bytes.length > 0).sort(([a], [b]) => a - b) });
}

/** As above, and the columns in the order given. */
function ofColumns(...columns: readonly Column[]): Uint8Array {
  return joinTail({ columns });
}

test.each<[string, Uint8Array, string]>([
  ["a column that nobody knows", withColumn(0xf2, [0x7f, 1]), "column 242"],
  [
    "a compressed column",
    ofColumns(...plain.map(([name, bytes]): Column => [name === 0x42 ? 0x4a : name, bytes])),
    "column 74",
  ],
  ["a column twice", ofColumns(...plain.slice(0, 1), ...plain), "column 21"],
  ["columns out of order", ofColumns(...plain.toReversed()), "column"],
  ["a column without bytes", withColumn(0xa5, []), "column 165 without bytes"],
  ["a column of nulls", withColumn(0xa5, [0, 1]), "a column of nulls"],
  ["a column of falses", withColumn(0x94, [1]), "a column of falses"],
  [
    "a column that is too short",
    ofColumns(...columnsOf([opOf()]).map(([name, bytes]): Column => (name === 0x42 ? [name, [3, 1]] : [name, bytes]))),
    "end early",
  ],
  ["a column that is too long", withColumn(0x15, [2, 1, 0x78]), "goes on"],
  ["no column of inserts", ofColumns(...plain.filter(([name]) => name !== 0x34)), "end early"],
  ["no column of values", ofColumns(...plain.filter(([name]) => name !== 0x56)), "a null"],
  ["no column of preds", ofColumns(...plain.filter(([name]) => name !== 0x70)), "a null"],
  ["a column of values for two ops", withColumns([0x56, [2, 0]], [0x57, []]), "goes on"],
  ["a text that reads on into the next column", withColumn(0x15, [0x7f, 2, 0x78]), "end early"],
  ["a run of one", withColumn(0x42, [1, 1]), "a run of one"],
  ["bytes behind the columns", tailOf([opOf()], { rest: [1, 2, 3] }), "bytes behind"],
  ["values of no op", withColumn(0x57, [0x76, 0x77]), "values of no op"],
  ["columns of a change of nothing", ofColumns([0x34, [0]]), "end early"],
  ["nulls among the actions", withColumn(0x42, [0x7f, 1, 0, ...uleb(2 ** 40)]), "nulls"],
])("[DOC-4] %s: refused", (_, bytes, reason) => {
  expect(refusal(bytes)).toContain(reason);
});

test.each<[string, Uint8Array, string]>([
  ["an object by its actor alone", withColumn(0x01, [0x7f, 0]), "half a name"],
  ["an object by its counter alone", withColumn(0x02, [0x7f, 1]), "half a name"],
  ["an object by the counter 0", withColumns([0x01, [0x7f, 0]], [0x02, [0x7f, 0]]), "counter 0"],
  ["a key, and an actor of an element", withColumn(0x11, [0x7f, 0]), "two keys"],
  ["a key, and a counter of an element", withColumn(0x13, [0x7f, 1]), "two keys"],
  ["no key", withColumns([0x15, []]), "half a name"],
  ["an element by its actor alone", withColumns([0x15, []], [0x11, [0x7f, 0]]), "half a name"],
  ["an element by its counter alone", withColumns([0x15, []], [0x13, [0x7f, 1]]), "half a name"],
  ["a head that has an actor", withColumns([0x15, []], [0x11, [0x7f, 0]], [0x13, [0x7f, 0]]), "counter 0"],
  ["a pred by its actor alone", withColumns([0x70, [0x7f, 1]], [0x71, [0x7f, 0]]), "half a name"],
  ["a pred by its counter alone", withColumns([0x70, [0x7f, 1]], [0x73, [0x7f, 1]]), "half a name"],
  ["a pred by the counter 0", withColumns([0x70, [0x7f, 1]], [0x71, [0x7f, 0]], [0x73, [0x7f, 0]]), "counter 0"],
])("[DOC-4] %s: refused", (_, bytes, reason) => {
  expect(refusal(bytes)).toBe(reason);
});

test.each<[string, readonly Uint8Array[], readonly OpId[], string]>([
  ["none that is named", actorsOf(1), [{ counter: 1, actor: 1 }], ""],
  ["one that no op names", actorsOf(1), [], "an actor that no op names"],
  ["one of two that no op names", actorsOf(2), [{ counter: 1, actor: 2 }], "an actor that no op names"],
  ["two out of order", [...actorsOf(2)].reverse(), naming(2).preds, "actors out of order"],
  ["one twice", [...actorsOf(1), ...actorsOf(1)], naming(2).preds, "actors out of order"],
  ["fewer than ops name", actorsOf(1), naming(2).preds, "actor 2"],
  ["three thousand", actorsOf(3_000), [], "3000"],
])("[DOC-3] others, %s: taken or refused", (_, others, preds, reason) => {
  expect(refusal(tailOf([opOf({ preds })], { others }))).toBe(reason);
});

test("[DOC-3] an actor counts as named by an object, an element or a pred", () => {
  const id = { counter: 1, actor: 1 };
  const objects = [opOf({ obj: one }), opOf({ obj: id }), opOf({ obj: one })];
  expect(refusal(tailOf(objects, { others: actorsOf(1) }))).toBe("");
  for (const parts of [{ obj: id }, { key: id }, { key: id, insert: true }, { preds: [id] }])
    expect(refusal(tailOf([opOf(parts)], { others: actorsOf(1) }))).toBe("");
});

test.each<[string, number, Iterable<number>]>([
  ["a null with a byte", valueType.null, [0]],
  ["a false with a byte", valueType.false, [0]],
  ["a true with a byte", valueType.true, [1]],
  ["an integer of no bytes", valueType.int, []],
  ["an integer that ends early", valueType.int, [0x80]],
  ["an integer with a byte behind it", valueType.int, [1, 1]],
  ["an integer in a longer form", valueType.int, [0x81, 0]],
  ["a negative integer in a longer form", valueType.int, [0xff, 0x7f]],
  ["an unsigned integer in a longer form", valueType.uint, [0x80, 0x80, 0]],
  ["an unsigned integer with a byte for its sign", valueType.uint, [0xc0, 0]],
  ["an unsigned integer of 2^64", valueType.uint, uleb(2n ** 64n)],
  ["a float of no bytes", valueType.float, []],
  ["a float of 3 bytes", valueType.float, [1, 2, 3]],
  ["a float of 9 bytes", valueType.float, new Uint8Array(9)],
  ["a text that is not UTF-8", valueType.text, [0x61, 0xff, 0xfe]],
  ["a text that begins within a character", valueType.text, [0x80]],
  ["half a character", valueType.text, [0xf0, 0x9f, 0x99]],
  ["half a surrogate pair", valueType.text, [0xed, 0xa0, 0x80]],
  ["a counter of no bytes", valueType.counter, []],
  ["a time of no bytes", valueType.time, []],
  ["a value of an unknown type", 10, [1]],
  ["an empty value of an unknown type", 15, []],
])("[DOC-5] %s: refused", (_, type, value) => {
  expect(refusal(ofValue(type, value))).not.toBe("");
});

test("[DOC-5] nulls, booleans, texts and bytes may be empty", () => {
  for (const type of [valueType.null, valueType.false, valueType.true, valueType.text, valueType.bytes])
    expect(refusal(ofValue(type, []))).toBe("");
});

test("[DOC-5] an integer may not read on into the value behind it", () => {
  const ops = [
    opOf({ valueType: valueType.int, value: Uint8Array.of(0x80) }),
    opOf({ valueType: valueType.int, value: Uint8Array.of(1) }),
  ];
  expect(refusal(tailOf(ops))).toBe("an integer of another length");
});

test("[DOC-5] texts that are not UTF-8 are refused wherever they stand", () => {
  const broken = [0x7f, ...measured([0xc3])];
  expect(refusal(withColumn(0x15, broken))).toBe("text that is not UTF-8");
  expect(refusal(withColumn(0xa5, broken))).toBe("text that is not UTF-8");
  expect(refusal(tailOf([], { message: Uint8Array.of(0xc3) }))).toBe("text that is not UTF-8");
});

const [list, element] = [
  { counter: 2, actor: 0 },
  { counter: 3, actor: 0 },
];
const [begin, end] = markOps(list, undefined, element) as [Op, Op];
const insert = opOf({ obj: list, key: element, insert: true });
const noBytes = new Uint8Array(0);

test.each<[string, readonly Op[], string]>([
  ["the key __proto__", [opOf({ key: "__proto__" })], "the name __proto__"],
  ["an object at __proto__", [plainOp(action.makeMap, { key: "__proto__" })], "the name __proto__"],
  ["a mark called __proto__", [{ ...begin, mark: "__proto__" }, end], "the name __proto__"],
])("[DOC-5] %s: refused", (_, ops, reason) => {
  expect(refusal(tailOf(ops))).toBe(reason);
});

test.each<[string, readonly Op[], string]>([
  ["an insert with a key", [opOf({ insert: true })], "an insert with a key"],
  ["an insert that replaces", [{ ...insert, preds: [element] }], "an insert that replaces"],
  ["an insert that deletes", [{ ...insert, action: action.delete }], "an insert of no value"],
  ["an insert that increments", [{ ...insert, action: action.increment }], "an insert of no value"],
  ["the head of a sequence set", [opOf({ obj: list, key: undefined })], "the head of a sequence altered"],
  ["a delete of nothing", [plainOp(action.delete)], "a delete of nothing"],
  ["a delete with a value", [opOf({ action: action.delete, preds: [one] })], "a value with an action that has none"],
  [
    "a delete with the value false",
    [plainOp(action.delete, { valueType: valueType.false, preds: [one] })],
    "a value with an action that has none",
  ],
  ["a map with a value", [opOf({ action: action.makeMap })], "a value with an action that has none"],
  ["a list with a value", [opOf({ action: action.makeList })], "a value with an action that has none"],
  ["a text with a value", [opOf({ action: action.makeText })], "a value with an action that has none"],
  [
    "an increment of nothing",
    [opOf({ action: action.increment, valueType: valueType.int, value: Uint8Array.of(1) })],
    "an increment of nothing",
  ],
  ["an increment by a text", [opOf({ action: action.increment, preds: [one] })], "an increment by"],
  ["an increment by an unsigned integer", [stepOf(valueType.uint)], "an increment by a value of type 3"],
  ["an increment by a counter", [stepOf(valueType.counter)], "an increment by a value of type 8"],
  ["a table", [plainOp(6)], "action 6"],
  ["an action that nobody knows", [plainOp(8)], "action 8"],
  ["a huge action", [plainOp(2 ** 40)], `action ${2 ** 40}`],
  ["preds out of order", [opOf({ preds: [list, one] })], "preds out of order"],
  ["a pred twice", [opOf({ preds: [one, one] })], "preds out of order"],
  ["a name on a set", [opOf({ mark: "bold" })], "a mark's name elsewhere"],
  ["a set that expands", [opOf({ expand: true })], "a mark's name elsewhere"],
  ["a mark in a map", [plainOp(action.mark, { mark: "bold" })], "a mark that is not inserted"],
  ["a mark that is not inserted", [{ ...begin, insert: false, key: element }, end], "a mark that is not inserted"],
  ["a mark that replaces", [{ ...begin, preds: [element] }, end], "an insert that replaces"],
  ["a beginning alone", [begin], "half a mark"],
  ["an end alone", [end], "half a mark"],
  ["an op between beginning and end", [begin, insert, end], "half a mark"],
  ["a mark within a mark", [begin, begin, end, end], "half a mark"],
  ["an end in another object", [begin, { ...end, obj: one }], "a mark that ends elsewhere"],
  ["an end behind the element of its beginning", [{ ...begin, key: element }, end], "a mark that ends elsewhere"],
  [
    "an end at the head",
    [
      { ...begin, key: element },
      { ...end, key: undefined },
    ],
    "a mark that ends elsewhere",
  ],
  ["an end at the head as its beginning", [begin, { ...end, key: undefined }], "a mark that ends elsewhere"],
  ["an end with a value", [begin, { ...end, valueType: valueType.true, value: noBytes }], "a value with an action"],
])("[DOC-6] %s: refused", (_, ops, reason) => {
  expect(refusal(tailOf(ops))).toContain(reason);
});

test("[DOC-6] preds of one counter ascend by actor, among which the change's own may stand anywhere", () => {
  const preds = (...actors: readonly number[]) =>
    refusal(tailOf([opOf({ preds: actors.map((actor) => ({ counter: 1, actor })) })], { others: actorsOf(2) }));
  expect(preds(1, 2)).toBe("");
  for (const order of [
    [2, 1],
    [1, 1],
    [2, 0, 1],
    [0, 1, 0],
    [0, 0],
  ])
    expect(preds(...order)).toBe("preds out of order");
  for (const order of [
    [0, 1, 2],
    [1, 0, 2],
    [1, 2, 0],
  ])
    expect(preds(...order)).toBe("");
  const next = [list, { counter: 5, actor: 2 }, { counter: 6, actor: 1 }, { counter: 7, actor: 0 }];
  expect(refusal(tailOf([opOf({ preds: next })], { others: actorsOf(2) }))).toBe("");
});

test("[DOC-6] a mark begins and ends behind any two elements that are not the same", () => {
  const ends: readonly (readonly [OpId, string])[] = [
    [{ counter: 3, actor: 1 }, ""],
    [{ counter: 4, actor: 0 }, ""],
    [{ counter: 3, actor: 0 }, "a mark that ends elsewhere"],
  ];
  for (const [to, reason] of ends) {
    const naming = opOf({ preds: [{ counter: 1, actor: 1 }] });
    expect(refusal(tailOf([naming, ...markOps(list, element, to)], { others: actorsOf(1) }))).toBe(reason);
  }
});

test("[DOC-6] a mark is two ops, either of which may expand", () => {
  for (const parts of [{}, { expand: true }]) {
    expect(refusal(tailOf([{ ...begin, ...parts }, end]))).toBe("");
    expect(refusal(tailOf([begin, { ...end, ...parts }]))).toBe("");
  }
});
