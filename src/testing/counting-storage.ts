/** Storage that counts what is read of logs. */
import type { Storage } from "../ports/storage.ts";

export interface LogReads {
  /** Positions `from` ≤ position < `to` of each call. */
  readonly ranges: { readonly from: number; readonly to: number }[];
  /** How many entries were given. */
  readonly entries: () => number;
}

export function countReads(storage: Storage): { readonly storage: Storage; readonly reads: LogReads } {
  const ranges: { from: number; to: number }[] = [];
  const counted: Storage = new Proxy(storage, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "read") return value.bind(target) as unknown;
      return (...given: Parameters<Storage["read"]>) => {
        const [, from, to] = given;
        ranges.push({ from, to });
        return target.read(...given);
      };
    },
  });
  const entries = (): number => ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  return { storage: counted, reads: { ranges, entries } };
}
