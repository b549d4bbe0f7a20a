/** Further keys of a session, and people who ask to be let in. */
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isAcceptableSignature } from "../../crypto/acceptance.ts";
import { arbitraryPublicKey } from "../../testing/arbitrary.ts";
import { Conversation, type Line, openHanded, Site } from "../../testing/sites.ts";
import { keyOf, rowParts, sealRoot, setPower, settingsParts, startMs, Writer } from "../../testing/writers.ts";
import { type DatabaseId, encodeHex, publicKeyFromBytes } from "../ids.ts";
import { knockBytesMax, memberNameBytesMax, proofsPerSessionMax, requestNoteBytesMax } from "../limits.ts";
import { NONE, READ, WRITE } from "../store/power.ts";
import type { SettingsOp } from "../store/settings.ts";
import { commitmentOf } from "./commitments.ts";
import { decoyProof, hideKeyProof, keyProofBytesLength, revealKeyProof } from "./key-proof.ts";
import { hideKnock, type Knock, revealKnock } from "./knock.ts";
import type { MaskPlace } from "./mask.ts";
import { encodeMessage, type Message } from "./message.ts";
import { Session } from "./session.ts";
import { prefixOf } from "./short-digest.ts";

const good = new Uint8Array(64).fill(1);
const bad = new Uint8Array(64);
const knock: Knock = { name: "Zoe", note: "Let me in, please.", power: WRITE, sealKey: undefined };

function database(ops: readonly SettingsOp[]): { readonly id: DatabaseId; readonly owner: Writer } {
  const root = sealRoot(keyOf(0), sha256, settingsParts({ type: "name", name: "x" }, ...ops));
  const owner = new Writer(keyOf(0), root.id, sha256);
  owner.receive([root]);
  for (let i = 0; i < 3; i++) owner.write(rowParts(`r${i}`), startMs);
  owner.store();
  return { id: root.id, owner };
}

interface Met {
  readonly id: DatabaseId;
  readonly talk: Conversation;
  readonly host: Line;
  readonly guest: Line;
}

/** Site 0 holds a database with these settings; site 8 holds nothing, or the same. */
function meet(ops: readonly SettingsOp[], holds = false): Met {
  const { id, owner } = database(ops);
  const [one, other] = [new Site(0, sha256), new Site(8, sha256)];
  one.open(id, owner.entries);
  other.open(id, holds ? owner.entries : []);
  const talk = new Conversation(one, other);
  const [host, guest] = talk.connect(one, other);
  return { id, talk, host, guest };
}

function sizeAtGuest({ talk, id }: Met): number | undefined {
  return talk.sites[1]?.replica(id).graph.size;
}

describe("[SESSION-27] a further key", () => {
  test("that is proven may do in that database what it may do, and in no other", () => {
    const met = meet([setPower(keyOf(9), READ)]);
    const other = database([setPower(keyOf(9), WRITE)]);
    met.talk.sites[0]?.open(other.id, other.owner.entries);
    met.talk.sites[1]?.open(other.id);
    met.guest.step({ type: "proving", database: met.id, key: keyOf(9), signature: good });
    met.talk.run();
    expect([sizeAtGuest(met), met.talk.sites[1]?.replica(other.id).graph.size]).toEqual([4, 0]);
    expect([met.host.session.keyOf(met.id), met.host.session.keyOf(other.id)]).toEqual([keyOf(9), keyOf(8)]);
    expect(met.host.session.isEntitled(met.id)).toBe(true);
  });

  test("that is not proven is nothing, and nothing is said about it", () => {
    const met = meet([setPower(keyOf(9), READ)]);
    met.guest.step({ type: "proving", database: met.id, key: keyOf(9), signature: bad });
    met.talk.run();
    expect([sizeAtGuest(met), met.host.sent.length]).toEqual([0, 1]);
  });

  test("leaves the session's own key what that may do", () => {
    const met = meet([setPower(keyOf(8), READ)]);
    met.guest.step({ type: "proving", database: met.id, key: keyOf(9), signature: good });
    met.talk.run();
    expect(sizeAtGuest(met)).toBe(4);
  });

  test("that may not read any more gets nothing more", () => {
    const met = meet([setPower(keyOf(9), READ)]);
    met.guest.step({ type: "proving", database: met.id, key: keyOf(9), signature: good });
    met.talk.run();
    met.talk.sites[0]?.write(met.id, settingsParts(setPower(keyOf(9), NONE)));
    met.talk.sites[0]?.write(met.id, rowParts("secret"));
    met.talk.run();
    expect([sizeAtGuest(met), met.host.isOver]).toEqual([4, true]);
  });

  test("costs whoever is asked at most so many checks in one session", () => {
    const session = new Session({ ...openHanded, self: keyOf(0), peer: keyOf(8), replicas: new Map(), sha256 });
    const message: Message = {
      type: "prove",
      commitment: "ab".repeat(12),
      hidden: new Uint8Array(keyProofBytesLength),
    };
    const receive = () => session.step({ type: "received", bytes: encodeMessage(message) });
    for (let i = 0; i < proofsPerSessionMax; i++) expect(receive()).toHaveLength(1);
    expect(receive()).toMatchObject([{ type: "fail", failure: { code: "MESSAGE_UNEXPECTED" } }]);
  });
});

describe("[SESSION-31] what proves a further key", () => {
  const { id } = database([]);
  const place: MaskPlace = { database: id, speaker: keyOf(8), transcript: new Uint8Array(32).fill(1), sha256 };
  const bytes64 = fc.uint8Array({ minLength: 64, maxLength: 64 });
  const halves = (signature: Uint8Array) => [signature.subarray(0, 32), signature.subarray(32)].map(encodeHex);

  test("comes to those who know the database, and is of no use to others", () => {
    fc.assert(
      fc.property(arbitraryPublicKey(), bytes64, (key, signature) => {
        const hidden = hideKeyProof({ key, signature }, place);
        expect(hidden).toHaveLength(keyProofBytesLength);
        expect(revealKeyProof(hidden, place)).toEqual({ key, signature });
        const others: readonly Partial<MaskPlace>[] = [
          { database: database([setPower(keyOf(1), READ)]).id },
          { speaker: keyOf(9) },
          { transcript: new Uint8Array(32).fill(2) },
        ];
        for (const other of others) {
          const revealed = revealKeyProof(hidden, { ...place, ...other });
          expect(revealed.key).not.toBe(key);
          for (const half of halves(signature)) expect(encodeHex(revealed.signature)).not.toContain(half);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("is in nothing that a session sends, and other bytes stand for it in each session", () => {
    const signature = Uint8Array.from({ length: 64 }, (_, i) => i + 1);
    const said = [1, 2].map((transcript) => {
      const site = new Site(8, sha256);
      site.open(id);
      const handed = { ...openHanded, transcript: new Uint8Array(32).fill(transcript), sha256 };
      const session = new Session({ ...handed, self: keyOf(8), peer: keyOf(1), replicas: site.replicas });
      const effects = session.step({ type: "proving", database: id, key: keyOf(9), signature });
      return effects.flatMap((effect) => (effect.type === "send" ? [encodeHex(effect.bytes)] : [])).join();
    });
    for (const text of said) {
      expect(text.length).toBeGreaterThan(2 * keyProofBytesLength);
      for (const part of [keyOf(9), ...halves(signature), prefixOf(id)]) expect(text).not.toContain(part);
    }
    expect(said[0]?.slice(-2 * keyProofBytesLength)).not.toBe(said[1]?.slice(-2 * keyProofBytesLength));
  });

  test("is hidden by another stream than a request in the same session: neither uncovers the other, nor itself", () => {
    const nothing = { key: publicKeyFromBytes(new Uint8Array(32)), signature: new Uint8Array(64) };
    const stream = hideKeyProof(nothing, place);
    const parts = [0, 32, 64].map((at) => encodeHex(stream.subarray(at, at + 32)));
    expect(new Set(parts).size).toBe(3);
    const uncovered = hideKnock(knock, place).map((byte, i) => byte ^ (stream[i] ?? 0));
    expect(new TextDecoder().decode(uncovered)).not.toContain(knock.name);
  });

  test("costs one check, be the database known or not: where it is not, of a signature that is well-formed and bad", () => {
    const site = new Site(0, sha256);
    site.open(id, database([]).owner.entries);
    const { transcript } = openHanded;
    const proof = { key: keyOf(9), signature: good };
    const message: Message = {
      type: "prove",
      commitment: commitmentOf(id, keyOf(8), transcript, sha256),
      hidden: hideKeyProof(proof, { ...place, transcript }),
    };
    const checked = [site.replicas, new Map()].map((replicas) => {
      const session = new Session({ ...openHanded, self: keyOf(0), peer: keyOf(8), replicas, sha256 });
      return session.step({ type: "received", bytes: encodeMessage(message) });
    });
    expect(checked).toMatchObject([[{ type: "checkKey", ...proof }], [{ type: "checkKey", ...decoyProof(keyOf(8)) }]]);
    expect(isAcceptableSignature(decoyProof(keyOf(8)).signature)).toBe(true);
  });
});

describe("[REQUEST-1] a request", () => {
  test.each([
    ["where the database is not known", undefined],
    ["where it is known", []],
    ["where the key may read anyway", [setPower(keyOf(8), READ)]],
    ["where the key was removed", [setPower(keyOf(8), NONE)]],
  ])("is answered alike %s", (_where, ops) => {
    const met = meet(ops ?? []);
    if (ops === undefined) met.talk.sites[0]?.replicas.clear();
    met.guest.step({ type: "knocking", database: met.id, knock });
    met.talk.run();
    const commitment = commitmentOf(met.id, keyOf(8), openHanded.transcript, sha256);
    const answers = met.host.sent.filter(({ type }) => ["heard", "unavailable", "rejected"].includes(type));
    expect(answers).toEqual([{ type: "heard", commitment }]);
    expect(met.guest.happened).toContain("heardKnock");
    expect(met.host.happened.includes("knocked")).toBe(ops !== undefined);
  });

  test("is answered alike where the database is not synced with this peer", () => {
    const { id, owner } = database([]);
    const site = new Site(0, sha256);
    site.open(id, owner.entries);
    const options = { ...openHanded, self: keyOf(0), peer: keyOf(8), replicas: site.replicas, sha256 };
    const session = new Session({ ...options, shares: () => false });
    const place: MaskPlace = { database: id, speaker: keyOf(8), transcript: openHanded.transcript, sha256 };
    const commitment = commitmentOf(id, keyOf(8), openHanded.transcript, sha256);
    const message: Message = { type: "knock", commitment, hidden: hideKnock(knock, place) };
    const effects = session.step({ type: "received", bytes: encodeMessage(message) });
    expect(effects).toEqual([{ type: "send", bytes: encodeMessage({ type: "heard", commitment }) }]);
  });

  test("that was rejected is told so while it is unanswered, and not when the key may read after all", () => {
    const met = meet([]);
    met.host.step({ type: "rejecting", database: met.id });
    expect(met.host.sent.map(({ type }) => type)).toEqual(["digest"]);
    met.guest.step({ type: "knocking", database: met.id, knock });
    met.talk.run();
    met.host.step({ type: "rejecting", database: met.id });
    met.talk.run();
    expect(met.guest.happened.filter((type) => type === "rejectedKnock")).toHaveLength(1);
    met.talk.sites[0]?.write(met.id, settingsParts(setPower(keyOf(8), READ)));
    met.talk.run();
    met.host.step({ type: "rejecting", database: met.id });
    met.talk.run();
    expect(met.guest.happened.filter((type) => type === "rejectedKnock")).toHaveLength(1);
  });

  test("that is granted brings the database to whoever asked, without another word", () => {
    const met = meet([]);
    met.guest.step({ type: "knocking", database: met.id, knock });
    met.talk.run();
    expect(sizeAtGuest(met)).toBe(0);
    met.talk.sites[0]?.write(met.id, settingsParts(setPower(keyOf(8), READ)));
    met.talk.run();
    expect(sizeAtGuest(met)).toBe(5);
  });
});

describe("[REQUEST-2] what is said with a request", () => {
  const place: MaskPlace = { database: database([]).id, speaker: keyOf(8), transcript: new Uint8Array(32), sha256 };
  const knocks: fc.Arbitrary<Knock> = fc.record({
    name: fc.string({ unit: "grapheme", maxLength: 12 }),
    note: fc.string({ unit: "grapheme", maxLength: 80 }),
    power: fc.integer({ min: 0, max: NONE }),
    sealKey: fc.option(fc.uint8Array({ minLength: 65, maxLength: 65 }), { nil: undefined }),
  });

  test("comes to those who know the database, and is of no use to others", () => {
    fc.assert(
      fc.property(knocks, (said) => {
        const hidden = hideKnock(said, place);
        expect(revealKnock(hidden, place)).toEqual(said);
        const others: readonly Partial<MaskPlace>[] = [
          { database: database([setPower(keyOf(1), READ)]).id },
          { speaker: keyOf(9) },
          { transcript: new Uint8Array(32).fill(1) },
        ];
        for (const other of others) expect(revealKnock(hidden, { ...place, ...other })).not.toEqual(said);
      }),
      { numRuns: 50 },
    );
  });

  test("is not in what is sent, nor is the database's id", () => {
    const name = "A name that is seen";
    const text = encodeHex(hideKnock({ ...knock, name, note: name }, place));
    expect(text).not.toContain(encodeHex(new TextEncoder().encode(name)));
    expect(text).not.toContain(prefixOf(place.database));
  });

  test("is hidden by another stream when it is another one, also in one session", () => {
    const [one, other] = ["aaaa", "bbbb"].map((note) => hideKnock({ ...knock, note }, place));
    const differences = one?.filter((byte, i) => byte !== other?.[i]).length ?? 0;
    expect(differences).toBeGreaterThan(16);
  });

  test("is bounded: a longer name or note is no request, and the longest that there can be fit a message", () => {
    const longest: Knock = {
      name: "n".repeat(memberNameBytesMax),
      note: "n".repeat(requestNoteBytesMax),
      power: NONE,
      sealKey: new Uint8Array(65),
    };
    const hidden = hideKnock(longest, place);
    expect(hidden.length).toBeLessThanOrEqual(knockBytesMax);
    expect(revealKnock(hidden, place)).toEqual(longest);
    for (const field of ["name", "note"] as const)
      expect(revealKnock(hideKnock({ ...longest, [field]: `${longest[field]}x` }, place), place)).toBeUndefined();
  });

  test("no bytes make it throw", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => void revealKnock(bytes, place)));
  });
});
