import fc from "fast-check";
import { expect, test } from "vitest";
import type { EpochKeyId } from "../core/store/sealed.ts";
import { Unopened } from "./unopened.ts";

const keyIds = ["aa", "bb", "cc"] as readonly string[] as readonly EpochKeyId[];

test("[ENCRYPTION-8] what waits is counted, by key, from the first to the last, also after it went through a checkpoint", () => {
  const log = fc.array(fc.option(fc.constantFrom(...keyIds), { nil: undefined }), { maxLength: 60 });
  fc.assert(
    fc.property(log, fc.nat(60), fc.constantFrom(...keyIds), fc.boolean(), (entries, at, opened, throughCheckpoint) => {
      let unopened = new Unopened();
      for (const [position, key] of entries.entries()) if (key !== undefined) unopened.note(key, position);
      if (throughCheckpoint) unopened = new Unopened(structuredClone(unopened.ranges()));
      const positions = entries.flatMap((key, position) => (key === opened ? [position] : []));
      expect(unopened.count).toBe(entries.filter((key) => key !== undefined).length);
      const due = unopened.due((key) => key === opened, at);
      const first = positions.find((position) => position < at);
      expect([...due.keys]).toEqual(first === undefined ? [] : [opened]);
      expect(due.from).toBe(first ?? at);
      if (first === undefined) return;
      unopened.settle(opened, at, positions.filter((position) => position < at).length);
      const left = positions.filter((position) => position >= at).length;
      expect(unopened.count).toBe(entries.filter((key) => key !== undefined && key !== opened).length + left);
      expect(unopened.due((key) => key === opened, at).keys.size).toBe(0);
      // What is left is found later.
      expect(unopened.due((key) => key === opened, entries.length + 1).keys.size).toBe(left === 0 ? 0 : 1);
    }),
  );
});
