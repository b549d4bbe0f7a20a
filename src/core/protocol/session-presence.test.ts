/** What a session says and hears of pages and channels, beside all that whole devices do about it. */
import { sha256 } from "@noble/hashes/sha2.js";
import { expect, test } from "vitest";
import { openHanded } from "../../testing/sites.ts";
import { growWorld } from "../../testing/world.ts";
import { keyOf, type Writer } from "../../testing/writers.ts";
import { pageIdFromHex } from "../presence/announcement.ts";
import { messagesFeature, presenceFeature } from "./features.ts";
import { encodeMessage, type Message } from "./message.ts";
import { Session, type SessionEffect } from "./session.ts";
import { prefixOf } from "./short-digest.ts";

const world = growWorld([{ type: "write", writer: 0, row: 0, value: 1 }], 2, sha256, false);
const { database } = world;
const [writer] = world.writers as readonly [Writer];
writer.store();
const page = pageIdFromHex("ab".repeat(16));
const [content, signature] = [new Uint8Array([1]), new Uint8Array(64)];
const announcement = { author: keyOf(1), page, counter: 1, sentMs: 1, lifeMs: 1_000, content, signature };
const about = { type: "presence" as const, database, ageMs: 0, announcement };

/** One in which the peer has said that it holds something else. `on.shares`: whether the database is synced with it. */
function spoken(features: readonly string[], on: { shares: boolean } = { shares: true }): Session {
  const [self, peer] = [keyOf(0), keyOf(1)];
  const shares = (): boolean => on.shares;
  const replicas = new Map([[database, writer.replica]]);
  const session = new Session({ ...openHanded, self, peer, replicas, sha256, initiator: false, features, shares });
  hear(session, {
    type: "digest",
    continues: false,
    digests: [{ prefix: prefixOf(database), digest: "00".repeat(12) }],
  });
  return session;
}

function hear(session: Session, message: Message): readonly SessionEffect[] {
  return session.step({ type: "received", bytes: encodeMessage(message) });
}

function typesOf(effects: readonly SessionEffect[]): readonly string[] {
  return effects.map(({ type }) => type);
}

test("[PRESENCE-9] from the moment at which the peer may not be told any more it is not, and is not heard", () => {
  const on = { shares: true };
  const session = spoken([presenceFeature], on);
  const told = (): readonly string[] => typesOf(session.step({ ...about, type: "presenting" }));
  expect([told(), typesOf(hear(session, about))]).toEqual([["send"], ["presence"]]);
  on.shares = false;
  expect([told(), typesOf(hear(session, about))]).toEqual([[], []]);
});

test("[MESSAGE-5] without a feature nothing of it is said, and what is said of it ends the session", () => {
  const opened: Message = { type: "channel", channel: "a", isOpen: true };
  const bytes: Message = { type: "message", channel: "a", bytes: new Uint8Array(1) };
  for (const [features, isPresent, isMessaging] of [
    [[presenceFeature], true, false],
    [[messagesFeature], false, true],
    [[], false, false],
  ] as const) {
    const session = spoken(features);
    expect([session.mayPresent(database), session.mayMessage]).toEqual([isPresent, isMessaging]);
    expect(typesOf(session.step({ ...about, type: "presenting" }))).toEqual(isPresent ? ["send"] : []);
    const opening = session.step({ type: "channelling", channel: "a", isOpen: true });
    expect(typesOf(opening)).toEqual(isMessaging ? ["send"] : []);
    expect(typesOf(hear(spoken(features), about))).toEqual([isPresent ? "presence" : "fail"]);
    for (const message of [opened, bytes])
      expect(typesOf(hear(spoken(features), message))).toEqual([isMessaging ? message.type : "fail"]);
  }
});

test("[MESSAGES-1] bytes of a peer with whom nothing is shared are dropped", () => {
  const on = { shares: false };
  const session = spoken([messagesFeature], on);
  const message: Message = { type: "message", channel: "a", bytes: new Uint8Array(1) };
  expect([typesOf(hear(session, message)), session.mayMessage]).toEqual([[], false]);
});
