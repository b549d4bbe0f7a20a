import { createDecipheriv, createHash } from "node:crypto";
import * as dagCbor from "@ipld/dag-cbor";
import { argon2id } from "@noble/hashes/argon2.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatBackup, parseBackup } from "../core/backup-text.ts";
import { CborWriter } from "../core/cbor-writer.ts";
import { unwrap } from "../core/errors.ts";
import { encodeHex, entryIdFromDigest } from "../core/ids.ts";
import { backupLanesMax, backupMemoryKibMax, backupPassesMax } from "../core/limits.ts";
import { type BackupContents, openBackup, prepareBackup } from "./backup.ts";
import { checkNewPassphrase, stretch } from "./passphrase.ts";
import { plainSha256 } from "./plain-sha256.ts";

/** The least that Argon2id takes: what is tested here does not depend on it. */
const cheap = { memoryKib: 8, passes: 1, lanes: 1 };
const passphrase = "correct horse battery staple";

const text = (maxLength: number) => fc.string({ unit: "binary", minLength: 1, maxLength });
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const contents: fc.Arbitrary<BackupContents> = fc.record({
  name: text(16),
  createdMs: fc.nat(),
  seed: bytes32,
  sealing: fc.option(
    fc.record({
      publicKey: fc.uint8Array({ minLength: 65, maxLength: 65 }),
      privateKey: fc.uint8Array({ minLength: 1, maxLength: 256 }),
    }),
    { nil: undefined },
  ),
  databases: fc.array(
    fc.record({ id: bytes32.map(entryIdFromDigest), name: text(60), relays: fc.array(text(40), { maxLength: 3 }) }),
    { maxLength: 5 },
  ),
});
const simple: BackupContents = {
  name: "recovery",
  createdMs: 1,
  seed: new Uint8Array(32).fill(5),
  sealing: undefined,
  databases: [],
};

async function seal(given: BackupContents, words = passphrase, cost = cheap): Promise<string> {
  return (await prepareBackup(words, cost))({ ...given, seed: given.seed.slice() });
}

test("[KEYS-18] a backup is a block of lines of at most 76 characters, with a first line that says what it is", async () => {
  await fc.assert(
    fc.asyncProperty(contents, async (given) => {
      const lines = (await seal(given)).split("\n");
      expect(lines[0]).toBe("-----BEGIN TIDEMARK KEY BACKUP-----");
      expect(lines.slice(-2)).toEqual(["-----END TIDEMARK KEY BACKUP-----", ""]);
      for (const line of lines.slice(1, -2)) expect(line).toMatch(/^[A-Za-z0-9_-]{1,76}$/);
    }),
    { numRuns: 20 },
  );
});

test("[KEYS-18] [KEYS-19] what was sealed is read again, however the text was wrapped, indented and quoted around", async () => {
  await fc.assert(
    fc.asyncProperty(contents, fc.integer({ min: 10, max: 200 }), async (given, width) => {
      const sealed = await seal(given);
      const body = sealed.split("\n").slice(1, -2).join("");
      const wrapped = body.match(new RegExp(`.{1,${width}}`, "g"))?.join(" \r\n\t") ?? "";
      const [begin, , end] = [sealed.split("\n")[0], "", sealed.split("\n").at(-2)];
      const letter = `Keep this safe!\r\n\r\n  ${begin}\r\n${wrapped}\r\n${end}\r\n\r\nYours`;
      for (const text of [sealed, letter]) expect(await openBackup(text, passphrase)).toEqual(given);
    }),
    { numRuns: 40 },
  );
});

test("[KEYS-18] one character of the block changed, left out or doubled is BACKUP_MALFORMED, before the passphrase is tried", async () => {
  const sealed = await seal(simple);
  const [first, last] = [sealed.indexOf("\n") + 1, sealed.lastIndexOf("\n--")];
  const wrong: string[] = [];
  for (let at = 0; at < sealed.length - 1; at++) {
    const [before, character, after] = [sealed.slice(0, at), sealed.charAt(at), sealed.slice(at + 1)];
    wrong.push(before + (character === "A" ? "B" : "A") + after);
    const isDigit = at >= first && at < last && character !== "\n";
    if (isDigit) wrong.push(before + after, before + character + character + after);
  }
  expect(wrong.length).toBeGreaterThan(400);
  for (const changed of wrong) {
    await expect(openBackup(changed, "not the passphrase"), changed).rejects.toMatchObject({
      code: "BACKUP_MALFORMED",
    });
  }
});

test("[KEYS-18] a text that is none, or two, is BACKUP_MALFORMED", async () => {
  const sealed = await seal(simple);
  for (const text of ["", "hello", sealed + sealed, sealed.slice(0, 200), sealed.slice(40), sealed.repeat(100_000)]) {
    await expect(openBackup(text, passphrase)).rejects.toMatchObject({ code: "BACKUP_MALFORMED" });
  }
  fc.assert(
    fc.property(fc.uint8Array(), fc.string(), (bytes, text) => {
      expect(parseBackup(formatBackup(bytes, plainSha256), plainSha256)).toMatchObject({ ok: bytes.length > 0 });
      expect(parseBackup(text, plainSha256)).toMatchObject({ ok: false });
    }),
  );
});

test("[KEYS-19] any other passphrase is BACKUP_PASSPHRASE, and the error holds neither", async () => {
  const sealed = await seal(simple);
  const others = fc.oneof(
    fc.string({ minLength: 1 }),
    fc.constantFrom(`${passphrase} `, passphrase.toUpperCase(), passphrase.slice(1)),
  );
  await fc.assert(
    fc.asyncProperty(
      others.filter((other) => other.normalize("NFKC") !== passphrase),
      async (other) => {
        const error = await openBackup(sealed, other).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ code: "BACKUP_PASSPHRASE" });
        expect(String(error)).not.toContain(passphrase);
      },
    ),
    { numRuns: 50 },
  );
});

test("[KEYS-19] a passphrase is the same however it was typed: composed, decomposed, full-width", async () => {
  const sealed = await seal(simple, "Ångström ﬁne １２３");
  expect(await openBackup(sealed, "A\u030angstro\u0308m fine 123")).toEqual(simple);
});

test("[KEYS-19] a new passphrase has at least 8 characters, and no error holds one", async () => {
  for (const good of ["12345678", "🔑🔑🔑🔑🔑🔑🔑🔑", "x".repeat(1_024)]) checkNewPassphrase(good);
  for (const bad of ["1234567", "🔑🔑🔑🔑", "", "\ud800 and more", "x".repeat(1_025), undefined, 12_345_678]) {
    expect(() => checkNewPassphrase(bad)).toThrow(expect.objectContaining({ code: "INPUT_INVALID" }));
    expect(() => checkNewPassphrase(bad)).not.toThrow(/1234567|and more|xxx/);
  }
});

test("[KEYS-19] two backups of the same contents with the same passphrase share no part, salt and nonce being random", async () => {
  const [one, other] = [await seal(simple), await seal(simple)].map((sealed) =>
    unwrap(parseBackup(sealed, plainSha256)),
  );
  // What is in clear before them: the version and the figures.
  expect(one?.subarray(0, 5)).toEqual(other?.subarray(0, 5));
  for (const [from, to] of [
    [6, 22],
    [23, 35],
    [37, 60],
  ] as const) {
    expect(one?.subarray(from, to)).not.toEqual(other?.subarray(from, to));
  }
});

test("[KEYS-19] libraries that share nothing with ours open a backup as the document says", async () => {
  const given: BackupContents = {
    ...simple,
    sealing: { publicKey: new Uint8Array(65).fill(4), privateKey: new Uint8Array(138).fill(6) },
    databases: [{ id: entryIdFromDigest(new Uint8Array(32).fill(3)), name: "Board", relays: ["wss://relay.example"] }],
  };
  const sealed = await seal(given, passphrase, { memoryKib: 256, passes: 2, lanes: 2 });
  const bytes = Buffer.from(sealed.split("\n").slice(1, -2).join(""), "base64url");
  const body = bytes.subarray(0, -8);
  const checksum = createHash("sha256").update("tidemark/backup/1\0").update(body).digest().subarray(0, 8);
  expect(bytes.subarray(-8).equals(checksum)).toBe(true);

  const fields = dagCbor.decode<[number, number, number, number, Uint8Array, Uint8Array, Uint8Array]>(body);
  const [version, m, t, p, salt, nonce, ciphertext] = fields;
  expect([version, m, t, p, salt.length, nonce.length]).toEqual([1, 256, 2, 2, 16, 12]);
  const key = argon2id(passphrase, salt, { m, t, p, dkLen: 32 });
  const decipher = createDecipheriv("aes-256-gcm", key, nonce);
  // All that stands before the ciphertext, whose head has three bytes here.
  decipher.setAAD(body.subarray(0, body.length - ciphertext.length - 3));
  decipher.setAuthTag(ciphertext.subarray(-16));
  const plain = Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]);
  type Contents = [number, string, [{ bytes: Uint8Array }, string, string[]][], [Uint8Array, Uint8Array], Uint8Array];
  const [createdMs, name, databases, sealing, seed] = dagCbor.decode<Contents>(plain);
  expect(sealing).toEqual([given.sealing?.publicKey, given.sealing?.privateKey]);
  expect([createdMs, name, seed]).toEqual([1, "recovery", given.seed]);
  expect(databases.map(([id, ...rest]) => [encodeHex(id.bytes.slice(-32)), ...rest])).toEqual([
    [given.databases[0]?.id, "Board", ["wss://relay.example"]],
  ]);
});

test("[KEYS-19] Argon2id gives what another implementation gives", async () => {
  const costs = fc.record({
    memoryKib: fc.integer({ min: 32, max: 200 }),
    passes: fc.integer({ min: 1, max: 4 }),
    lanes: fc.integer({ min: 1, max: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      costs,
      async (password, salt, cost) => {
        const expected = argon2id(password, salt, { m: cost.memoryKib, t: cost.passes, p: cost.lanes, dkLen: 32 });
        expect(await stretch(password, salt, cost)).toEqual(expected);
      },
    ),
    { numRuns: 15 },
  );
});

function craft(...fields: readonly (number | Uint8Array)[]): string {
  const writer = new CborWriter();
  writer.array(fields.length);
  for (const field of fields) typeof field === "number" ? writer.uint(field) : writer.bytes(field);
  return formatBackup(writer.finish(), plainSha256);
}

const [salt, nonce, ciphertext] = [16, 12, 100].map((length) => new Uint8Array(length)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];

test.each([
  ["more memory", [1, backupMemoryKibMax + 1, 1, 1]],
  ["all the memory there is", [1, 2 ** 40, 1, 1]],
  ["more passes", [1, 8, backupPassesMax + 1, 1]],
  ["more lanes", [1, 64, 1, backupLanesMax + 1]],
  ["no memory", [1, 7, 1, 1]],
  ["too little memory for its lanes", [1, 31, 1, 4]],
  ["no pass", [1, 8, 0, 1]],
  ["no lane", [1, 8, 1, 0]],
  ["version 0", [0, 8, 1, 1]],
])("[KEYS-20] a text that asks for %s is BACKUP_MALFORMED, and nothing is computed", async (_, figures) => {
  const begun = performance.now();
  await expect(openBackup(craft(...figures, salt, nonce, ciphertext), passphrase)).rejects.toMatchObject({
    code: "BACKUP_MALFORMED",
  });
  expect(performance.now() - begun).toBeLessThan(1_000);
});

test("[KEYS-20] the dearest figures that are read at all are still a matter of seconds", async () => {
  const sealed = craft(1, backupMemoryKibMax, 1, 1, salt, nonce, ciphertext);
  await expect(openBackup(sealed, passphrase)).rejects.toMatchObject({ code: "BACKUP_PASSPHRASE" });
});

test("[KEYS-20] bytes of any other form are BACKUP_MALFORMED", async () => {
  const others = [craft(), craft(1), craft(1, 8, 1, 1, salt, nonce), craft(1, 8, 1, 1, nonce, salt, ciphertext)];
  others.push(craft(1, 8, 1, 1, salt, nonce, ciphertext, 1), formatBackup(Uint8Array.of(0xff, 1, 2), plainSha256));
  for (const text of others)
    await expect(openBackup(text, passphrase)).rejects.toMatchObject({ code: "BACKUP_MALFORMED" });
});

test("[KEYS-21] a later version is BACKUP_VERSION, whatever follows", async () => {
  for (const text of [craft(2), craft(3, 2 ** 40), craft(2 ** 33, salt, 5)]) {
    await expect(openBackup(text, passphrase)).rejects.toMatchObject({ code: "BACKUP_VERSION" });
  }
});

/** Made by the first version that had backups, with the usual figures: it has to be read for ever. */
const recorded = `-----BEGIN TIDEMARK KEY BACKUP-----
hwEaAAEAAAMBUANXA7hc1nw_5t60GWu1ZhRMSofofgiowDE2va-TWQEVe5xtIfO7wKfOYd4syP-p
--S5Vh1f1AngWErL8kFXX8r9nm3FgU_XZk-BYOUGs7tqcVS7udNbqK9kne60IfoWBVUtTQ4dFxCh
tUatoq7pLx3aDslKmDwxtyVhfxjxT4r7HO3mBA8ct-kt6KyT6AbKkEgkipQsR2JZp69ZHf4Ha_Je
dWwfxN_JBL7W3PNMAIG9GRDDYm7UdpVwJUBusasxAMsN1n0II4doOkGUXstw3vWXpa8eepoqajMe
ow6bxw9UGFynw5rSpSiQyg5XMbHmE9uRi21cBYte82s7YObTXQN3AbV_god3cXCYrkCvQtxuNv9u
tKKISiHCtKP-dK_2TMB_vBcNusu5WVSH5BWvN4zGKXCyt_Qt0d3-2H99
-----END TIDEMARK KEY BACKUP-----
`;

test("[KEYS-19] a text that the first version wrote is read", async () => {
  expect(await openBackup(recorded, "first of all")).toEqual({
    name: "recovery",
    createdMs: 1_795_000_000_000,
    seed: Uint8Array.from({ length: 32 }, (_, i) => i),
    sealing: { publicKey: new Uint8Array(65).fill(4), privateKey: new Uint8Array(67).fill(6) },
    databases: [{ id: entryIdFromDigest(new Uint8Array(32).fill(9)), name: "Board", relays: ["wss://relay.example/"] }],
  });
});
