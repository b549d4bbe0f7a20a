import { describe, expect, test } from "vitest";
import { unwrap } from "../core/errors.ts";
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import { refusalReportsBurst } from "../core/limits.ts";
import { decodePart } from "../core/store/kinds.ts";
import { ADMIN, READ, WRITE } from "../core/store/power.ts";
import { DatabaseState } from "../core/store/state.ts";
import { loadSha256 } from "../crypto/sha256.ts";
import { SimulatedClock } from "../testing/clock.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { faultyPart, soundPart } from "../testing/faulty-document.ts";
import { simulatedSealing } from "../testing/simulated-sealing.ts";
import { setPower, settingsParts } from "../testing/writers.ts";
import { DocFaults } from "./doc-faults.ts";

const database = "d".repeat(64) as DatabaseId;
const nonce: Uint8Array = new Uint8Array(16).fill(7);

/** What the faults that were told say. */
function faultsOf({ problems }: Device): readonly object[] {
  return problems.flatMap(({ code, details }) => (code === "DOC_FAULTY" ? [details] : []));
}

function textOf(device: Device, id: DatabaseId): number {
  return device.instance.database(id).replica.state.doc("text")?.size ?? 0;
}

describe("[DOC-35] what is left out of a document", () => {
  test("is told by every device that has it, once, and the rest of the document is as it should be", async () => {
    const cluster = new Cluster(1);
    const { id, devices } = await cluster.addGroup(3);
    const [ann, ben, cleo] = devices as [Device, Device, Device];
    await cluster.settle(ann.instance.commit(id, () => [soundPart(nonce, "hello")]));
    await cluster.settle(ben.instance.commit(id, () => [faultyPart(nonce)]));
    await cluster.settle(ben.instance.commit(id, () => [soundPart(nonce, "too")]));
    await cluster.converge(id, [ann, ben, cleo]);
    const fault = expect.objectContaining({ database: id, store: "text", author: ben.key, reason: "object" });
    for (const device of [ann, ben, cleo]) {
      expect(faultsOf(device)).toEqual([fault]);
      expect(textOf(device, id)).toBe(2);
      expect(device.problems.filter(({ code }) => code !== "DOC_FAULTY")).toEqual([]);
    }
    expect(new Set([ann, ben, cleo].map((device) => device.stateDigest(id))).size).toBe(1);
  });

  test("is told again after a restart, and not when the state is made anew", async () => {
    const cluster = new Cluster(2);
    const { id, devices } = await cluster.addMembers([{ power: 0 }, { power: WRITE }, { power: ADMIN }]);
    let [ann] = devices as [Device];
    const [, ben, cleo] = devices as [Device, Device, Device];
    await cluster.settle(ben.instance.commit(id, () => [faultyPart(nonce)]));
    await cluster.converge(id, [ann, ben, cleo]);
    expect(faultsOf(ann)).toHaveLength(1);
    cluster.cut(ann.key, ben.key);
    cluster.cut(cleo.key, ben.key);
    await cluster.settle(ben.instance.commit(id, () => [soundPart(nonce, "void")]));
    await cluster.settle(ann.instance.commit(id, () => settingsParts(setPower(ben.key, READ))));
    const before = ben.reloads;
    cluster.healAll();
    await cluster.until(() => ben.reloads > before && textOf(ben, id) === 0);
    await cluster.converge(id, [ann, ben, cleo]);
    expect([faultsOf(ann).length, faultsOf(ben).length]).toEqual([1, 1]);
    ann = await cluster.restart(ann);
    expect(faultsOf(ann)).toHaveLength(1);
  });

  test("is told of an entry that was void when it came, and counts again", async () => {
    const cluster = new Cluster(4);
    const members = [{ power: 0 }, { power: ADMIN }, { power: WRITE }, { power: WRITE }];
    const { id, devices } = await cluster.addMembers(members);
    const [owner, admin, writer, reader] = devices as [Device, Device, Device, Device];
    await cluster.converge(id, [owner, admin, writer, reader]);
    for (const one of [owner, admin, writer])
      for (const other of [owner, admin, writer, reader]) if (one !== other) cluster.cut(one.key, other.key);
    await cluster.settle(admin.instance.commit(id, () => settingsParts(setPower(writer.key, READ))));
    await cluster.settle(writer.instance.commit(id, () => [faultyPart(nonce)]));
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(admin.key, READ))));
    const { graph } = reader.instance.database(id).replica;
    cluster.heal(admin.key, reader.key);
    await cluster.until(() => reader.instance.database(id).replica.authority.power(writer.key) === READ);
    cluster.heal(writer.key, reader.key);
    await cluster.until(() => graph.voidCount === 1 && writer.instance.database(id).replica.graph.voidCount === 1);
    expect([faultsOf(reader), faultsOf(writer).length]).toEqual([[], 1]);
    cluster.heal(owner.key, reader.key);
    await cluster.until(() => faultsOf(reader).length === 1);
    expect(faultsOf(reader)).toEqual([expect.objectContaining({ author: writer.key })]);
  });

  test("is told of an entry that opens late", async () => {
    const cluster = new Cluster(3);
    const owner = await cluster.addDevice();
    const { id } = await cluster.settle(owner.instance.createDatabase("Board", { encrypted: true, sync: true }));
    const reader = await cluster.addDevice();
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(reader.key, READ))));
    await cluster.settle(reader.instance.join(await owner.instance.ticket(id)));
    await cluster.settle(reader.instance.ready(id));
    await cluster.settle(owner.instance.commit(id, () => [soundPart(nonce, "hello")]));
    await cluster.settle(owner.instance.commit(id, () => [faultyPart(nonce)]));
    await cluster.converge(id, [owner, reader]);
    expect([faultsOf(owner).length, faultsOf(reader).length, textOf(reader, id)]).toEqual([1, 0, 0]);
    const { publicKey } = simulatedSealing(reader.secret, reader.sha256);
    const op = { type: "set", key: reader.key, power: READ, sealKey: publicKey } as const;
    await cluster.settle(owner.instance.database(id).commitSettings(() => [op]));
    await cluster.until(() => textOf(reader, id) === 1);
    expect(faultsOf(reader)).toEqual([expect.objectContaining({ database: id, author: owner.key, reason: "object" })]);
  });

  test("is told at a rate that nobody drowns in, and what was not told when it is found again", async () => {
    const sha256 = await loadSha256();
    const state = new DatabaseState({ database, sha256 });
    const clock = new SimulatedClock();
    const told: string[] = [];
    const faults = new DocFaults(clock, (error, id) => void told.push(`${error.code} ${id}`));
    const author = "a".repeat(64) as PublicKey;
    const merge = (i: number): void => {
      const part = faultyPart(new Uint8Array(16).fill(i), `text ${i % 2}`);
      const id = i.toString(16).padStart(64, "0") as EntryId;
      faults.changed(database, state.merge([unwrap(decodePart(part))], { time: i, id, author }));
    };
    for (let i = 1; i <= refusalReportsBurst + 20; i++) merge(i);
    expect(told).toEqual(Array.from({ length: refusalReportsBurst }, () => `DOC_FAULTY ${database}`));
    faults.adopted(database, state);
    expect(told).toHaveLength(refusalReportsBurst);
    clock.advance(60_000);
    faults.adopted(database, state);
    faults.adopted(database, state);
    expect(told).toHaveLength(refusalReportsBurst + 20);
  });
});
