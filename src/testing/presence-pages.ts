/** Pages of devices in a cluster, as those say that they are there who are instances, and those who are not. */
import type { DatabaseId, PublicKey } from "../core/ids.ts";
import { presenceLifeMs } from "../core/limits.ts";
import {
  type Announcement,
  announcementMessage,
  encodePresenceState,
  type PageId,
  pageIdFromHex,
} from "../core/presence/announcement.ts";
import { decodeMessage } from "../core/protocol/message.ts";
import type { JsonValue } from "../core/store/values.ts";
import type { Cluster } from "./cluster.ts";
import type { Device } from "./device.ts";
import type { SimulatedIdentity } from "./simulated-keys.ts";

/** Page number so and so, of anybody. */
export function pageOf(number: number): PageId {
  return pageIdFromHex(number.toString(16).padStart(32, "0"));
}

/** A page of the device says this; undefined: it goes. */
export function sayAt(
  device: Device,
  database: DatabaseId,
  page: number,
  state: JsonValue | undefined,
  turn = 1,
): void {
  const bytes = state === undefined ? undefined : encodePresenceState(state);
  device.instance.presence.set(database, pageOf(page), turn, bytes);
}

/** What pages are there as the device shows it: their states by the first digits of their keys and the numbers of their pages. */
export function shownAt(device: Device, database: DatabaseId): Readonly<Record<string, JsonValue>> {
  const pages = device.instance.presence.pages(database);
  return Object.fromEntries(
    pages.map(({ key, page, state }) => [nameOf(key, Number.parseInt(page, 16)), state]).sort(),
  );
}

/** How `shownAt` calls a page. */
export function nameOf(key: PublicKey, page: number): string {
  return `${key.slice(0, 6)} ${page}`;
}

/** Signed as it should be, but for what is said to differ. */
export function announce(
  identity: SimulatedIdentity,
  database: DatabaseId,
  nowMs: number,
  said: Partial<Announcement> & { readonly state?: JsonValue } = {},
): Announcement {
  const { state = "here", ...changes } = said;
  const content = encodePresenceState(state);
  const header = { author: identity.publicKey, page: pageOf(1), counter: 1, sentMs: nowMs, lifeMs: presenceLifeMs };
  const body = { ...header, content, ...changes };
  return { signature: identity.signNow(announcementMessage(database, body)), ...body };
}

/** One message about a page, as it was sent from one device to another. */
export interface Told {
  readonly from: PublicKey;
  readonly to: PublicKey;
  readonly author: PublicKey;
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

/** Every message about a page that is sent from now on. */
export function recordTold({ network, clock }: Cluster): readonly Told[] {
  const told: Told[] = [];
  network.tap = {
    sent: (from, to, bytes) => {
      const message = decodeMessage(bytes);
      if (!message.ok || message.value.type !== "presence") return;
      told.push({ from, to, author: message.value.announcement.author, atMs: clock.now(), bytes: bytes.slice() });
    },
    arrived: () => {},
  };
  return told;
}
