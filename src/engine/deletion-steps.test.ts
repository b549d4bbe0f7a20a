/** In which order a database is taken from the device, and what is said of it meanwhile. */
import { describe, expect, test } from "vitest";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { OpenDatabase } from "./database.ts";
import { Deletion } from "./deletion.ts";

const id = "d".repeat(64) as DatabaseId;
const broken = new TidemarkError("STORAGE_UNAVAILABLE", { reason: "broken" });

interface Steps {
  readonly deletion: Deletion;
  /** What was called, and what was said of the database then. */
  readonly steps: string[];
}

function stepsOf({ isOpen = false, error }: { readonly isOpen?: boolean; readonly error?: TidemarkError } = {}): Steps {
  const steps: string[] = [];
  const done = async (step: string): Promise<void> => {
    const said = [deletion.isGone(id) ? "gone" : "", deletion.isUnderWay(id) ? "under way" : ""];
    steps.push([step, ...said.filter(Boolean)].join(", "));
  };
  const open = { end: () => void done("end"), settled: () => done("settled") } as unknown as OpenDatabase;
  const deletion = new Deletion({
    storage: {
      deleteDatabase: async () => {
        await done("delete");
        if (error !== undefined) throw error;
      },
    },
    store: { flush: () => done("flush") },
    loaded: () => done("loaded"),
    load: () => done("load"),
    find: () => (isOpen ? open : undefined),
    detach: () => void done("detach"),
  });
  return { deletion, steps };
}

const forgotten = ["loaded", "detach, gone, under way", "detach, gone, under way", "flush, gone, under way"];

describe("[DELETION-1] what is under way while a database is forgotten", () => {
  test("is not stored any more, and what it left behind goes before the entries do", async () => {
    const { deletion, steps } = stepsOf();
    await deletion.forget(id);
    expect(steps).toEqual([...forgotten, "delete, gone, under way"]);
    expect([deletion.isUnderWay(id), deletion.isGone(id)]).toEqual([false, true]);
    deletion.returned(id);
    expect(deletion.isGone(id)).toBe(false);
  });

  test("is told to end, and waited for, before what it left behind goes", async () => {
    const { deletion, steps } = stepsOf({ isOpen: true });
    await deletion.forget(id);
    const names = steps.map((step) => step.split(",")[0]);
    expect(names).toEqual(["loaded", "detach", "end", "settled", "detach", "flush", "delete"]);
  });

  test("may be the same: it is forgotten once", async () => {
    const { deletion, steps } = stepsOf();
    await Promise.all([deletion.forget(id), deletion.forget(id), deletion.settled(id)]);
    expect(steps).toHaveLength(5);
  });
});

test("[DELETION-1] one that storage keeps is loaded again as one that is here, and only who forgot it is told", async () => {
  const { deletion, steps } = stepsOf({ error: broken });
  const forgetting = deletion.forget(id);
  const waiting = deletion.settled(id);
  await expect(forgetting).rejects.toBe(broken);
  await waiting;
  expect(steps).toEqual([...forgotten, "delete, gone, under way", "load"]);
  expect([deletion.isUnderWay(id), deletion.isGone(id)]).toEqual([false, false]);
});
