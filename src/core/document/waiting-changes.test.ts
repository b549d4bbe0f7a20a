import { expect, test } from "vitest";
import type { ChangeHash } from "./change-bytes.ts";
import { WaitingChanges } from "./waiting-changes.ts";

test("[DOC-12] what waits for a change is handed out once, and keeps no bytes but its own", () => {
  const waiting = new WaitingChanges();
  const dep = "d".repeat(64) as ChangeHash;
  const entry = new Uint8Array(100);
  const sent = { entry: 1, index: 2, actor: new Uint8Array(16), tail: entry.subarray(3, 5), ops: 1, deps: [dep] };
  const change = waiting.add(sent, 0, dep);
  expect(change.tail.buffer.byteLength).toBe(2);
  expect([waiting.takeFor(dep), waiting.takeFor(dep)]).toEqual([[change], []]);
});
