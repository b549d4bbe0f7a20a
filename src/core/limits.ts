/** Every limit in one place, each with its reason. A limit without arithmetic is a guess: say so where it is one. */

const kib = 1024;
const mib = 1024 * kib;

/** One entry, signature included. A transaction of 100,000 rows of 230 B is about 28 MB. */
export const entryBytesMax: number = 32 * mib;
/** A merge of more tips than this is split over several entries; honest replicas rarely see more than a handful. */
export const parentsMax = 64;
/** Stores touched by one transaction. */
export const storesMax = 64;
export const storeNameBytesMax: number = 128;
export const storeTypeBytesMax: number = 32;
export const rowIdBytesMax: number = 1 * kib;
export const columnNameBytesMax: number = 1 * kib;
/** Rows touched in one store by one transaction; the entry's own size binds first for rows of usual size. */
export const rowsPerTransactionMax = 200_000;
/** Nesting of one JSON value. */
export const depthMax: number = 128;
/** Branches one author's chain may have before further ones are refused. */
export const forksMax = 16;
/** How far ahead of our clock an entry may be before it is held back. */
export const clockAheadMsMax: number = 60_000;

/** Entries waiting for parents, per database. */
export const pendingEntriesMax = 10_000;
export const pendingBytesMax: number = 16 * mib;

/** A batch of entries on the wire: whichever is reached first; one entry larger than the bytes travels alone. */
export const batchEntriesMax = 1_000;
export const batchBytesMax: number = 256 * kib;
/** Batches sent and not yet confirmed as stored. 8 x 256 KiB keeps the channel busy while the far side stores. */
export const batchesInFlightMax = 8;
/** A message before the handshake is done, and from a peer that shares no database with us. */
export const strangerMessageBytesMax: number = 64 * kib;
/** A message from a peer that may write: one entry of the largest size and its envelope. */
export const messageBytesMax: number = entryBytesMax + 64 * kib;
export const databasesPerDigestMax = 1_000;
export const headsPerFrontierMax = 10_000;
export const wantsMax = 1_000;

export const handshakeTimeoutMs = 10_000;
export const peersMax = 32;
