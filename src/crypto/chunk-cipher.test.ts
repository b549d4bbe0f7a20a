/** Sealed chunks: what opens where, and under which passphrase. */
import { describe, expect, test } from "vitest";
import type { SealedFile } from "../ports/chunk-cipher.ts";
import { chunkCiphers } from "./chunk-cipher.ts";

const ciphers = chunkCiphers({ memoryKib: 8, passes: 1, lanes: 1 });
const passphrase = "correct horse battery";
const header = new Uint8Array(32).fill(9);
const chunks = [Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(4)];

async function sealAll({ cipher }: SealedFile): Promise<readonly Uint8Array[]> {
  const sealed: Uint8Array[] = [];
  for (const [i, chunk] of chunks.entries()) sealed.push(await cipher.seal(chunk, i === chunks.length - 1, header));
  return sealed;
}

describe("[EXPORT-6] a sealed chunk", () => {
  test("opens at its place", async () => {
    const file = await ciphers.create(passphrase);
    const sealed = await sealAll(file);
    const cipher = await ciphers.open(file.figures, passphrase);
    for (const [i, chunk] of chunks.entries())
      expect(await cipher.open(sealed[i] as Uint8Array, i === chunks.length - 1, header)).toEqual(chunk);
  });

  test("does not open with any bit changed, elsewhere, as another last one, under another header, or in another file", async () => {
    const file = await ciphers.create(passphrase);
    const [first = header, second = header] = await sealAll(file);
    const opens = async (bytes: Uint8Array, isLast = false, of = file, bound = header): Promise<boolean> => {
      const cipher = await ciphers.open(of.figures, passphrase);
      return (await cipher.open(bytes, isLast, bound)) !== undefined;
    };
    expect(await opens(first)).toBe(true);
    for (let bit = 0; bit < 8 * first.length; bit++) {
      const changed = first.slice();
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect([bit, await opens(changed)]).toEqual([bit, false]);
    }
    expect(await opens(second)).toBe(false);
    expect(await opens(first, true)).toBe(false);
    expect(await opens(first, false, file, new Uint8Array(32))).toBe(false);
    expect(await opens(first, false, await ciphers.create(passphrase))).toBe(false);
    expect(await opens(first.slice(0, 10))).toBe(false);
  });

  test("is not the same twice, and says nothing of what it holds", async () => {
    const [one = header] = await sealAll(await ciphers.create(passphrase));
    const [other = header] = await sealAll(await ciphers.create(passphrase));
    expect(one).not.toEqual(other);
    expect(one.length).toBe(3 + 16);
  });
});

describe("[EXPORT-7] a passphrase", () => {
  test("that is another is told, and not the word", async () => {
    const { figures } = await ciphers.create(passphrase);
    const error = await ciphers.open(figures, "wrong horse battery").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "BACKUP_PASSPHRASE" });
    expect(JSON.stringify(error)).not.toContain("horse");
  });

  test("counts as the same from every keyboard", async () => {
    const { figures } = await ciphers.create("Grüße aus Köln");
    await ciphers.open(figures, "Grüße aus Köln".normalize("NFD"));
  });

  test("for a new file has at least 8 characters", async () => {
    await expect(ciphers.create("1234567")).rejects.toMatchObject({ code: "INPUT_INVALID" });
    await ciphers.create("12345678");
  });

  test("is derived as the file says, whatever new files cost", async () => {
    const { figures } = await chunkCiphers({ memoryKib: 16, passes: 2, lanes: 2 }).create(passphrase);
    expect(figures).toMatchObject({ memoryKib: 16, passes: 2, lanes: 2 });
    await ciphers.open(figures, passphrase);
  });
});
