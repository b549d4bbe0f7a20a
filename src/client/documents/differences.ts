/**
 * What is different between two values of a document, found by looking at both: in the words of Automerge (patches.ts), but without its knowledge of what
 * became what.
 */
import { equalBytes } from "../../core/bytes.ts";
import type { DocPatch, DocPath } from "./patches.ts";

/** A place, as the way back to the root: a path of its own for each would be as long as the document is deep. */
interface Place {
  readonly parent: Place | undefined;
  readonly key: string | number;
}

interface Pair {
  readonly place: Place | undefined;
  readonly shown: unknown;
  readonly real: unknown;
}

type Plain = Readonly<Record<string, unknown>>;

/** What is to be done to `shown`, one after the other, so that it is as `real`. Both are as deep as others decide, so nothing here goes down by recursion. */
export function* differences(shown: unknown, real: unknown): Generator<DocPatch, void> {
  const pairs: Pair[] = [{ place: undefined, shown, real }];
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const { place, shown: before, real: after } = pair;
    if (Array.isArray(before) && Array.isArray(after)) {
      if (before.length !== after.length) yield* listDifferences(place, before, after);
      else for (const [key, value] of after.entries()) pairs.push(pairAt(place, key, before[key], value));
    } else if (isMap(before) && isMap(after)) {
      for (const key of Object.keys(before))
        if (!Object.hasOwn(after, key)) yield { action: "del", path: pathOf({ parent: place, key }) };
      for (const key of Object.keys(after)) pairs.push(pairAt(place, key, before[key], after[key]));
    } else if (place === undefined) continue;
    else if (typeof before === "string" && typeof after === "string") yield* textDifferences(place, before, after);
    else if (!isSameScalar(before, after)) yield* putting(place, after);
  }
}

function isSame(shown: unknown, real: unknown): boolean {
  // The root alone has no place, and of another value there nothing would be told.
  return differences([shown], [real]).next().done === true;
}

function pairAt(parent: Place | undefined, key: string | number, shown: unknown, real: unknown): Pair {
  return { place: { parent, key }, shown, real };
}

function* listDifferences(
  parent: Place | undefined,
  shown: readonly unknown[],
  real: readonly unknown[],
): Generator<DocPatch, void> {
  const least = Math.min(shown.length, real.length);
  let first = 0;
  while (first < least && isSame(shown[first], real[first])) first++;
  let last = 0;
  while (last < least - first && isSame(shown.at(-1 - last), real.at(-1 - last))) last++;
  const path = pathOf({ parent, key: first });
  const length = shown.length - last - first;
  if (length > 0) yield { action: "del", path, length };
  const added = real.slice(first, real.length - last);
  if (added.length > 0) yield { action: "insert", path, values: added.map(hollow) };
  for (const [i, value] of added.entries()) yield* filling({ parent, key: first + i }, value);
}

/** What is alike at both ends stays, and with it whoever is there. */
function* textDifferences(parent: Place, shown: string, real: string): Generator<DocPatch, void> {
  const least = Math.min(shown.length, real.length);
  let first = 0;
  while (first < least && shown[first] === real[first]) first++;
  if (first > 0 && isHighHalf(shown, first - 1)) first--;
  let last = 0;
  while (last < least - first && shown.at(-1 - last) === real.at(-1 - last)) last++;
  if (last > 0 && isHighHalf(shown, shown.length - last - 1)) last--;
  const path = pathOf({ parent, key: first });
  const length = shown.length - last - first;
  const value = real.slice(first, real.length - last);
  if (length > 0) yield { action: "del", path, length };
  if (value !== "") yield { action: "splice", path, value };
}

/** Of a character that is two units. */
function isHighHalf(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xd800 && unit < 0xdc00;
}

function* putting(place: Place, value: unknown): Generator<DocPatch, void> {
  yield { action: "put", path: pathOf(place), value: hollow(value) };
  yield* filling(place, value);
}

/** As Automerge puts it: what holds something is empty at first. */
function hollow(value: unknown): unknown {
  if (typeof value === "string") return "";
  if (Array.isArray(value)) return [];
  return isMap(value) ? {} : value;
}

function* filling(at: Place, whole: unknown): Generator<DocPatch, void> {
  const left: { readonly place: Place; readonly value: unknown }[] = [{ place: at, value: whole }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { place, value } = next;
    if (typeof value === "string") {
      if (value !== "") yield { action: "splice", path: pathOf({ parent: place, key: 0 }), value };
    } else if (Array.isArray(value)) {
      if (value.length > 0)
        yield { action: "insert", path: pathOf({ parent: place, key: 0 }), values: value.map(hollow) };
      for (const [key, child] of value.entries()) left.push({ place: { parent: place, key }, value: child });
    } else if (isMap(value)) {
      for (const [key, child] of Object.entries(value)) {
        const inner: Place = { parent: place, key };
        yield { action: "put", path: pathOf(inner), value: hollow(child) };
        left.push({ place: inner, value: child });
      }
    }
  }
}

function pathOf(place: Place): DocPath {
  const path: (string | number)[] = [];
  for (let at: Place | undefined = place; at !== undefined; at = at.parent) path.push(at.key);
  return path.reverse();
}

function isMap(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function isSameScalar(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array && b instanceof Uint8Array) return equalBytes(a, b);
  // Dates, counters, and strings that are no texts: each says its value.
  return (
    Object.getPrototypeOf(a) === Object.getPrototypeOf(b) &&
    !Array.isArray(a) &&
    !isMap(a) &&
    JSON.stringify(a) === JSON.stringify(b)
  );
}
