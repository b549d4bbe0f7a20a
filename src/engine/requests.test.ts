/** Asking to be let in, on whole devices: the asker, its admins, and everybody else. */
import { describe, expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { requestAgeMsMax, requestsMax } from "../core/limits.ts";
import { decodeMessage } from "../core/protocol/message.ts";
import { ADMIN, NONE, READ, RELAY, WRITE } from "../core/store/power.ts";
import { Cluster } from "../testing/cluster.ts";
import type { Device } from "../testing/device.ts";
import { setPower, settingsParts } from "../testing/writers.ts";
import type { RequestInfo } from "./permissions-info.ts";

interface Scene {
  readonly cluster: Cluster;
  readonly owner: Device;
  readonly id: DatabaseId;
  readonly ticket: string;
}

/** A database whose owner has published where it is, and nothing else. */
async function publish(): Promise<Scene> {
  const cluster = new Cluster(1);
  const owner = await cluster.addDevice();
  const { id } = await cluster.settle(owner.instance.createDatabase("Club"));
  await cluster.settle(owner.write(id, "r", {}));
  await cluster.settle(owner.instance.setSync(id, true));
  return { cluster, owner, id, ticket: await owner.instance.ticket(id) };
}

const zoe = { name: "Zoe", note: "We met on Sunday." };

async function asker({ cluster, ticket }: Scene, terms: object = zoe): Promise<Device> {
  const device = await cluster.addDevice();
  await cluster.settle(device.instance.join(ticket, terms));
  return device;
}

/** Another admin, who has everything. */
async function addAdmin({ cluster, owner, id }: Scene): Promise<Device> {
  const admin = await cluster.addDevice();
  await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(admin.key, ADMIN))));
  await cluster.settle(admin.instance.join(await owner.instance.ticket(id)));
  await cluster.settle(admin.instance.ready(id));
  return admin;
}

function requestOf({ instance }: Device, id: DatabaseId, asker: Device): RequestInfo | undefined {
  return instance.requests(id).find(({ key }) => key === asker.key);
}

async function arrived({ cluster, id }: Scene, admin: Device, asker: Device): Promise<void> {
  await cluster.until(() => requestOf(admin, id, asker) !== undefined);
}

/** What became of a promise so far. */
function watch(promise: Promise<void>): { state: string } {
  const seen = { state: "waiting" };
  promise.then(
    () => {
      seen.state = "ready";
    },
    (error: { readonly code: string; readonly details: { readonly reason?: string } }) => {
      seen.state = `${error.code} ${error.details.reason ?? ""}`.trim();
    },
  );
  return seen;
}

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "done",
    (error: { readonly code: string }) => error.code,
  );
}

test("[REQUEST-7] what became of a request is told by what blocks the database, and not that nobody is known", async () => {
  const scene = await publish();
  const { cluster, owner, id } = scene;
  owner.instance.setOnline(false);
  const device = await asker(scene);
  const blocks = (): readonly string[] => device.instance.status(id).blockedBy.map(({ type }) => type);
  expect(blocks()).toEqual(["noPeers", "notReady"]);
  owner.instance.setOnline(true);
  await cluster.until(() => blocks().includes("pending"));
  expect(blocks()).toEqual(["pending", "notReady"]);
  await arrived(scene, owner, device);
  device.instance.ready(id).catch(() => {});
  await cluster.settle(owner.instance.rejectRequest(id, device.key));
  await cluster.until(() => device.instance.access(id).state === "rejected");
  expect(blocks()).toEqual(["refused", "notReady"]);
  await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(device.key, READ))));
  await cluster.until(() => device.instance.access(id).state === "member");
  expect(blocks()).toEqual([]);
});

describe("[REQUEST-4] a request", () => {
  test("is pending, is approved, and its asker comes in; who, when, and the name are kept", async () => {
    const scene = await publish();
    const { cluster, owner, id } = scene;
    const device = await asker(scene);
    const ready = watch(device.instance.ready(id));
    await arrived(scene, owner, device);
    const undecided = { decidedBy: undefined, decidedAtMs: undefined };
    expect(owner.instance.requests(id)).toEqual([
      { key: device.key, ...zoe, permission: "write", state: "pending", askedAtMs: expect.any(Number), ...undecided },
    ]);
    expect(device.instance.access(id)).toEqual({ state: "pending", permission: "none" });
    const before = cluster.clock.now();
    await cluster.settle(owner.instance.approveRequest(id, { key: device.key, power: READ }));
    await cluster.until(() => ready.state === "ready");
    expect(device.instance.access(id)).toEqual({ state: "member", permission: "read" });
    expect(requestOf(owner, id, device)).toMatchObject({ state: "approved", decidedBy: owner.key });
    expect(requestOf(owner, id, device)?.decidedAtMs).toBeGreaterThanOrEqual(before);
    const { settings } = device.instance.database(id).replica;
    expect(settings.member(device.key)?.name).toBe("Zoe");
    expect(device.rows(id).size).toBe(1);
  });

  test("gives what was asked for when nothing else is said, under the name that the admin gives", async () => {
    const scene = await publish();
    const { cluster, owner, id } = scene;
    const device = await asker(scene, { name: "Zoe", power: READ });
    await arrived(scene, owner, device);
    await cluster.settle(owner.instance.approveRequest(id, { key: device.key, name: "Zoe from work" }));
    await cluster.settle(device.instance.ready(id));
    expect(device.instance.database(id).permission).toBe("read");
    expect(device.instance.database(id).replica.settings.member(device.key)?.name).toBe("Zoe from work");
  });

  test("gives write at most when nothing else is said, whatever was asked for, and more when that is said", async () => {
    const scene = await publish();
    const { cluster, owner, id } = scene;
    const devices = [await asker(scene, { power: ADMIN }), await asker(scene, { power: ADMIN })] as const;
    for (const device of devices) await arrived(scene, owner, device);
    expect(requestOf(owner, id, devices[0])?.permission).toBe("admin");
    await cluster.settle(owner.instance.approveRequest(id, { key: devices[0].key }));
    await cluster.settle(owner.instance.approveRequest(id, { key: devices[1].key, power: ADMIN }));
    for (const device of devices) await cluster.settle(device.instance.ready(id));
    expect(devices.map((device) => device.instance.database(id).permission)).toEqual(["write", "admin"]);
  });

  test("can be decided once, by an admin, and only if it is there", async () => {
    const scene = await publish();
    const { cluster, owner, id } = scene;
    const admin = await addAdmin(scene);
    const [first, second, third] = [await asker(scene), await asker(scene), await asker(scene)];
    for (const device of [first, second]) await arrived(scene, owner, device);
    const approve = (by: Device, of: Device, power: number = WRITE) =>
      cluster.settle(codeOf(by.instance.approveRequest(id, { key: of.key, power })));
    const reject = (by: Device, of: Device) => cluster.settle(codeOf(by.instance.rejectRequest(id, of.key)));
    const twice = [first, first].map((of) => codeOf(owner.instance.approveRequest(id, { key: of.key })));
    expect(await cluster.settle(Promise.all(twice))).toEqual(["done", "REQUEST_DECIDED"]);
    expect(await reject(owner, first)).toBe("REQUEST_DECIDED");
    expect([await reject(owner, second), await approve(owner, second), await reject(owner, second)]).toEqual([
      "done",
      "REQUEST_DECIDED",
      "REQUEST_DECIDED",
    ]);
    expect(await approve(owner, admin)).toBe("REQUEST_UNKNOWN");
    await arrived(scene, admin, third);
    expect(await approve(admin, third, ADMIN)).toBe("PERMISSION_DENIED");
    expect(await approve(admin, third, NONE)).toBe("INPUT_INVALID");
    expect(requestOf(admin, id, third)?.state).toBe("pending");
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(admin.key, WRITE))));
    await cluster.until(() => admin.instance.database(id).permission === "write");
    expect([await approve(admin, third), await reject(admin, third)]).toEqual([
      "PERMISSION_DENIED",
      "PERMISSION_DENIED",
    ]);
  });

  test("does not reach those who may not decide, nor a device that wants none", async () => {
    const scene = await publish();
    const { cluster, owner, id } = scene;
    const member = await cluster.addDevice();
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(member.key, WRITE))));
    await cluster.settle(member.instance.join(scene.ticket));
    await cluster.settle(member.instance.ready(id));
    await cluster.settle(owner.instance.acceptRequests(id, false));
    const device = await asker(scene);
    await cluster.pass(5_000);
    expect([owner, member].map(({ instance }) => instance.requests(id))).toEqual([[], []]);
    const again = await cluster.restart(owner);
    await cluster.pass(5_000);
    expect(again.instance.requests(id)).toEqual([]);
    await cluster.settle(again.instance.acceptRequests(id, true));
    await cluster.restart(device);
    await arrived(scene, again, device);
  });

  test("stays as it is over restarts of both sides, in every state", async () => {
    const scene = await publish();
    const { cluster, id } = scene;
    let { owner } = scene;
    const askers = [await asker(scene), await asker(scene), await asker(scene)] as const;
    for (const device of askers) await arrived(scene, owner, device);
    await cluster.settle(owner.instance.approveRequest(id, { key: askers[0].key }));
    await cluster.settle(owner.instance.rejectRequest(id, askers[1].key));
    await cluster.settle(askers[0].instance.ready(id));
    await cluster.until(() => askers[1].instance.access(id).state === "rejected");
    const before = owner.instance.requests(id);
    owner.instance.setOnline(false);
    const devices = [
      await cluster.restart(askers[0]),
      await cluster.restart(askers[1]),
      await cluster.restart(askers[2]),
    ];
    expect(devices.map(({ instance }) => instance.access(id).state)).toEqual(["member", "rejected", "pending"]);
    owner = await cluster.restart(owner);
    expect(owner.instance.requests(id)).toEqual(before);
    await cluster.pass(10_000);
    expect(owner.instance.requests(id)).toEqual(before);
    await cluster.settle(owner.instance.approveRequest(id, { key: askers[2].key }));
    await cluster.settle((devices[2] as Device).instance.ready(id));
  });
});

describe("[REQUEST-6] whoever was rejected", () => {
  test("is told at once, and again when it asks again, and comes in when somebody lets it in after all", async () => {
    const scene = await publish();
    const { cluster, owner, id, ticket } = scene;
    const device = await asker(scene);
    const ready = watch(device.instance.ready(id));
    await arrived(scene, owner, device);
    await cluster.settle(owner.instance.rejectRequest(id, device.key));
    await cluster.until(() => ready.state !== "waiting", 1_000);
    expect(ready.state).toBe("JOIN_REFUSED rejected");
    expect(device.instance.access(id)).toEqual({ state: "rejected", permission: "none", reason: "rejected" });
    // A new attempt starts anew, and hears the same.
    await cluster.settle(device.instance.join(ticket, zoe));
    const again = watch(device.instance.ready(id));
    await cluster.until(() => again.state !== "waiting", 5_000);
    expect([again.state, device.instance.status(id).entries]).toEqual(["JOIN_REFUSED rejected", 0]);
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(device.key, READ))));
    await cluster.until(() => device.instance.access(id).state === "member");
    await cluster.settle(device.instance.ready(id));
    expect(requestOf(owner, id, device)?.state).toBe("rejected");
  });

  test("hears of it when it comes back", async () => {
    const scene = await publish();
    const { cluster, owner, id } = scene;
    const device = await asker(scene);
    await arrived(scene, owner, device);
    device.instance.setOnline(false);
    await cluster.settle(owner.instance.rejectRequest(id, device.key));
    device.instance.setOnline(true);
    await cluster.until(() => device.instance.access(id).state === "rejected");
  });
});

describe("[REQUEST-5] several admins", () => {
  test("who approve the same request at the same time agree, and what is given is the weakest", async () => {
    const scene = await publish();
    const { cluster, owner, id } = scene;
    const admin = await addAdmin(scene);
    const device = await asker(scene);
    for (const each of [owner, admin]) await arrived(scene, each, device);
    cluster.cut(owner.key, admin.key);
    await cluster.settle(owner.instance.approveRequest(id, { key: device.key, power: WRITE }));
    await cluster.settle(admin.instance.approveRequest(id, { key: device.key, power: READ }));
    cluster.healAll();
    await cluster.converge(id, [owner, admin, device]);
    const [one, other] = [owner, admin].map((each) => requestOf(each, id, device));
    expect(one).toMatchObject({ state: "approved" });
    expect([other?.decidedBy, other?.decidedAtMs]).toEqual([one?.decidedBy, one?.decidedAtMs]);
    expect(device.instance.database(id).permission).toBe("read");
  });

  test("see that another one has approved it, and by whom, also when that was by other means", async () => {
    const scene = await publish();
    const { cluster, owner, id } = scene;
    const admin = await addAdmin(scene);
    const [first, second] = [await asker(scene), await asker(scene)];
    for (const each of [owner, admin]) for (const device of [first, second]) await arrived(scene, each, device);
    await cluster.settle(owner.instance.approveRequest(id, { key: first.key }));
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(second.key, READ))));
    await cluster.until(() => requestOf(admin, id, second)?.state === "approved");
    for (const device of [first, second]) {
      expect(requestOf(admin, id, device)).toMatchObject({ state: "approved", decidedBy: owner.key });
      expect(await codeOf(admin.instance.rejectRequest(id, device.key))).toBe("REQUEST_DECIDED");
    }
  });
});

describe("[REQUEST-3] requests are bounded", () => {
  test("one of each key, of which the later name and note count", async () => {
    const scene = await publish();
    const { cluster, owner, id, ticket } = scene;
    const device = await asker(scene);
    await arrived(scene, owner, device);
    const { askedAtMs } = requestOf(owner, id, device) as RequestInfo;
    await cluster.pass(1_000);
    await cluster.settle(device.instance.join(ticket, { name: "Zoë", note: "It is me again.", power: READ }));
    await cluster.until(() => requestOf(owner, id, device)?.name === "Zoë");
    const later = { name: "Zoë", note: "It is me again.", permission: "read", state: "pending", askedAtMs };
    expect(owner.instance.requests(id)).toMatchObject([later]);
  });

  test("and are kept for 30 days, after which whoever still asks asks anew", async () => {
    const scene = await publish();
    const { cluster, owner, id } = scene;
    const device = await asker(scene);
    await arrived(scene, owner, device);
    device.instance.setOnline(false);
    owner.setSkew(requestAgeMsMax);
    expect(owner.instance.requests(id)).toHaveLength(1);
    owner.setSkew(requestAgeMsMax + 60_000);
    expect(await codeOf(owner.instance.approveRequest(id, { key: device.key }))).toBe("REQUEST_UNKNOWN");
    expect(owner.instance.requests(id)).toEqual([]);
    const again = await cluster.restart(owner);
    expect(again.instance.requests(id)).toEqual([]);
    device.instance.setOnline(true);
    await arrived(scene, again, device);
  });

  test("at most 100 that are undecided, and decided ones make room", async () => {
    const scene = await publish();
    const { cluster, owner, id, ticket } = scene;
    const devices: Device[] = [];
    for (let i = 0; i <= requestsMax; i++) {
      const device = await cluster.addDevice();
      await cluster.settle(device.instance.join(ticket, { name: `d${i}` }));
      if (i < requestsMax) await arrived(scene, owner, device);
      device.instance.setOnline(false);
      devices.push(device);
    }
    const [first, second] = devices as [Device, Device];
    const last = devices.at(-1) as Device;
    last.instance.setOnline(true);
    await cluster.pass(5_000);
    expect(owner.instance.requests(id)).toHaveLength(requestsMax);
    expect(requestOf(owner, id, last)).toBeUndefined();
    await cluster.settle(owner.instance.rejectRequest(id, second.key));
    last.instance.setOnline(false);
    last.instance.setOnline(true);
    await arrived(scene, owner, last);
    expect([requestOf(owner, id, second), requestOf(owner, id, first)?.state]).toEqual([undefined, "pending"]);
  });

  test("names that could hide what follows them are left out", async () => {
    const scene = await publish();
    const device = await asker(scene, { name: "Zoe\u0000\n", note: "a\nb" });
    await arrived(scene, scene.owner, device);
    expect(requestOf(scene.owner, scene.id, device)).toMatchObject({ name: "", note: "a\nb" });
  });

  test("a key that was removed is not heard", async () => {
    const scene = await publish();
    const { cluster, owner, id, ticket } = scene;
    const device = await cluster.addDevice();
    await cluster.settle(owner.instance.commit(id, () => settingsParts(setPower(device.key, NONE))));
    await cluster.settle(device.instance.join(ticket, zoe));
    await cluster.pass(5_000);
    expect(owner.instance.requests(id)).toEqual([]);
  });
});

describe("[REQUEST-8] where everybody may do something", () => {
  async function open(): Promise<Scene> {
    const scene = await publish();
    const { cluster, owner, id } = scene;
    await cluster.settle(owner.instance.commit(id, () => settingsParts({ type: "public", power: WRITE })));
    return scene;
  }

  test.each([
    ["nothing in particular", {}],
    ["less than that", { power: READ }],
    ["just that", { power: WRITE }],
  ])("whoever asks for %s has it at once, and no admin is asked", async (_what, terms) => {
    const scene = await open();
    const { cluster, owner, id } = scene;
    const before = owner.instance.database(id).replica.graph.size;
    const device = await asker(scene, terms);
    await cluster.settle(device.instance.ready(id));
    expect(device.instance.access(id)).toEqual({ state: "member", permission: "write" });
    await cluster.pass(5_000);
    expect(owner.instance.requests(id)).toEqual([]);
    expect(owner.instance.database(id).replica.graph.size).toBe(before);
  });

  test("whoever asks for more has that at once too, and the rest when an admin says so", async () => {
    const scene = await open();
    const { cluster, owner, id } = scene;
    const device = await asker(scene, { ...zoe, power: 50 });
    await cluster.settle(device.instance.ready(id));
    expect(device.instance.database(id).permission).toBe("write");
    expect(requestOf(owner, id, device)).toMatchObject({ state: "pending", permission: "admin" });
    await cluster.settle(owner.instance.approveRequest(id, { key: device.key, power: ADMIN }));
    await cluster.converge(id, [owner, device]);
    expect(device.instance.database(id).permission).toBe("admin");
    expect(requestOf(owner, id, device)).toMatchObject({ state: "approved", decidedBy: owner.key });
  });
});

test("[REQUEST-7] who was taken out asks with the address that let it in before, and who is a member does not", async () => {
  const scene = await publish();
  const { cluster, owner, id, ticket } = scene;
  await cluster.settle(owner.instance.permissions.setPublic(id, READ));
  const device = await asker(scene, {});
  await cluster.settle(device.instance.ready(id));
  await cluster.converge(id, [owner, device]);
  await cluster.settle(device.instance.join(ticket, zoe));
  await cluster.pass(10_000);
  expect([device.instance.access(id).state, owner.instance.requests(id)]).toEqual(["member", []]);
  await cluster.settle(owner.instance.permissions.setPublic(id, NONE));
  await cluster.pass(10_000);
  await cluster.settle(device.instance.join(ticket, zoe));
  const seen = watch(device.instance.ready(id));
  await arrived(scene, owner, device);
  expect([device.instance.access(id).state, seen.state]).toEqual(["pending", "waiting"]);
  await cluster.settle(owner.instance.approveRequest(id, { key: device.key }));
  await cluster.until(() => seen.state !== "waiting");
  expect([device.instance.access(id), seen.state]).toEqual([{ state: "member", permission: "write" }, "ready"]);
  await cluster.converge(id, [owner, device]);
});

test("[REQUEST-4] nobody is given what is worth nothing: only an encrypted database is held without being read", async () => {
  const scene = await publish();
  const { cluster, owner, id } = scene;
  const device = await asker(scene, { ...zoe, power: RELAY });
  await arrived(scene, owner, device);
  const { size } = owner.instance.database(id).replica.graph;
  const tries: readonly (() => Promise<unknown>)[] = [
    () => owner.instance.approveRequest(id, { key: device.key }),
    () => owner.instance.share(id, { power: RELAY }),
    () => owner.instance.permissions.setPublic(id, RELAY),
    () => owner.instance.permissions.set(id, { key: device.key, power: RELAY }),
  ];
  for (const attempt of tries) expect(await cluster.settle(codeOf(attempt()))).toBe("INPUT_INVALID");
  expect(owner.instance.database(id).replica.graph.size).toBe(size);
  await cluster.settle(owner.instance.approveRequest(id, { key: device.key, power: READ }));
  await cluster.settle(device.instance.ready(id));
});

test("[REQUEST-7] [REQUEST-1] every peer is asked, and one that does not hold the database answers like one that does", async () => {
  const scene = await publish();
  const { cluster, owner, id, ticket } = scene;
  const other = await cluster.addDevice();
  await cluster.settle(other.instance.join(ticket, zoe));
  const answers: string[] = [];
  const device = await cluster.addDevice();
  cluster.network.tap = {
    sent: (from, to, bytes) => {
      const message = to === device.key ? decodeMessage(bytes) : undefined;
      if (message?.ok === true && message.value.type === "heard") answers.push(from);
    },
    arrived: () => {},
  };
  await cluster.settle(device.instance.join(ticket, zoe));
  await arrived(scene, owner, device);
  await cluster.until(() => answers.length === 2);
  expect(new Set(answers)).toEqual(new Set([owner.key, other.key]));
  expect(other.instance.requests(id)).toEqual([]);
});
