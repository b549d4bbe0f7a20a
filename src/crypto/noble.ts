/** noble-ed25519 with its SHA-512 plugged in. Import it from here: the library alone cannot hash synchronously. */
import { getPublicKey, hash, hashes, Point, sign } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";

hashes.sha512 = sha512;

export { getPublicKey, hash as sha512, Point, sign };
