/**
 * Files of tests share a worker, which is much faster than a process for each. So each leaves `globalThis` as it found it: what one leaves
 * there, the next one would be tested with, or not, as it happens.
 */
import { afterAll, expect } from "vitest";

const before = new Map(Object.entries(Object.getOwnPropertyDescriptors(globalThis)));

/** Node puts some of its classes there when they are first asked for: those were getters. */
function isChanged(name: string, { value }: PropertyDescriptor): boolean {
  const known = before.get(name);
  return known === undefined || ("value" in known && !Object.is(known.value, value));
}

afterAll(() => {
  const after = Object.entries(Object.getOwnPropertyDescriptors(globalThis));
  expect(after.filter(([name, now]) => isChanged(name, now)).map(([name]) => name)).toEqual([]);
});
