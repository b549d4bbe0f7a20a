import { expect, test } from "vitest";
import { type Action, ActionRow } from "./action-row.ts";

/** Every press ends when it is told to. */
function pressable(label: string): Action & { readonly ends: (() => void)[] } {
  const ends: (() => void)[] = [];
  return { label, ends, run: () => new Promise((resolve) => ends.push(() => resolve(undefined))) };
}

function press(row: ActionRow): void {
  row.element.querySelector("button")?.click();
}

test("a button that is pressed again before it is done does nothing, and works again afterwards", async () => {
  const [row, pause] = [new ActionRow(), pressable("Pause")];
  row.show([pause]);
  for (let i = 0; i < 3; i++) press(row);
  expect(pause.ends).toHaveLength(1);
  pause.ends[0]?.();
  await new Promise((resolve) => requestAnimationFrame(resolve));
  press(row);
  expect(pause.ends).toHaveLength(2);
});

test("a button that came since works before what was pressed is done, and is one at a time itself", async () => {
  const [row, pause, resume] = [new ActionRow(), pressable("Pause"), pressable("Resume")];
  row.show([pause]);
  press(row);
  row.show([resume]);
  press(row);
  expect(resume.ends).toHaveLength(1);
  pause.ends[0]?.();
  await new Promise((resolve) => requestAnimationFrame(resolve));
  press(row);
  expect(resume.ends).toHaveLength(1);
});
