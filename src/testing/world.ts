/** Arbitrary histories of one database that several keys write at the same time, for property tests. Everything shrinks. */
import fc from "fast-check";
import type { VouchedEntry } from "../core/entry.ts";
import { unreachable } from "../core/errors.ts";
import type { DatabaseId, PublicKey, Sha256 } from "../core/ids.ts";
import { NONE, type Power, WRITE } from "../core/store/power.ts";
import { keyOf, rowParts, sealRoot, setPower, settingsParts, startMs, Writer } from "./writers.ts";

/** One key does one thing. Numbers are taken modulo what there is, so that any list of steps has a meaning. */
export type WorldStep =
  | { readonly type: "write"; readonly writer: number; readonly row: number; readonly value: number }
  | { readonly type: "set"; readonly writer: number; readonly target: number; readonly power: Power }
  /** Takes everything that another holds. */
  | { readonly type: "sync"; readonly writer: number; readonly from: number }
  /** Goes back to an earlier state of its own, as from a backup: its chain will fork. */
  | { readonly type: "restore"; readonly writer: number; readonly keep: number };

export interface WorldOptions {
  readonly writers?: number;
  readonly stepsMax?: number;
  /** Whether chains fork. Default: yes. */
  readonly forks?: boolean;
  /** Whether permissions change; then the second and third key are admins at first. Default: no. */
  readonly sets?: boolean;
}

export interface World {
  readonly database: DatabaseId;
  /** The first is the owner, the others may write from the start. */
  readonly keys: readonly PublicKey[];
  /** What each of them holds at the end. */
  readonly writers: readonly Writer[];
  /** All that anybody accepted, each after what it follows. */
  readonly entries: readonly VouchedEntry[];
}

export function arbitraryWorld(sha256: Sha256, options: WorldOptions = {}): fc.Arbitrary<World> {
  const { writers = 3, stepsMax = 30, forks = true, sets = false } = options;
  const writer = fc.nat(writers - 1);
  const write = fc.record({ type: fc.constant("write" as const), writer, row: fc.nat(3), value: fc.nat(9) });
  const sync = fc.record({ type: fc.constant("sync" as const), writer, from: writer });
  const restore = fc.record({ type: fc.constant("restore" as const), writer, keep: fc.nat(20) });
  const power = fc.constantFrom(1, 2, 50, WRITE, WRITE, NONE, NONE);
  const set = fc.record({ type: fc.constant("set" as const), writer, target: writer, power });
  const step: fc.Arbitrary<WorldStep> = fc.oneof(
    { weight: 5, arbitrary: write },
    { weight: 3, arbitrary: sync },
    { weight: forks ? 1 : 0, arbitrary: restore },
    { weight: sets ? 4 : 0, arbitrary: set },
  );
  return fc.array(step, { maxLength: stepsMax, size: "max" }).map((steps) => growWorld(steps, writers, sha256, sets));
}

export function growWorld(steps: readonly WorldStep[], count: number, sha256: Sha256, withAdmins: boolean): World {
  const keys = Array.from({ length: count }, (_, i) => keyOf(i));
  const [owner, ...others] = keys as [PublicKey, ...PublicKey[]];
  const sets = others.map((key, i) => setPower(key, withAdmins && i < 2 ? i + 1 : WRITE));
  const root = sealRoot(owner, sha256, settingsParts({ type: "name", name: "world" }, ...sets));
  const fresh = (key: PublicKey, entries: readonly VouchedEntry[]): Writer => {
    const writer = new Writer(key, root.id, sha256);
    writer.receive(entries, Number.MAX_SAFE_INTEGER / 2_048);
    return writer;
  };
  const writers = keys.map((key) => fresh(key, [root]));
  const all = new Map([[root.id, root]]);
  for (const [i, step] of steps.entries()) {
    const writer = writers[step.writer] as Writer;
    if (step.type === "restore")
      writers[step.writer] = fresh(writer.key, writer.entries.slice(0, 1 + (step.keep % writer.entries.length)));
    else takeStep(writer, step, writers, startMs + i * 1_000);
    for (const entry of (writers[step.writer] as Writer).entries) all.set(entry.id, entry);
  }
  return { database: root.id, keys, writers, entries: [...all.values()] };
}

function takeStep(
  writer: Writer,
  step: Exclude<WorldStep, { readonly type: "restore" }>,
  writers: readonly Writer[],
  nowMs: number,
): void {
  switch (step.type) {
    case "write":
      writer.write(rowParts(`r${step.row}`, { value: step.value }), nowMs, step.value);
      return;
    case "set":
      writer.write(settingsParts(setPower((writers[step.target] as Writer).key, step.power)), nowMs);
      return;
    case "sync":
      writer.receive((writers[step.from] as Writer).entries, nowMs);
      return;
    default:
      unreachable(step);
  }
}
