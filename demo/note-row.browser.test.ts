import { expect, test } from "vitest";
import { NoteRow } from "./note-row.ts";
import type { PlacedNote } from "./notes.ts";

const note: PlacedNote = { id: "n1", text: "Buy lemons", done: false, order: 1, by: "", at: 0 };
const look = { author: "", isReadOnly: false };

function boxOf(row: NoteRow): HTMLInputElement {
  return row.control("check") as HTMLInputElement;
}

test("a box that was ticked does not go back while the row is shown again, and follows the note that comes", () => {
  const row = new NoteRow(note, look);
  row.tick(true);
  row.show(note, look);
  expect(boxOf(row).checked).toBe(true);
  row.show({ ...note, text: "Buy limes" }, look);
  expect(boxOf(row).checked).toBe(false);
});

test("a box goes back when ticking it came to nothing", () => {
  const row = new NoteRow(note, look);
  row.tick(true);
  row.tick(undefined);
  expect(boxOf(row).checked).toBe(false);
  row.show(note, look);
  expect(boxOf(row).checked).toBe(false);
});
