/**
 * Every domain tag there is: what something signed or hashed is *for*.
 *
 * [HOSTILE-1] Whatever is signed begins with one of `signedUnder`, so nothing that somebody else chose is ever signed bare, and a
 *             signature for one purpose is worthless for any other.
 * [HOSTILE-2] No tag is the beginning of another: each ends in its only zero byte.
 *
 * A new place that signs or derives takes a tag of its own, entered here.
 */
export const domainTags = {
  /** An entry, by its author: the tag and every byte before the signature. */
  entry: "tidemark/entry/1\0",
  /** A handshake, by either side: the tag of its role and the transcript's hash. */
  handshakeInitiator: "tidemark/handshake/1/initiator\0",
  handshakeResponder: "tidemark/handshake/1/responder\0",
  /** That one holds a key, to a relay: its nonce and the host dialled. */
  relay: "tidemark/relay/1\0",
  /** A card, by the identity that it belongs to: identity key and sealing key. */
  card: "tidemark/sealing/1\0",
  /** That one holds a ticket's secret, to a peer: the session's key, commitment to the database, transcript. */
  join: "tidemark/join/1\0",
  /** That one holds a further key, to a peer: the session's key, commitment to the database, transcript. */
  prove: "tidemark/prove/1\0",
  /** That the author of an entry holds an invite's secret: database, author. */
  redeem: "tidemark/redeem/1\0",
  /** That a page of a key is there, by that key: database, key, page, counter, times, content. */
  presence: "tidemark/presence/1\0",
  /** Of an epoch's secret: the secret of what seals presence. */
  presenceSecret: "tidemark/presence-secret/1\0",
  /** The key of a direction between two cards (HKDF). */
  noteKey: "tidemark/sealing/1/key\0",
  /** Of an epoch's secret (HKDF): the id of its key, and the key that seals content. */
  epochId: "tidemark/epoch/1/id\0",
  epochContent: "tidemark/epoch/1/content\0",
  /** The key that wraps an epoch's secret for a member (HKDF): ephemeral key, member's sealing key. */
  wrapForMember: "tidemark/wrap/1/member\0",
  /** Of an invite's seed (HKDF): what wraps for it; and of that: the key that wraps the secret with this id. */
  inviteSecret: "tidemark/wrap/1/invite\0",
  wrapForInvite: "tidemark/wrap/1/invite-key\0",
  /** What stands for a database's id in front of somebody who may not know it. */
  joinId: "tidemark/join-id/1\0",
  /** What hides the proof of a further key from those who do not know the database's id. */
  proveMask: "tidemark/prove-mask/1\0",
  /** What hides a request from those who do not know the database's id. */
  knock: "tidemark/knock/1\0",
  /** The room of a database, at relays. */
  room: "tidemark/room/1\0",
  /** The actor of a page in documents: database, author, the page's nonce. */
  actor: "tidemark/actor/1\0",
  /** The nonce of an import of a document: its heads where it was. */
  docImport: "tidemark/doc-import/1\0",
  /** The id that a document has in a `Repo` of automerge-repo: database, name. */
  repoDocument: "tidemark/repo-document/1\0",
  /** Checksums of texts that people copy. */
  ticket: "tidemark/ticket/1\0",
  key: "tidemark/key/1\0",
  backup: "tidemark/backup/1\0",
  /** Checks of a file of databases: of its header, and of each chunk with all before it. */
  exportHeader: "tidemark/export/1/header\0",
  exportChunk: "tidemark/export/1/chunk\0",
} as const;

/** Those under which something is signed. */
export const signedUnder: readonly string[] = [
  domainTags.entry,
  domainTags.handshakeInitiator,
  domainTags.handshakeResponder,
  domainTags.relay,
  domainTags.card,
  domainTags.join,
  domainTags.prove,
  domainTags.redeem,
  domainTags.presence,
];
