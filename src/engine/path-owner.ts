/** What a path needs of those around it, and what it tells them. */
import type { TidemarkError } from "../core/errors.ts";
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import type { Announcement } from "../core/presence/announcement.ts";
import type { Cursor } from "../core/protocol/cursor.ts";
import type { Knock } from "../core/protocol/knock.ts";
import type { SessionEffect } from "../core/protocol/session.ts";
import type { Replica } from "../core/replica.ts";
import type { Channel } from "../ports/transport.ts";
import type { PeerBandwidth } from "./bandwidth.ts";
import type { OpenDatabase } from "./database.ts";
import type { InboundBudget } from "./inbound-budget.ts";
import type { Path } from "./path.ts";
import type { EnginePorts } from "./ports.ts";
import type { Checked } from "./presence-room.ts";
import type { PathMeasures } from "./pulse.ts";
import type { SyncSettings } from "./settings.ts";

/** What came of a database since the comparison, and how much it is in all. */
export type ReceiveProgress = Omit<Extract<SessionEffect, { readonly type: "progress" }>, "type" | "database">;

export type JoinAnswer = "refusedJoin" | "heardKnock" | "rejectedKnock";

/** What a session asks, and what becomes of it. Every call is about the peer at the other end of the path. */
export interface PathOwner {
  readonly replicas: ReadonlyMap<DatabaseId, Replica>;
  database(id: DatabaseId): OpenDatabase | undefined;
  /** Whether the database is synced with this peer at all. */
  shares(peer: PublicKey, database: DatabaseId): boolean;
  cursor(peer: PublicKey, database: DatabaseId): Cursor | undefined;
  /** Whether new entries are pushed by themselves. */
  onCommit(database: DatabaseId): boolean;
  /** What became of our own wish to be let in. */
  answered(path: Path, database: DatabaseId, answer: JoinAnswer): void;
  /** The peer asks to be let in. */
  knocked(path: Path, database: DatabaseId, knock: Knock): void;
  /** A batch goes to the peer: so many entries in a message of so many bytes. */
  served(path: Path, database: DatabaseId, entries: number, bytes: number): void;
  /** A batch came. */
  received(path: Path, database: DatabaseId, entries: number, bytes: number): void;
  /** A message that takes its time is on its way, and something of it came: here, or, as the peer says, there. */
  moved(path: Path): void;
  progressed(path: Path, database: DatabaseId, progress: ReceiveProgress): void;
  /** What was accepted of one more batch of the peer is durable. */
  batchStored(path: Path, database: DatabaseId): void;
  caughtUp(path: Path, database: DatabaseId): void;
  /** The peer confirmed everything below `through` as durable. */
  held(path: Path, database: DatabaseId, through: number): void;
  agreed(path: Path, database: DatabaseId, cursor: Cursor): void;
  overflowed(path: Path, database: DatabaseId, entries: number): void;
  lanesChanged(path: Path, database: DatabaseId): void;
  /** The peer, which may read the database, tells of a page. Never rejects. */
  heardOfPage(path: Path, database: DatabaseId, announcement: Announcement, ageMs: number): Promise<Checked>;
  /** The peer's app has a channel open, or not any more. False: that is one too many. */
  heardOfChannel(path: Path, channel: string, isOpen: boolean): boolean;
  /** Bytes of the app, from a peer that shares a database with us. */
  messaged(path: Path, channel: string, bytes: Uint8Array): void;
}

/** Who knows all paths. */
export interface PathKeeper {
  /** The handshake is done. Whoever is not wanted is let go within. */
  proven(path: Path): void;
  measured(key: PublicKey, delta: PathMeasures): void;
  /** Once; `error` when it ended for a reason with a code. */
  ended(path: Path, error: TidemarkError | undefined): void;
}

export interface PathOptions {
  readonly ports: Pick<EnginePorts, "identity" | "verifier" | "sha256" | "clock" | "random">;
  /** Of this device's storage, and of this opened instance. */
  readonly epoch: string;
  readonly boot: string;
  readonly settings: () => SyncSettings;
  readonly bandwidth: PeerBandwidth;
  readonly inbound: InboundBudget;
  readonly owner: PathOwner;
  readonly keeper: PathKeeper;
  readonly channel: Channel;
  /** Who must be at the other end; undefined: anybody. */
  readonly expected: PublicKey | undefined;
  /** What was dialled. */
  readonly address: string | undefined;
}
