/** What is signed is signed for one purpose: the registry of tags against the code. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { domainTags, signedUnder } from "./core/domain-tags.ts";
import { type EntryBody, encodeUnsigned } from "./core/entry.ts";
import { type DatabaseId, publicKeyFromHex } from "./core/ids.ts";
import { redeemMessage } from "./core/invite-proof.ts";
import { announcementMessage, pageIdFromHex } from "./core/presence/announcement.ts";
import { joinMessage, proveMessage } from "./core/protocol/admission.ts";
import { handshakeMessage } from "./core/protocol/handshake.ts";
import { proofBytes } from "./core/protocol/relay-message.ts";

const source = fileURLToPath(new URL(".", import.meta.url));
const shipped = readdirSync(source, { recursive: true, encoding: "utf8" }).filter(
  (file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && !file.startsWith("testing"),
);

function read(file: string): string {
  return readFileSync(join(source, file), "utf8");
}

test("[HOSTILE-2] no tag is the beginning of another: each ends in its only zero byte, and names Tidemark and a version", () => {
  const tags = Object.values(domainTags);
  expect(tags.filter((tag) => !/^tidemark\/[a-z-]+\/1(\/[a-z-]+)?\0$/.test(tag))).toEqual([]);
  for (const tag of tags) expect(tags.filter((other) => other.startsWith(tag))).toEqual([tag]);
  expect(signedUnder.filter((tag) => !(tags as readonly string[]).includes(tag))).toEqual([]);
});

test("[HOSTILE-2] every tag stands in the registry and is used, and nowhere else is one written down", () => {
  const elsewhere = shipped.filter(
    (file) => file !== "core/domain-tags.ts" && /["']tidemark\/[^"']*\\0/.test(read(file)),
  );
  expect(elsewhere).toEqual([]);
  const all = shipped.map(read).join("\n");
  expect(
    Object.keys(domainTags).filter((name) => !new RegExp(`domainTags\\.${name}\\b`).test(all.replace(registry, ""))),
  ).toEqual([]);
});

/** The registry itself uses the tags it lists. */
const registry: string = read("core/domain-tags.ts");

/** Every signature that is made, and what of: the functions put a tag in front. A new place belongs here, and its tag in the registry. */
const signers: readonly string[] = [
  "crypto/sealing.ts: identity.sign(concatBytes(cardTag, signed))",
  // The platform's own, behind the port.
  'crypto/stored-key.ts: platform.sign("Ed25519", privateKey, unshared(message))',
  "engine/committing.ts: identity.sign(message)",
  "engine/joins.ts: identity.sign(proveMessage(path.transcript, self, commitment))",
  "engine/joins.ts: invite.sign(joinMessage(path.transcript, identity.publicKey, commitment))",
  "engine/joins.ts: invite.sign(redeemMessage(id, identity.publicKey))",
  "engine/path-handshake.ts: identity.sign(effect.message)",
  "engine/presence-room.ts: identity.sign(announcementMessage(id, body))",
  "engine/root.ts: owner.sign(message)",
  "transport/relay-socket.ts: identity.sign(proofBytes(nonce, host))",
];

test("[HOSTILE-1] no place signs that is not known to put a tag in front", () => {
  const calls = shipped.flatMap((file) => callsIn(read(file)).map((call) => `${file}: ${call}`));
  expect(calls.sort()).toEqual([...signers].sort());
  for (const file of ["engine/committing.ts", "engine/root.ts"])
    expect(read(file)).toMatch(/const message = encodeUnsigned\(/);
});

/** Calls of a method `sign`, each with its arguments. */
function callsIn(code: string): readonly string[] {
  return [...code.matchAll(/(?:#options\.)?(\w+)\.sign\(/g)]
    .filter(([, object]) => object !== "Math")
    .map(({ 0: start, 1: object, index }) => {
      let [at, depth] = [index + start.length, 1];
      for (; depth > 0; at++) depth += code[at] === "(" ? 1 : code[at] === ")" ? -1 : 0;
      return `${object}.sign(${code.slice(index + start.length, at)}`;
    });
}

const key = publicKeyFromHex("11".repeat(32));
const id = "22".repeat(32) as DatabaseId;
const bytes = new Uint8Array(32).fill(3);
const commitment = "44".repeat(12);
const announced = { author: key, page: pageIdFromHex("ab".repeat(16)), counter: 1, sentMs: 1, lifeMs: 1 };
const stores = [{ name: "rows", type: "table", payload: bytes }];
const root: EntryBody = {
  ...{ database: undefined, author: key, seq: 0, prev: undefined, parents: [], height: 0, time: 0, stores },
};

test.each<[string, Uint8Array]>([
  [domainTags.entry, encodeUnsigned(root)],
  [domainTags.handshakeInitiator, handshakeMessage("initiator", bytes)],
  [domainTags.handshakeResponder, handshakeMessage("responder", bytes)],
  [domainTags.relay, proofBytes(bytes, "relay.example")],
  [domainTags.join, joinMessage(bytes, key, commitment)],
  [domainTags.prove, proveMessage(bytes, key, commitment)],
  [domainTags.redeem, redeemMessage(id, key)],
  [domainTags.presence, announcementMessage(id, { ...announced, content: bytes })],
])("[HOSTILE-1] what is signed under %j begins with it", (tag, message) => {
  expect(new TextDecoder().decode(message.subarray(0, tag.length))).toBe(tag);
  expect(signedUnder).toContain(tag);
});
