import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { loadSha256 } from "../../crypto/sha256.ts";
import { entryIdFromHex, publicKeyFromHex } from "../ids.ts";
import { actorOf } from "./actor.ts";

const sha256 = await loadSha256();
const database = entryIdFromHex("d1".repeat(32));
const author = publicKeyFromHex("a2".repeat(32));
const nonce = new Uint8Array(16).fill(3);
const none = new Uint8Array(0);

test("[DOC-1] an actor is the hash of database, key and nonce under a tag of its own, cut to 16 bytes, and a label", () => {
  const hashed = createHash("sha256")
    .update("tidemark/actor/1\0")
    .update(Buffer.from("d1".repeat(32) + "a2".repeat(32) + "03".repeat(16), "hex"))
    .digest();
  expect(actorOf(database, author, nonce, none, sha256)).toEqual(Uint8Array.from(hashed.subarray(0, 16)));
  const label = Uint8Array.of(7, 8);
  expect(actorOf(database, author, nonce, label, sha256)).toEqual(Uint8Array.of(...hashed.subarray(0, 16), 7, 8));
});

test("[DOC-1] another database, key or nonce is another actor", () => {
  const actors = [
    actorOf(database, author, nonce, none, sha256),
    actorOf(entryIdFromHex("d2".repeat(32)), author, nonce, none, sha256),
    actorOf(database, publicKeyFromHex("a3".repeat(32)), nonce, none, sha256),
    actorOf(database, author, new Uint8Array(16).fill(4), none, sha256),
  ];
  expect(new Set(actors.map(String)).size).toBe(actors.length);
});
