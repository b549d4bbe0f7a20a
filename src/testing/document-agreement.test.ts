/** Devices that write a document together, one of which cheats, while keys are removed, connections break and devices restart. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { docType, encodeDocPayload } from "../core/document/doc-payload.ts";
import type { DatabaseId } from "../core/ids.ts";
import { READ, WRITE } from "../core/store/power.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { arbitraryHostility, type Hostility, listHostilities, sentBy } from "./hostile-documents.ts";
import { LinesDocument } from "./lines-document.ts";
import { setPower, settingsParts } from "./writers.ts";

type Step =
  | { readonly type: "write" | "restart" | "meet"; readonly who: number }
  | { readonly type: "cut" | "heal"; readonly who: number; readonly other: number }
  | { readonly type: "cheat"; readonly hostility: Hostility }
  | { readonly type: "remove"; readonly isCheat: boolean };

const who = fc.nat(3);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("write" as const), who }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("cheat" as const), hostility: arbitraryHostility }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom("cut" as const, "heal" as const), who, other: who }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom("restart" as const, "meet" as const), who }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("remove" as const), isCheat: fc.boolean() }) },
);

/** Everything that may happen, and others who write meanwhile. */
function listSteps(): readonly Step[] {
  const writes = [1, 2, 3].map((who): Step => ({ type: "write", who }));
  return [
    ...writes,
    { type: "meet", who: 0 },
    ...listHostilities().map((hostility): Step => ({ type: "cheat", hostility })),
    { type: "cut", who: 2, other: 0 },
    { type: "cut", who: 2, other: 1 },
    ...writes,
    { type: "remove", isCheat: false },
    { type: "restart", who: 1 },
    { type: "heal", who: 2, other: 1 },
    { type: "meet", who: 0 },
    ...writes,
    { type: "remove", isCheat: true },
    ...writes,
  ];
}

/** The owner, somebody who stays, somebody who may be removed, and a cheat, who may be too. */
class Play {
  readonly #cluster = new Cluster(1);
  readonly #devices: Device[] = [];
  /** Lines of those who are never removed. */
  readonly kept: string[] = [];
  readonly seen: Set<string> = new Set();
  #id: DatabaseId = "" as DatabaseId;
  #count = 0;

  async run(steps: readonly Step[]): Promise<void> {
    const powers = [0, WRITE, WRITE, WRITE].map((power) => ({ power }));
    const { id, devices } = await this.#cluster.addMembers(powers);
    this.#id = id;
    this.#devices.push(...(devices as Device[]));
    await this.#write(0);
    await this.#meet();
    for (const each of steps) {
      this.seen.add(each.type);
      await this.#do(each);
    }
    await this.#meet();
  }

  /** The same on all devices. */
  views(): readonly unknown[] {
    return this.#devices.map((device) => {
      const document = this.#document(device);
      const { state, heads, value } = document;
      for (const { reason } of state?.faults() ?? []) this.seen.add(reason);
      const lines = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
      const told = { heads, faults: state?.faults(), waiting: state?.waiting, size: state?.size };
      return { ...told, lines, digest: device.stateDigest(this.#id) };
    });
  }

  lines(): readonly string[] {
    return Object.keys(this.#document(this.#at(0)).value);
  }

  async #do(step: Step): Promise<void> {
    switch (step.type) {
      case "write":
        return await this.#write(step.who);
      case "cheat":
        return await this.#cheat(step.hostility);
      case "remove": {
        const power = settingsParts(setPower(this.#at(step.isCheat ? 3 : 2).key, READ));
        return await this.#cluster.settle(this.#at(0).instance.commit(this.#id, () => power));
      }
      case "cut":
      case "heal":
        if (step.who !== step.other) this.#cluster[step.type](this.#at(step.who).key, this.#at(step.other).key);
        return;
      case "restart":
        this.#devices[step.who] = await this.#cluster.restart(this.#at(step.who));
        return;
      case "meet":
        return await this.#cluster.pass(2_000);
    }
  }

  async #write(who: number): Promise<void> {
    const [device, line] = [this.#at(who), `${who} line ${this.#count++}`];
    const parts = this.#document(device).draft({ [line]: line });
    const isDone = await this.#commit(device, parts[0]?.payload);
    if (isDone && who < 2) this.kept.push(line);
  }

  /** Something that has to do with a change that the cheat has seen. */
  async #cheat(hostility: Hostility): Promise<void> {
    const device = this.#at(3);
    const { state } = this.#document(device);
    const changes = state?.bytesOf(state.since([]) ?? []) ?? [];
    const original = changes[hostility.at % Math.max(1, changes.length)];
    // Who stands on a twin that loses, writes again: that is the pages' part.
    if (original === undefined || hostility.kind === "twins") return;
    this.seen.add(hostility.kind);
    for (const sent of sentBy(hostility, original, this.#count++)) {
      const nonce = Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 1 : (this.#count >>> (8 * (i % 4))) & 0xff));
      await this.#commit(device, encodeDocPayload(nonce, sent));
    }
  }

  /** Whether it was taken: not when its author was removed. */
  async #commit(device: Device, payload: Uint8Array | undefined): Promise<boolean> {
    if (payload === undefined) return false;
    const committed = device.instance.commit(this.#id, () => [{ name: "lines", type: docType, payload }]);
    return await this.#cluster.settle(
      committed.then(
        () => true,
        () => false,
      ),
    );
  }

  async #meet(): Promise<void> {
    this.#cluster.healAll();
    await this.#cluster.converge(this.#id, this.#devices, 600_000);
  }

  #document(device: Device): LinesDocument {
    return new LinesDocument(device, this.#id, "lines");
  }

  #at(who: number): Device {
    return this.#devices[who] as Device;
  }
}

test("[DOC-20] [DOC-21] devices that met agree on a document, and have every line of those who stay, whatever a cheat sent, who was removed, and in what order it came", async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 25 }), async (steps) => {
      const play = new Play();
      await play.run(steps);
      const [first, ...others] = play.views();
      for (const other of others) expect(other).toEqual(first);
      expect(play.lines()).toEqual(expect.arrayContaining(play.kept));
      for (const each of play.seen) seen.add(each);
    }),
    { examples: [[[...listSteps()]]], numRuns: Number(process.env.FUZZ_RUNS ?? 8) },
  );
  expect([...seen]).toEqual(
    expect.arrayContaining(["unknown", "undeclared", "remove", "cut", "restart", "object", "actor"]),
  );
}, 3_600_000);
