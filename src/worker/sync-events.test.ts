import { expect, test } from "vitest";
import { SimulatedClock } from "../testing/clock.ts";
import type { WorkerEvent } from "./api.ts";
import { SyncEvents } from "./sync-events.ts";

test("[CLIENT-18] changes of peers are gathered into at most 20 events a second, and the last is not lost", () => {
  const clock = new SimulatedClock();
  const posted: WorkerEvent[] = [];
  const events = new SyncEvents(clock, (event) => posted.push(event));
  for (let ms = 0; ms < 1_000; ms += 1) {
    events.peersChanged();
    clock.advance(1);
  }
  expect(posted.length).toBeGreaterThan(10);
  expect(posted.length).toBeLessThanOrEqual(20);
  clock.advance(1_000);
  const before = posted.length;
  events.peersChanged();
  clock.advance(50);
  expect(posted.slice(before)).toEqual([{ type: "peers" }]);
});

test("[CLIENT-18] events of the log are sent only while the page wants them", () => {
  const posted: WorkerEvent[] = [];
  const events = new SyncEvents(new SimulatedClock(), (event) => posted.push(event));
  const event = { atMs: 1, event: "path.opened", level: "info", correlation: undefined, details: {} } as const;
  events.logged(event);
  events.isLogging = true;
  events.logged(event);
  events.isLogging = false;
  events.logged(event);
  expect(posted).toEqual([{ type: "log", event }]);
});
