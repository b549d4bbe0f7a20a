/** Keys from passphrases, at a price for every guess. */
import { argon2id } from "hash-wasm";
import { show, TidemarkError } from "../core/errors.ts";
import { passphraseBytesMax, passphraseCharactersMin } from "../core/limits.ts";
import { encodeUtf8, utf8Length } from "../core/utf8.ts";
import { requireSubtle, unshared } from "./web-crypto.ts";

/** The parameters of Argon2id (RFC 9106). */
export interface PassphraseCost {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
}

/** What is made of a passphrase before it counts: the same from every keyboard. Throws INPUT_INVALID, which never holds the passphrase. */
function normalize(passphrase: unknown): string {
  const text = typeof passphrase === "string" ? passphrase.normalize("NFKC") : "";
  const length = utf8Length(text);
  if (text !== "" && length > 0 && length <= passphraseBytesMax) return text;
  const got = typeof passphrase === "string" ? "another text" : show(typeof passphrase);
  throw invalid(got, `well-formed text of 1 to ${passphraseBytesMax} bytes`);
}

/** For a passphrase that somebody thinks of: at least 8 characters. Throws INPUT_INVALID, which never holds the passphrase. */
export function checkNewPassphrase(passphrase: unknown): void {
  const { length } = [...normalize(passphrase)];
  if (length < passphraseCharactersMin) {
    throw invalid(`${length} characters`, `at least ${passphraseCharactersMin} characters`);
  }
}

/** A key for AES-256-GCM. Rejects with INPUT_INVALID, and with ENVIRONMENT_UNSUPPORTED where it cannot be computed. */
export async function deriveKey(passphrase: string, salt: Uint8Array, cost: PassphraseCost): Promise<CryptoKey> {
  const bytes = await stretch(encodeUtf8(normalize(passphrase)), salt, cost);
  const key = await requireSubtle().importKey("raw", unshared(bytes), "AES-GCM", false, ["encrypt", "decrypt"]);
  bytes.fill(0);
  return key;
}

/** Argon2id version 1.3, 32 bytes. */
export async function stretch(password: Uint8Array, salt: Uint8Array, cost: PassphraseCost): Promise<Uint8Array> {
  const { memoryKib, passes, lanes } = cost;
  try {
    return await argon2id({
      password,
      salt,
      memorySize: memoryKib,
      iterations: passes,
      parallelism: lanes,
      hashLength: 32,
      outputType: "binary",
    });
  } catch (error) {
    const missing = `WebAssembly with ${Math.ceil(memoryKib / 1024)} MiB of memory`;
    throw new TidemarkError("ENVIRONMENT_UNSUPPORTED", { missing }, { cause: error });
  }
}

function invalid(got: string, expected: string): TidemarkError {
  return new TidemarkError("INPUT_INVALID", { field: "passphrase", got, expected });
}
