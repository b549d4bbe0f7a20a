/** SHA-256 in plain JavaScript: there at once, without WebAssembly, for what is hashed rarely. In a file of its own, so that pages load no more. */
import { sha256 } from "@noble/hashes/sha2.js";
import type { Sha256 } from "../core/ids.ts";

export const plainSha256: Sha256 = sha256;
