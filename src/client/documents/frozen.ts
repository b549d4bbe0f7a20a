/**
 * A document as the app may hold it: its maps and lists are frozen.
 *
 * Not by Automerge's own `freeze`: that one fails at bytes, which no engine can freeze, and would do it at each change, also where nobody looks.
 */

/** Freezes the maps and lists of a document, as deep as they are not frozen yet: what did not change is the same object as before. Returns it. */
export function freezeDocument<T extends object>(doc: T): T {
  const left: unknown[] = [doc];
  // Not by recursion: how deep a document is, others decide too.
  while (left.length > 0) {
    const value = left.pop();
    if (!isMapOrList(value) || Object.isFrozen(value)) continue;
    Object.freeze(value);
    for (const child of Object.values(value)) left.push(child);
  }
  return doc;
}

function isMapOrList(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}
