/** Who may write to an IndexedDB database: whoever claimed it last. [STORAGE-41] */
import { TidemarkError } from "../core/errors.ts";
import { encodeHex } from "../core/ids.ts";

export interface Claim {
  /** Grows from claim to claim. */
  readonly term: number;
  /** 16 random bytes in hex: terms begin anew when the database was deleted and made again, and an old claim is not a new one then. */
  readonly by: string;
}

/** The object store `lease`, within a transaction. */
interface LeaseStore {
  get(key: string): Promise<unknown>;
}

interface WritableLeaseStore extends LeaseStore {
  put(value: unknown, key: string): Promise<unknown>;
}

const claimKey = "term";

export async function takeClaim(lease: WritableLeaseStore): Promise<Claim> {
  const { term } = toClaim(await lease.get(claimKey));
  const claim = { term: term + 1, by: encodeHex(crypto.getRandomValues(new Uint8Array(16))) };
  await lease.put(claim, claimKey);
  return claim;
}

/** Throws STORAGE_FENCED when somebody claimed after `claim`. */
export async function requireClaim(lease: LeaseStore, { term, by }: Claim): Promise<void> {
  const last = toClaim(await lease.get(claimKey));
  if (last.by !== by) throw new TidemarkError("STORAGE_FENCED", { got: term, expected: last.term });
}

/** A claim that cannot be read is nobody's: the next one is good again. */
function toClaim(value: unknown): Claim {
  const { term, by } = typeof value === "object" && value !== null ? (value as Partial<Claim>) : {};
  const isClaim = Number.isSafeInteger(term) && typeof by === "string";
  return isClaim ? { term: term as number, by: by as string } : { term: 0, by: "" };
}
