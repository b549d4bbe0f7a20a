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
/** Columns in one put or update. Each later update of a row copies its columns, so this also bounds the cost of small ones. */
export const columnsPerRowMax = 1_000;
/** Keys of a kv store. */
export const keyBytesMax: number = 1 * kib;
/** Rows or keys touched in one store by one transaction; the entry's own size binds first for rows of usual size. */
export const rowsPerTransactionMax = 200_000;
/** Names, grants and invites written by one transaction to the settings. A guess: people write one or two. */
export const settingsOpsMax = 1_000;
/** The name of a database, and the label of an invite. A guess: more fits on no screen. */
export const labelBytesMax = 256;
/** Nesting of one JSON value. */
export const depthMax: number = 128;
/** Values inside one JSON value: an empty object is one byte encoded and some 60 decoded, so 60 MB at worst. */
export const valueItemsMax = 1_000_000;
/**
 * Values, names and ops in all payloads of one entry, a byte string counting four: some 60 bytes each in memory, so 250 MB at
 * worst. 100,000 rows of ten columns are 2.3 million.
 */
export const entryItemsMax = 4_000_000;
/** Branches of one author's chain beyond which each further one is reported. None is refused: replicas would differ in which. */
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
/**
 * Messages of one peer that came and were not taken yet. Batches are bounded by the window (8 x 256 KiB, or one entry of the
 * largest size); what comes beside them is small, and about one message for each of `databasesPerDigestMax` databases.
 */
export const inboundMessagesMax = 10_000;
export const inboundBytesMax: number = 2 * messageBytesMax;
/** Messages for one peer that wait for its channel; with more of them nothing more is taken from it. A guess. */
export const outboundMessagesMax = 1_000;
export const databasesPerDigestMax = 1_000;
/** 10,000 heads with their authors are 800 kB. More are cut: see [FRONTIER-4]. */
export const headsPerFrontierMax = 10_000;
export const headsPerAuthorMax = 64;
/** Of one author's chain: `forksMax` branches of a million entries each need 16 x 21. */
export const samplesMax = 512;
export const wantsMax = 1_000;

export const handshakeTimeoutMs = 10_000;
/** For opening the database on the disk: half a second on a slow phone, while a tab that blocks it does so for ever. */
export const storageOpenTimeoutMs = 5_000;
/** From the wish for a connection to an open channel. On the open internet candidates can take several seconds to be tried. */
export const connectTimeoutMs = 20_000;
/**
 * Connections that one page brings up at once: each gathers candidates and probes those of its peer until it is up or timed out. A guess.
 * How many peers stay connected is for the settings to say.
 */
export const connectingMax = 32;

/** A note between peers before it is sealed: a session description with its candidates is about 4 KiB. */
export const noteBytesMax: number = 16 * kib;
/** Generous: the seal itself needs less than 1 KiB. */
export const sealedNoteBytesMax: number = 20 * kib;
/** A sealing card: two keys and a signature need less than 200 bytes. */
export const cardBytesMax = 512;
/** A message of the relay protocol, either way: a sealed note, or 48 cards of the largest size (24 KiB), and its envelope. */
export const relayMessageBytesMax: number = 32 * kib;
export const cardsPerMessageMax = 48;
/** From dialling a relay until it has accepted the proof. */
export const relayAnswerTimeoutMs = 10_000;
/** How often a relay shows that it is alive. */
export const relayAliveEveryMs = 30_000;
/** A client gives a relay up after missing two signs of life and a half. */
export const relaySilenceTimeoutMs: number = 2.5 * relayAliveEveryMs;
/** What a client sends at most, and every relay takes. 200 are the rooms of 200 databases entered at once. */
export const relayMessagesPerSecond = 40;
export const relayMessagesBurst = 200;
export const relayBytesPerSecond: number = 96 * kib;
export const relayBytesBurst: number = 512 * kib;
/** What a client keeps for a relay that is slow or away; 32 peers with 8 notes each. A guess. */
export const relayQueueMax = 256;
export const backOffMsMax = 64_000;
/** Failures in a row after which a relay is not waited for any longer: 2^4 s. Nothing tells that one is back, and all sync may depend on it. */
export const relayFailuresMax = 4;

/** What one side may offer in a handshake: together under 5 KiB, far below `strangerMessageBytesMax`. */
export const handshakeVersionsMax = 16;
export const featuresMax = 64;
export const featureNameBytesMax = 64;
/** Messages kept while the proof of the peer that sent them is being checked; a guess. Each is a stranger's: at most 64 KiB. */
export const earlyMessagesMax = 32;
/** The text of a ticket with the link around it: some ten addresses. Longer ones do not fit into a QR code anyway. */
export const ticketTextLengthMax: number = 4 * kib;

/** The name that the user of a device gives a peer, or a part of an app gives itself. */
export const peerNameBytesMax = 64;
/** An address: the longest URL that every server takes is several times that. A guess. */
export const addressBytesMax: number = 1 * kib;
export const addressesPerPeerMax = 16;
/** Peers that are remembered although nobody asked for it: about 1 MB with a relation each. A guess. */
export const metPeersMax = 1_000;
/** Who wants something about the sync of one database, and what each of them notes beside it: 32 x 32 x 512 B are 512 KiB at worst. */
export const preferencesUsersMax = 32;
export const preferencesPropertiesMax = 32;
export const propertyBytesMax = 256;
export const preferencesIntervalMsMin = 1_000;
/** Browsers take longer times for none at all. */
export const timerMsMax = 2_147_483_647;
/** Peers whose failures are remembered; 100 bytes each. A guess: more than any instance dials. */
export const failingPeersMax = 4_096;

/** Channels to one peer: one carries the session, the others stand by. A way of its own, and one for each of a few relays. */
export const pathsPerPeerMax = 4;
/** Peers dialled at once; as many more wait for their turn. A guess. */
export const dialsMax = 16;
/** A peer that says nothing for so long after it was asked whether it lives is gone. */
export const pingTimeoutMs = 20_000;
/** Who opened a channel greets first. When nothing has come for so long, the other side does. */
export const greetingTimeoutMs = 5_000;
/** A connection that ends sooner counts as a failed attempt: the next one waits. */
export const connectionMsMin = 10_000;
/** A peer that broke the protocol and then kept to it for so long starts anew. A guess. */
export const breachesForgottenMs = 3_600_000;
/** Messages of all peers together that came and were not taken yet: the full window (2 MiB) of 128 peers. */
export const inboundTotalBytesMax: number = 256 * mib;
/** For connected peers to confirm what waits for them when the instance closes: some round trips, and no longer than a user waits for a page to go. */
export const drainTimeoutMs = 2_000;
