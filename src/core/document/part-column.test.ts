import fc from "fast-check";
import { expect, test } from "vitest";
import { isAfter } from "../store/part-counts.ts";
import { PartColumn } from "./part-column.ts";

const part = fc.nat(4);
/** So many more, or one that is in another part now. */
const step = fc.oneof(fc.record({ part, count: fc.integer({ min: 1, max: 40 }) }), fc.record({ part, node: fc.nat() }));

test("[STORE-3] what a part would hold is what is in none or was altered since another, however it came to be", () => {
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const [column, parts] = [new PartColumn(), [] as number[]];
      for (const each of steps) {
        if ("count" in each) {
          column.push(each.part, each.count);
          parts.push(...new Array<number>(each.count).fill(each.part));
        } else if (parts.length > 0) {
          column.set(each.node % parts.length, each.part);
          parts[each.node % parts.length] = each.part;
        }
      }
      expect(Array.from(parts, (_, node) => column.at(node))).toEqual(parts);
      expect(column.length).toBe(parts.length);
      for (const since of [0, 1, 2, 3, 4, 5])
        expect(column.sizeSince(since)).toBe(parts.filter((each) => isAfter(each, since)).length);
    }),
    {
      examples: [
        [
          [
            { part: 0, count: 20 },
            { part: 2, node: 3 },
            { part: 2, node: 3 },
            { part: 3, node: 4 },
          ],
        ],
      ],
    },
  );
});
