/**
 * What somebody who may not read a database can find out about it: the same bytes, for the same work, whether it is unknown here,
 * forbidden, or switched off. Work is counted, not timed: a count is the same on every machine.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeHex, type Sha256 } from "../core/ids.ts";
import { badSignaturesMax } from "../core/limits.ts";
import { joinMessage, proveMessage } from "../core/protocol/admission.ts";
import { commitmentOf } from "../core/protocol/commitments.ts";
import { hideKeyProof } from "../core/protocol/key-proof.ts";
import { hideKnock } from "../core/protocol/knock.ts";
import { encodeMessage, type Message } from "../core/protocol/message.ts";
import { NONE, READ, WRITE } from "../core/store/power.ts";
import type { EnginePorts } from "../engine/ports.ts";
import type { Storage } from "../ports/storage.ts";
import { arbitraryMessage } from "./arbitrary-message.ts";
import { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import { HostilePeer } from "./hostile-peer.ts";
import type { HostileTalk } from "./hostile-talk.ts";
import { type SimulatedIdentity, simulatedIdentity } from "./simulated-keys.ts";
import { rowParts, setPower, settingsParts } from "./writers.ts";

/** Why a peer is told nothing of a database. */
type Why = "unknown" | "forbidden" | "disabled" | "removed" | "open";

interface Work {
  hashes: number;
  hashedBytes: number;
  reads: number;
  writes: number;
}

interface Scene {
  readonly cluster: Cluster;
  readonly host: Device;
  readonly mallory: HostilePeer;
  readonly talk: HostileTalk;
  readonly work: Work;
  readonly subject: Awaited<ReturnType<typeof createSubject>>;
}

const malloryKey = new Uint8Array(32).fill(66);
const inviteSecret = new Uint8Array(32).fill(67);

/** What is said, as far as it does not depend on the session. */
type Line = Message | { readonly type: "goodJoin" | "goodProof" | "badProof" | "goodKnock" };

function counting(work: Work, { sha256, storage, ...ports }: EnginePorts): EnginePorts {
  const counted: Sha256 = (bytes) => {
    work.hashes += 1;
    work.hashedBytes += bytes.length;
    return sha256(bytes);
  };
  const note = (name: string | symbol): void => {
    if (name === "read" || name === "readById" || name === "load") work.reads += 1;
    if (name === "commit" || name === "putDatabase") work.writes += 1;
  };
  const watched: Storage = new Proxy(storage, {
    get: (target, name) => {
      const member = Reflect.get(target, name, target) as unknown;
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => {
        note(name);
        return member.apply(target, given) as unknown;
      };
    },
  });
  return { ...ports, sha256: counted, storage: watched };
}

/** The same device with the same databases in every case, but for one or the other of two that are alike. */
async function createSubject(cluster: Cluster, why: Why) {
  const { sha256 } = await cluster.addIdentity();
  const [mallory, invite] = [malloryKey, inviteSecret].map((secret) => simulatedIdentity(secret, sha256)) as [
    SimulatedIdentity,
    SimulatedIdentity,
  ];
  const work: Work = { hashes: 0, hashedBytes: 0, reads: 0, writes: 0 };
  const first = await cluster.addDevice();
  const run = <T>(promise: Promise<T>): Promise<T> => cluster.settle(promise);
  const [meeting, database, alike] = [
    await run(first.instance.createDatabase("Meeting")),
    await run(first.instance.createDatabase("Secret")),
    await run(first.instance.createDatabase("Alike")),
  ];
  const isMember = why === "disabled" || why === "open";
  const ops = [
    setPower(mallory.publicKey, isMember ? READ : NONE),
    { type: "invite", key: invite.publicKey, power: why === "removed" ? WRITE : NONE } as const,
  ];
  for (const { id } of [database, alike]) {
    await run(first.instance.commit(id, () => settingsParts(...ops)));
    for (let i = 0; i < 5; i++) await run(first.instance.commit(id, () => rowParts(`r${i}`)));
  }
  await run(first.instance.setSync(meeting.id, true));
  for (const { id } of [database, alike]) await run(first.instance.setSync(id, why !== "disabled"));
  const held = first.instance.database(database.id);
  const nodes = Array.from({ length: held.replica.graph.size }, (_, position) => held.replica.graph.at(position));
  const entries = await run(held.log.read(nodes));
  await run(first.instance.close());
  // Never opened, it is not there; and the device holds as many as in the other cases.
  first.disk.databases.delete(why === "unknown" ? database.id : alike.id);
  const host = await cluster.restart(first, { ports: (ports) => counting(work, ports) });
  return { host, meeting: meeting.id, database: database.id, entries, invite, mallory, sha256, work };
}

async function open(why: Why): Promise<Scene> {
  const cluster = new Cluster(1);
  const subject = await createSubject(cluster, why);
  const { host, work } = subject;
  const mallory = await HostilePeer.join(cluster, { database: subject.meeting, as: subject.mallory });
  const talk = await mallory.meet(host.key);
  await cluster.pass(6_000);
  return { cluster, host, mallory, talk, work, subject };
}

function say({ talk, subject }: Scene, line: Line): void {
  const { database, invite, mallory, sha256 } = subject;
  const transcript = talk.transcript ?? new Uint8Array();
  const asker = mallory.publicKey;
  const commitment = commitmentOf(database, asker, transcript, sha256);
  const place = { database, speaker: asker, transcript, sha256 };
  switch (line.type) {
    case "goodJoin": {
      const signature = invite.signNow(joinMessage(transcript, asker, commitment));
      return talk.say({ type: "join", commitment, invite: invite.publicKey, signature });
    }
    case "goodProof":
    case "badProof": {
      const isGood = line.type === "goodProof";
      const signature = isGood ? mallory.signNow(proveMessage(transcript, asker, commitment)) : new Uint8Array(64);
      return talk.say({ type: "prove", commitment, hidden: hideKeyProof({ key: asker, signature }, place) });
    }
    case "goodKnock": {
      const knock = { name: "Mallory", note: "Please", power: WRITE, sealKey: undefined };
      return talk.say({ type: "knock", commitment, hidden: hideKnock(knock, place) });
    }
    default:
      return talk.say("commitment" in line && line.commitment === known ? { ...line, commitment } : line);
  }
}

/** Stands for what each session says in place of the database's id. */
const known = "cc".repeat(12);

/** What came back, without what differs from session to session, and what it cost. */
async function answersTo(
  why: Why,
  lines: readonly Line[],
): Promise<{ readonly heard: readonly string[]; readonly work: Work & { readonly checks: number } }> {
  const scene = await open(why);
  const { cluster, host, talk, subject, work } = scene;
  const [before, checks, from] = [{ ...work }, host.checks, talk.bytesHeard.length];
  for (const line of lines) {
    say(scene, line);
    await cluster.pass(60);
  }
  await cluster.pass(500);
  const own = commitmentOf(
    subject.database,
    subject.mallory.publicKey,
    talk.transcript ?? new Uint8Array(),
    subject.sha256,
  );
  const heard = talk.bytesHeard.slice(from).map((bytes) => encodeHex(bytes).replaceAll(own, known));
  const cost = (key: keyof Work): number => work[key] - before[key];
  const spent = {
    hashes: cost("hashes"),
    hashedBytes: cost("hashedBytes"),
    reads: cost("reads"),
    writes: cost("writes"),
  };
  return { heard: [...heard, talk.isOpen ? "open" : "closed"], work: { ...spent, checks: host.checks - checks } };
}

const cases: readonly Why[] = ["forbidden", "disabled", "removed"];

describe("[HOSTILE-9] whoever may not read a database", () => {
  test("hears the same bytes for the same work, whether it is unknown here, forbidden, or switched off", async () => {
    const subject = await createSubject(new Cluster(1), "unknown");
    const message = arbitraryMessage({
      databases: [subject.database],
      keys: [subject.host.key, subject.mallory.publicKey, subject.invite.publicKey],
      entries: subject.entries,
      commitments: [known],
    });
    const line: fc.Arbitrary<Line> = fc.oneof(
      { weight: 6, arbitrary: message },
      fc.constantFrom<Line>({ type: "goodJoin" }, { type: "goodProof" }, { type: "badProof" }, { type: "goodKnock" }),
    );
    let answers = 0;
    const kinds = new Set<string>();
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 10 }), async (lines) => {
        const unknown = await answersTo("unknown", lines);
        for (const why of cases) {
          const { heard, work } = await answersTo(why, lines);
          expect([why, heard]).toEqual([why, unknown.heard]);
          expect([why, work.checks, work.reads, work.writes]).toEqual([why, unknown.work.checks, 0, 0]);
          expect([why, work.hashes, work.hashedBytes]).toEqual([why, unknown.work.hashes, unknown.work.hashedBytes]);
        }
        answers += unknown.heard.length - 1;
        for (const { type } of lines) kinds.add(type);
      }),
      { numRuns: 40 },
    );
    expect(answers).toBeGreaterThan(20);
    expect([...kinds]).toEqual(
      expect.arrayContaining(["digest", "frontier", "entries", "want", "join", "knock", "prove"]),
    );
  });

  test.each(["goodProof", "badProof"] as const)(
    "is not cut off for many proofs, and checked as often: %s",
    async (type) => {
      const lines = Array.from({ length: badSignaturesMax + 10 }, (): Line => ({ type }));
      const unknown = await answersTo("unknown", lines);
      expect([unknown.heard.at(-1), unknown.work.checks]).toEqual(["open", lines.length]);
      for (const why of cases) expect([why, await answersTo(why, lines)]).toEqual([why, unknown]);
    },
  );

  test("would hear something else if it might: every case but one is silent", async () => {
    const scene = await open("open");
    expect(scene.talk.heard("digest").flatMap(({ digests }) => digests)).toHaveLength(1);
    for (const why of cases)
      expect((await open(why)).talk.heard("digest").flatMap(({ digests }) => digests)).toEqual([]);
    const want: Message = { type: "want", database: scene.subject.database, ids: [scene.subject.database] };
    const asked = await answersTo("open", [want]);
    expect(asked.heard.length).toBeGreaterThan(1);
    expect(encodeMessage(want).length).toBeGreaterThan(40);
  });
});
