import { expect, test } from "vitest";
import { TidemarkError } from "../../core/errors.ts";
import { DocEngine } from "../../testing/doc-engine.ts";

test("[DOC-43] what no replica would take is taken back and told, and what was changed in the same turn, before it and after it, is kept", async () => {
  const engine = new DocEngine();
  const [one, two] = [await engine.page("a").open(), await engine.page("b").open()];
  one.change((draft) => Object.assign(draft, { before: 1 }));
  one.change((draft) => Object.assign(draft, { large: 2 ** 60 }));
  one.change((draft) => Object.assign(draft, { after: 2 }));
  const saved = one.replica.saved().then(
    () => "saved",
    (error: unknown) => (error instanceof TidemarkError ? error.code : error),
  );
  await engine.settle();
  expect(await saved).toBe("INPUT_INVALID");
  for (const page of [one, two]) expect(page.value).toEqual({ before: 1, after: 2 });
  expect([one.problems, two.problems]).toEqual([["INPUT_INVALID"], []]);
  one.change((draft) => Object.assign(draft, { later: 3 }));
  await engine.settle();
  expect(two.value).toEqual({ before: 1, after: 2, later: 3 });
});
