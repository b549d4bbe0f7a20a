/** Every limit in one place, each with its reason. A limit without arithmetic is a guess: say so where it is one. */

const kib = 1024;
const mib = 1024 * kib;

// --- What one entry may hold: whoever may write decides it, and everybody who reads pays for it.

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
/** Nesting of one JSON value. */
export const depthMax: number = 128;
/** Values inside one JSON value: an empty object is one byte encoded and some 60 decoded, so 60 MB at worst. */
export const valueItemsMax = 1_000_000;
/**
 * Values, names and ops in all payloads of one entry, a byte string counting four: some 60 bytes each in memory, so 250 MB at
 * worst. 100,000 rows of ten columns are 2.3 million.
 */
export const entryItemsMax = 4_000_000;

// --- What a document may hold: whoever may write decides it, and every page that opens it pays for it.

/** One change without what is derived. A paste of 100,000 characters is 150 kB, a file put into a document larger. */
export const changeTailBytesMax: number = 1 * mib;
/** A paste is one op per character. Automerge takes some 2 µs and 300 bytes for each, so 0.3 s and 40 MB at worst, from 100 bytes. */
export const changeOpsMax = 131_072;
/** Ops that those of one change replace: honest ones replace one, or as many as are in conflict. */
export const changePredsMax: number = 2 * changeOpsMax;
/** Changes that one change follows directly: an honest page has as many as there were others writing at once. */
export const changeDepsMax = 256;
/** Actors of others that one change names; 25 kB. Honest ones name those whose text they stand next to. A guess. */
export const changeActorsMax = 1_000;
/** What an app says about a change: a few sentences. */
export const changeMessageBytesMax: number = 4 * kib;
/** 16 bytes bind an actor to a key; those of imported changes have a label of 1 to 8 bytes behind. */
export const actorBytesMin = 16;
export const actorLabelBytesMax = 8;
export const actorBytesMax: number = actorBytesMin + actorLabelBytesMax;
/** Automerge keeps counters of ops in 32 bits, and cannot load again what comes near 2^31. */
export const opCounterMax = 2_147_483_647;
/**
 * What a counter begins with, and what one increment adds. Automerge hands out a counter from 2^53 − 1 on as a bigint, and panics at the next increment. From
 * the one to the other it takes 2^26 increments, which is 67 times what `docLargeOps` warns of, and minutes to apply.
 */
export const counterStartMax: number = 2 ** 52;
export const counterStepMax: number = 2 ** 26;
/** What a JavaScript `Date` can be: an app that formats a time beyond gets an exception. */
export const docTimeMsMax = 8_640_000_000_000_000;
/** Changes in one part of an entry: a page gathers what it wrote while the last part was stored. */
export const docChangesMax = 10_000;
/** Their tails: a tenth of a second to check, and what a large import is split into. */
export const docTailsBytesMax: number = 8 * mib;
/** Their ops, and those of all documents in one entry: two pastes of the largest size, 0.6 s to check and fold. With 64 documents it would be 40 s. */
export const docOpsMax: number = 2 * changeOpsMax;
/** What an imported file of Automerge may inflate to: an honest one has some bytes for each op. A guess that a page survives. */
export const docImportBytesMax: number = 256 * mib;
/** Changes and ops that it may hold: twice what a document is too large with, some 600 MB of memory. */
export const docImportValuesMax = 2_000_000;
/** Of each of two things that documents of a database keep in memory to be quick: what 10,000 keystrokes stand on. A guess. */
export const docCacheBytesMax: number = 8 * mib;
/** Changes left out that are listed of a document: who looks into it needs the author, not all of them. */
export const docFaultsMax = 100;

/** What a page has saved of a document: 55,000 keystrokes are 24 kB. Above, opening takes longer; a guess that stops a runaway. */
export const snapshotBytesMax: number = 64 * mib;
/** One event to a page: it applies so many in some 0.1 s, and shows what it has before the next. */
export const docEventBytesMax: number = 1 * mib;
export const docEventChangesMax = 2_000;
/** Faults of documents that an instance tells of, each once: a cheat could make any number. A guess, 2 MB of ids. */
export const docFaultsToldMax = 10_000;

// --- What a page does for the documents that it has open.

/** How long a turn may take in which changes of others are applied: it is hardly noticed, and one call has 15 ms of its own in a long text. */
export const docTurnMs = 25;
/** The same while a document is opened, and nothing of it is shown: the more go into one call, the sooner it is. */
export const docOpeningTurnMs = 100;
/**
 * How long after an entry of a document began the next one begins at the soonest: what is changed meanwhile goes into it. Nobody sees the difference, and
 * what types as fast as a machine makes 50 entries a second, not one for each round trip.
 */
export const docEntryEveryMs = 20;
/** How many UTF-16 units of edits of a text become one change, when nobody looks at the text between them: half of the ops that a change may hold. */
export const gatheredUnitsMax = 65_536;
/** In how many places: each further edit is compared with all of them. */
export const gatheredPlacesMax = 1_000;
/** UTF-16 units that are deleted, and come instead, from which on these are compared line by line: what is shorter is replaced as quickly. */
export const comparedUnitsMin = 256;
/** How many lines of two texts may differ for the rest to be found: the work grows with the square of it, and took 40 ms in Node where nothing was alike. */
export const comparedLinesMax = 500;
/** How long edits wait at most to become a change while an entry is under way: what is undone at once must not be more than it would be without. */
export const gatheredMs = 100;
/** How often in a row a document is made anew because Automerge failed: what fails every time would never end. */
export const docReopenedMax = 2;
/** Changes after which a document is worth a first snapshot: 1,000 take some 80 ms to apply. */
export const snapshotFirstChanges = 1_000;
/** Changes after which the next one is made: 5,000 take some 150 ms more to open, and saving a long text 40 ms. */
export const snapshotChanges = 5_000;
/** The same of changes that are large: it is also when a document is weighed. */
export const snapshotChangesBytes: number = 4 * mib;
/** From here on a document opens slowly and takes some 200 MB of memory: the app should begin another one. */
export const docLargeOps = 1_000_000;
export const docLargeBytes: number = 16 * mib;
/** Documents that nobody has open any more are kept in memory up to this, as they may be wanted again. */
export const idleDocsBytesMax: number = 64 * mib;
/** What a document takes in memory: measured, 6.5 kB empty, 11 MB for 55,600 changes of a letter each. */
export const docBaseBytes = 6_500;
export const docOpBytes = 200;
/** Changes in one page of a document's history: some 300 bytes each. */
export const docHistoryMax = 1_000;
/** How often a transaction is tried whose document has become another meanwhile: that needs a removed key each time. */
export const docWriteTriesMax = 3;
/** Own changes that follow each other within this are undone together, as editors of text do it. */
export const undoPauseMs = 500;
/** Steps back that are remembered, at some 200 bytes each. */
export const undoDepthMax = 1_000;
/** Parts of one step, between which others wrote. Each takes a fork of the document to undo, some 30 ms of a long text. */
export const undoRangesMax = 20;
/** Items of a list that are looked through, to see whether one is still what it was: some 20 µs each, for each part of a step. */
export const comparedItemsMax = 1_000;

// --- What an admin may write into the settings.

/** Names, grants and invites written by one transaction to the settings. A guess: people write one or two. */
export const settingsOpsMax = 1_000;
/** The name of a database, and the label of an invite. A guess: more fits on no screen. */
export const labelBytesMax = 256;
/** What people call a key, as other members see it. A guess: it stands in a line of a list. */
export const memberNameBytesMax = 64;
/** The last millisecond that a JavaScript `Date` has. */
export const inviteExpiresMsMax = 8_640_000_000_000_000;
export const inviteUsesMax = 1_000_000;
/** One epoch key for one member: its id (16 bytes), an ephemeral point (65), the secret (32) and a tag (16), and some to spare. */
export const wrappedKeyBytesMax = 160;
/** Members that one op gives the key of an epoch: at most 200 kB. 10,000 members are given theirs by ten entries, any of which can be lost and sent again. */
export const epochKeysMax = 1_000;

// --- What writers, and writers that were removed, can make us keep.

/** Branches of one author's chain beyond which each further one is reported. None is refused: replicas would differ in which. */
export const forksMax = 16;
/** How far ahead of our clock an entry may be before it is held back. */
export const clockAheadMsMax: number = 60_000;
/** Entries waiting for parents, per database. */
export const pendingEntriesMax = 10_000;
export const pendingBytesMax: number = 16 * mib;
/**
 * Entries that are kept although they do not count, per database: they may count again, and a removed device can go on writing for ever.
 * As much as may wait. What does not fit comes again when something stands on it.
 */
export const voidEntriesMax = 10_000;
export const voidBytesMax: number = 16 * mib;
/** Refused entries that the app is told of as problems; all are counted, and the last can be explained. A guess: nobody reads more. */
export const refusalReportsPerSecond = 10;
export const refusalReportsBurst = 100;
/** Refused entries that are remembered per database, so that they can be explained: about 200 kB. */
export const refusalsRememberedMax = 1_000;
/** Ids in one event about permissions: what counts anew is told by its rows too. */
export const changedEntriesMax = 1_000;
/** The payload of a redemption: key (34), proof (66), name (66), sealing key (67) and what CBOR puts between them. */
export const redeemBytesMax = 256;

// --- What peers that share a database can make us do.

/** A batch of entries on the wire: whichever is reached first; one entry larger than the bytes travels alone. */
export const batchEntriesMax = 1_000;
export const batchBytesMax: number = 256 * kib;
/** Batches sent and not yet confirmed as stored. 8 x 256 KiB keeps the channel busy while the far side stores. */
export const batchesInFlightMax = 8;
/** A message from a peer that may write: one entry of the largest size and its envelope. */
export const messageBytesMax: number = entryBytesMax + 64 * kib;
/**
 * Messages of one peer that came and were not taken yet. Batches are bounded by the window (8 x 256 KiB, or one entry of the
 * largest size); what comes beside them is small, and about one message for each of `databasesPerDigestMax` databases.
 */
export const inboundMessagesMax = 10_000;
export const inboundBytesMax: number = 2 * messageBytesMax;
/** Messages of all peers together that came and were not taken yet: the full window (2 MiB) of 128 peers. */
export const inboundTotalBytesMax: number = 256 * mib;
/** Messages for one peer that wait for its channel; with more of them nothing more is taken from it. A guess. */
export const outboundMessagesMax = 1_000;
export const databasesPerDigestMax = 1_000;
/** 10,000 heads with their authors are 800 kB. More are cut: see [FRONTIER-4]. */
export const headsPerFrontierMax = 10_000;
export const headsPerAuthorMax = 64;
/** Of one author's chain: `forksMax` branches of a million entries each need 16 x 21. */
export const samplesMax = 512;
export const wantsMax = 1_000;
/** Far above what two devices in one network reach, whose window holds 8 batches; a message without entries costs some 10 µs. */
export const peerMessagesPerSecond = 10_000;
export const peerMessagesBurst = 20_000;
/** Signatures checked for one peer: a third of what WebCrypto does. A batch needs one for each of its authors; a database of 50,000 authors fits the burst. */
export const peerChecksPerSecond = 5_000;
export const peerChecksBurst = 50_000;
/** Bad signatures of one session. Honest peers send none: they checked what they hold. */
export const badSignaturesMax = 100;
/** A peer that broke the protocol and then kept to it for so long starts anew. A guess. */
export const breachesForgottenMs = 3_600_000;
/** Channels to one peer: one carries the session, the others stand by. A way of its own, and one for each of a few relays. */
export const pathsPerPeerMax = 4;
/** A peer that says nothing for so long after it was asked whether it lives is gone. */
export const pingTimeoutMs = 20_000;
/** Who opened a channel greets first. When nothing has come for so long, the other side does. */
export const greetingTimeoutMs = 5_000;
/** A connection that ends sooner counts as a failed attempt: the next one waits. */
export const connectionMsMin = 10_000;
/** Peers whose failures are remembered; 100 bytes each. A guess: more than any instance dials. */
export const failingPeersMax = 4_096;

// --- What is said and never stored: presence, and messages of the app.

/** What a page says of itself, encoded: a name, a cursor, a selection. A guess; with 1,000 pages 4 MB. */
export const presenceStateBytesMax: number = 4 * kib;
/** The same sealed: an id of a key (16), a nonce (12) and a tag (16) more. */
export const presenceContentBytesMax: number = presenceStateBytesMax + 44;
/** A page that is gone without a word stays no longer than that. */
export const presenceLifeMsMax = 60_000;
/** What we ask for, and how often a page is announced again: two announcements in a row may be lost. */
export const presenceLifeMs = 30_000;
export const presenceBeatMs: number = presenceLifeMs / 3;
/** How far the time of an announcement may be from this device's clock; so long are those that are gone remembered, or they would come again. A guess. */
export const presenceSkewMsMax = 600_000;
/** Pages of one key: its devices and their tabs. */
export const presencePagesPerKeyMax = 8;
/** Pages of one database. */
export const presencePagesMax = 1_000;
/** One page is told of to one peer at most this often: as often as people see a difference. */
export const presenceEveryMs = 100;
/** While so many messages wait for a peer, it is told of nobody: then it hears the newest. */
export const presenceQueueMax = 64;
/** Whoever told us of a page what we knew already hears of it from elsewhere, and for so long not from us. */
export const presenceElsewhereMs = 10_000;
/** One message of the app to one peer: larger things are split by those who know how. */
export const appMessageBytesMax: number = 1 * mib;
/** Those that wait for one peer: a few of the largest size. */
export const appMessagesWaitingMax = 1_024;
export const appMessagesWaitingBytesMax: number = 4 * mib;
/** The name of a channel, and channels that one peer has open. A guess: an app has one for each library. */
export const appChannelBytesMax = 64;
export const appChannelsMax = 64;
/** What a page was sent and has not taken yet; with more of it, its peers go down for it until it has. */
export const appMessagesUntakenBytesMax: number = 16 * mib;
export const appMessagesUntakenMax = 10_000;

// --- What an app's `Repo` of automerge-repo says to those on other devices.

/** One message, put together from parts: a whole document with its history at most. A guess, far above what an editor can take. */
export const repoMessageBytesMax: number = 64 * mib;
/** Messages that wait for one device. Sync messages answer each other; only what is told to everybody piles up. */
export const repoWaitingMax = 10_000;
/** Pages of one device that have a `Repo`: more tabs than anybody has open. */
export const repoPagesMax = 64;
/** Who looks for a document waits so long for the first peer, then hears that there is none: as automerge-repo's own client of WebSockets does. */
export const repoReadyMs = 1_000;
/** A peer to which something could not be sent although it is there is greeted anew after this: what was ahead of it may be sent by then. A guess. */
export const repoRetryMs = 1_000;

// --- What strangers can make us do and keep.

/** A message before the handshake is done, and from a peer that shares no database with us. */
export const strangerMessageBytesMax: number = 64 * kib;
/** Until a database is shared. Whoever shows a ticket, a key and a request for each of 300 databases at once fits the burst. */
export const strangerMessagesPerSecond = 50;
export const strangerMessagesBurst = 1_000;
export const strangerBytesPerSecond: number = 128 * kib;
/** Digests of 10,000 databases and proofs for 1,000 of them are 400 KiB. */
export const strangerBytesBurst: number = 1 * mib;
export const handshakeTimeoutMs = 10_000;
/** Handshakes of strangers under way at once: each is over in a few round trips, or takes `handshakeTimeoutMs` of somebody's silence. A guess. */
export const handshakesMax = 64;
/** What a stranger has before its place is given to another: several round trips on a bad line. */
export const handshakeGraceMs = 1_000;
/** Each costs a signature and a check, 2 ms in JavaScript: 4 % of a core. A room of 128 peers that all come back at once fits the burst. */
export const strangerHandshakesPerSecond = 20;
export const strangerHandshakesBurst = 200;
/** What one side may offer in a handshake: together under 5 KiB, far below `strangerMessageBytesMax`. */
export const handshakeVersionsMax = 16;
export const featuresMax = 64;
export const featureNameBytesMax = 64;
/** Messages kept while the proof of the peer that sent them is being checked; a guess. Each is a stranger's: at most 64 KiB. */
export const earlyMessagesMax = 32;
/** Proofs and requests of one session, each of which costs a signature check or ten hashes: a few of each of 1,000 databases. */
export const proofsPerSessionMax = 4_096;
/** Keys that one device remembers to have served on the strength of an invite alone, per database: about 1 MB. With more of them it serves no others. A guess. */
export const guestsMax = 10_000;
/** What somebody who asks to be let in may say: a few sentences. */
export const requestNoteBytesMax = 512;
/** A request as it travels: name (64), note (512), sealing key (65), power, what CBOR puts between them, and 16 bytes of hiding it. */
export const knockBytesMax = 688;
/** Requests that one device keeps of one database: about 100 kB. A guess: nobody looks through more. */
export const requestsMax = 100;
/** For how long: whoever was not answered for a month asks again. */
export const requestAgeMsMax: number = 30 * 86_400_000;
/** Peers that are remembered although nobody asked for it: about 1 MB with a relation each. A guess. */
export const metPeersMax = 1_000;

// --- What relays, and whoever is introduced by one, can make us do.

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

// --- What a text from anywhere can make us do: tickets and backups.

/** The text of a ticket with the link around it: some ten addresses. Longer ones do not fit into a QR code anyway. */
export const ticketTextLengthMax: number = 4 * kib;
/** What relays from a file may take of it, as they stand in it: the rest is for the app's own ones, a secret and addresses. */
export const ticketRelaysLengthMax: number = ticketTextLengthMax / 2;
/** Databases that one backup leads back to. A guess; with `backupRelaysMax` relays of the longest address each they are 17 MiB. */
export const backupDatabasesMax = 1_000;
export const backupRelaysMax = 16;
/** The text of a backup: the above as base64 (24 MiB), and its lines. */
export const backupTextLengthMax: number = 24 * mib;
/** Shorter passphrases are guessed, whatever each guess costs. */
export const passphraseCharactersMin = 8;
/** Beyond this it is no passphrase. A guess. */
export const passphraseBytesMax = 1_024;
/** What each guess at a backup's passphrase costs: 64 MiB and three passes over them, 0.4 s on a slow laptop. RFC 9106, section 4, second choice. */
export const backupMemoryKib: number = 64 * kib;
export const backupPasses = 3;
/** What a backup's own figures may ask of whoever reads it, or a hostile file could hang the device: 256 MiB, 10 passes are 6 s. */
export const backupMemoryKibMax: number = 256 * kib;
export const backupPassesMax = 10;
export const backupLanesMax = 4;

// --- What a file can make us do.

/** Entries are put into a chunk until it is as large as that, or 1,000 of them: as a batch between peers. One larger entry is a chunk of its own. */
export const exportChunkBytes: number = 256 * kib;
/** One entry of the largest size, and what stands around it. What of a chunk has come is in memory until it is whole. */
export const exportChunkBytesMax: number = entryBytesMax + 64 * kib;
/** The figures of Argon2id, a salt, a prefix and a check, as CBOR: less than 80 bytes. */
export const exportHeaderBytesMax = 256;
/** Databases in one file. A guess: about 1 MB of report. */
export const exportDatabasesMax = 10_000;
/** In one chunk, with the check or the tag that closes it. */
export const exportEntriesMax: number = batchEntriesMax;

// --- What this device, its user and its apps do.

/** For opening the database on the disk: half a second on a slow phone, while a tab that blocks it does so for ever. */
export const storageOpenTimeoutMs = 5_000;
/** The name that the user of a device gives a peer, or a part of an app gives itself. */
export const peerNameBytesMax = 64;
/** An address: the longest URL that every server takes is several times that. A guess. */
export const addressBytesMax: number = 1 * kib;
export const addressesPerPeerMax = 16;
/** Who wants something about the sync of one database, and what each of them notes beside it: 32 x 32 x 512 B are 512 KiB at worst. */
export const preferencesUsersMax = 32;
export const preferencesPropertiesMax = 32;
export const propertyBytesMax = 256;
export const preferencesIntervalMsMin = 1_000;
/** Browsers take longer times for none at all. */
export const timerMsMax = 2_147_483_647;
/** Peers dialled at once; as many more wait for their turn. A guess. */
export const dialsMax = 16;
/** For connected peers to confirm what waits for them when the instance closes: some round trips, and no longer than a user waits for a page to go. */
export const drainTimeoutMs = 2_000;
/** The name of a key: as an instance's. */
export const keyNameBytesMax = 64;
/** Named keys of one instance. A guess: people have a few. */
export const keysMax = 64;
/** How often in a minute a worker that ended is started again: one that ends at once would do nothing else. */
export const workerRestartsPerMinuteMax = 3;
/** How often the page asks its worker whether it lives, while a call waits. */
export const workerPingMs = 5_000;
/** A worker that was silent for so many of these is stuck. More than any work takes in one piece: guessing at a passphrase is 6 s at most. */
export const workerSilentPings = 3;
/** For a leader to finish what another tab's page left: then that page takes its lock, for the leader may be frozen. What is done twice is done once. */
export const tabLockTimeoutMs = 6_000;
/** For a worker to end: `drainTimeoutMs` and `resignTimeoutMs`, twice. What it then has not done is in the outbox. */
export const workerCloseTimeoutMs = 10_000;
/** For the browser, or its user, to answer whether storage may stay; some browsers never do. What they say later still counts. */
export const persistTimeoutMs = 10_000;
/** Samples of how much is stored, one a day: a month shows the trend, in 1 kB. */
export const usageSamplesMax = 30;
/** For a tab that closes while no tab leads: what it waited for is kept, and done by whoever leads next. */
export const closeTimeoutMs = 5_000;

// --- Storage that takes nothing.

/** What is tried, to see whether there is space again: a batch of a peer with its index, so that what is taken then can be stored. */
export const storageProbeBytes: number = 512 * 1024;
/** Pauses between these attempts: from as soon as somebody may have made room to what costs nothing. */
export const storageProbeMsMin = 5_000;
export const storageProbeMsMax = 60_000;

// --- What a leader remembers of tabs that are gone.

/** How long: longer than any browser keeps a page in its back/forward cache, which is half an hour at most. */
export const endedTabKeptMs = 3_600_000;
/** How many: some 200 bytes each, and read by every leader when it starts. */
export const endedTabsMax = 256;
/** Edits of theirs for which there was no space, or that nobody was told of: as often as storage itself is tried at last. */
export const outboxRetryMs = 60_000;
/** Problems from before the first page was there to hear of them. A guess: who has more has one cause. */
export const unheardProblemsMax = 100;

/**
 * What is written after the disk lost entries waits so long for a peer that may have this device's own newest ones: without them its chain
 * forks, which is legal and costs a round trip. Nobody waits longer for a write.
 */
export const ownEntriesWaitMs = 10_000;

// --- What the tabs of one browser wait for.

/** A leader says that it lives. Often enough for who waits, and ten tabs still say next to nothing. */
export const leaderBeatMs = 1_000;
/** So many beats that did not come, and the leader is asked: folding and migrations may block a worker for some seconds. */
export const leaderSilentBeats = 5;
/** No answer for one beat more, and its lock is taken. */
export const leaderStalledBeats: number = leaderSilentBeats + 1;
/** A leader that nobody sees for so long hands over to a tab that is seen: whoever only looks at another tab comes back sooner. A guess. */
export const hiddenBeatsMax = 10;
/** For a leader that resigns to finish what is under way: `drainTimeoutMs` and a second for the disk. Below `leaderSilentBeats`. */
export const resignTimeoutMs: number = drainTimeoutMs + 1_000;
/** For the tab that a hidden leader hands over to, to take the lock: else whoever waits gets it. Some messages between tabs. */
export const handOverTimeoutMs = 500;
/** For a leader that is about to be frozen: browsers give a page some hundred milliseconds. A guess. */
export const suspendTimeoutMs = 200;
/** How long a page that is about to be frozen holds its own end up, so that its worker has a turn: handing over takes 10 ms where it is cheap. */
export const freezeHoldMs = 50;
/** Entries of one page of the history: some hundred bytes each are sent to the page that asks. */
export const historyEntriesMax = 1_000;
/** Of the entries that are read for one page of the history: some 100 ms of decoding. */
export const historyBytesMax: number = 8 * mib;
/** Views of earlier states that a page has open: each may be as large as the database. A guess: comparing takes two. */
export const viewsMax = 8;
/** Entries that name an earlier state: as many tips as that many devices make that write apart from each other. */
export const viewTipsMax: number = headsPerFrontierMax;
/** Differences of two states that are sent at a time. A guess: more take long to clone. */
export const differencesAtOnce = 200;
/** Tabs that a leader knows, some 100 bytes and two locks each. A guess: browsers slow down before. */
export const tabsMax = 1_000;
/** Where there are no Web Locks, whoever holds a lock answers within this, or nobody does. Some round trips between busy tabs. */
export const askedLockAnswerMs = 300;
/** Whoever waits for a lock asks again this often, and a holder that did not answer `askedLockSilentMax` times is gone. */
export const askedLockAgainMs = 1_000;
export const askedLockSilentMax = 2;
/**
 * Where tabs cannot hear each other either, a row in storage says so long that the instance is in use: whoever opens it again after a crash or a
 * reload waits for that. Renewed each `storedLockBeatMs`: a holder may miss a beat.
 */
export const storedLockMs = 3_000;
export const storedLockBeatMs = 1_000;
