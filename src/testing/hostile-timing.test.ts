/** The same as hostile-serving.test.ts by a stop-watch. What a busy machine adds is more than what there is to see: only the soak runs it. */
import { sha256 } from "@noble/hashes/sha2.js";
import { expect, test } from "vitest";
import type { DatabaseId } from "../core/ids.ts";
import { encodeBatch } from "../core/protocol/batch.ts";
import { commitmentOf } from "../core/protocol/commitments.ts";
import { keyProofBytesLength } from "../core/protocol/key-proof.ts";
import { encodeMessage, type Message } from "../core/protocol/message.ts";
import { Session } from "../core/protocol/session.ts";
import { prefixOf } from "../core/protocol/short-digest.ts";
import type { Replica } from "../core/replica.ts";
import { READ } from "../core/store/power.ts";
import { openHanded } from "./sites.ts";
import { keyOf, rowParts, sealRoot, setPower, settingsParts, startMs, Writer } from "./writers.ts";

function databaseOf(name: string, reader: number): Writer {
  const root = sealRoot(keyOf(0), sha256, settingsParts({ type: "name", name }, setPower(keyOf(reader), READ)));
  const owner = new Writer(keyOf(0), root.id, sha256);
  owner.receive([root]);
  for (let i = 0; i < 500; i++) owner.write(rowParts(`r${i}`), startMs);
  owner.store();
  return owner;
}

const stranger = keyOf(2);
const [secret, readable, alike] = [databaseOf("secret", 9), databaseOf("secret", 2), databaseOf("alike", 9)] as const;

/** Each as the peer sees it: of the database that is asked for, and of another one beside it. */
const cases: Readonly<Record<string, (asked: DatabaseId) => readonly [Replica, boolean]>> = {
  unknown: () => [alike.replica, true],
  forbidden: () => [secret.replica, true],
  disabled: () => [readable.replica, false],
};

function messagesAbout(writer: Writer): readonly Message[] {
  const database = writer.replica.database;
  const commitment = commitmentOf(database, stranger, openHanded.transcript, sha256);
  const batch = encodeBatch(writer.entries);
  const ids = writer.entries.map(({ id }) => id);
  return [
    { type: "want", database, ids },
    { type: "frontier", database, asks: true, since: "", frontier: writer.replica.frontier() },
    { type: "entries", database, number: 1, left: 0, leftBytes: 0, digest: "", batch },
    { type: "skeleton", database, author: keyOf(0), samples: [] },
    { type: "digest", continues: true, digests: [{ prefix: prefixOf(database), digest: "ab".repeat(12) }] },
    { type: "flow", database, paused: true },
    { type: "join", commitment, invite: keyOf(3), signature: new Uint8Array(64) },
    { type: "prove", commitment, hidden: new Uint8Array(keyProofBytesLength) },
    { type: "knock", commitment, hidden: new Uint8Array(70) },
  ];
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

test.runIf(process.env.FUZZ_RUNS !== undefined)(
  "[HOSTILE-9] by the clock, too, unknown, forbidden and switched off take the same time, but for a few microseconds",
  { timeout: 300_000 },
  () => {
    const rounds = 2_000;
    const kinds = messagesAbout(secret).map(({ type }) => type);
    const times = new Map<string, number[]>();
    for (let round = 0; round < rounds; round++) {
      for (const [why, give] of Object.entries(cases)) {
        const writer = why === "disabled" ? readable : secret;
        const [replica, isShared] = give(writer.replica.database);
        const replicas = new Map([[replica.database, replica]]);
        const options = { ...openHanded, self: keyOf(0), peer: stranger, sha256, replicas, shares: () => isShared };
        const session = new Session(options);
        session.step({ type: "started" });
        for (const message of messagesAbout(writer)) {
          const bytes = encodeMessage(message);
          const before = performance.now();
          session.step({ type: "received", bytes });
          const name = `${message.type} ${why}`;
          const taken = times.get(name) ?? [];
          taken.push(performance.now() - before);
          times.set(name, taken);
        }
      }
    }
    for (const kind of kinds) {
      const [unknown, ...others] = Object.keys(cases).map((why) => median(times.get(`${kind} ${why}`) ?? []));
      for (const other of others) {
        const most = Math.max(0.01, 0.25 * (unknown ?? 0));
        expect(Math.abs(other - (unknown ?? 0)), `${kind}: ${other} ms, unknown ${unknown} ms`).toBeLessThan(most);
      }
    }
  },
);
