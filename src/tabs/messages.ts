/**
 * What candidates say to each other, on one channel. Everybody hears everything.
 *
 * [TABS-3] What is no such message is left aside: it may come from any build.
 */
import type { SyncSettings } from "../engine/settings.ts";
import type { Build } from "./build.ts";

/** What outlives a hand-over although it is not stored. What came from another tab is checked by whoever uses it. */
export interface Carry {
  readonly online: boolean;
  readonly settings: Partial<SyncSettings>;
}

/** Whether whoever was told of the one needs not be told of the other. */
export function isSameCarry(a: Carry, b: Carry): boolean {
  const [before, after] = [new Map(Object.entries(a.settings)), new Map(Object.entries(b.settings))];
  const isSame = before.size === after.size && [...before].every(([name, value]) => Object.is(after.get(name), value));
  return isSame && a.online === b.online;
}

/** Who a tab is. */
export interface TabFacts {
  /** 16 random bytes, hex. */
  readonly tab: string;
  readonly build: Build;
  readonly visible: boolean;
}

/** One leadership, as its leader tells of it. */
export interface LeadFacts {
  /** Names this leadership: 16 random bytes, hex. */
  readonly lead: string;
  /** Whose it is. */
  readonly tab: string;
  readonly build: Build;
  /** "starting": it opens the storage, and serves nobody yet. */
  readonly state: "starting" | "ready";
  /** Milliseconds since 1970, and later than every lead that it had heard of: of two leads the later one counts. */
  readonly since: number;
  readonly carry: Carry;
}

export type TabMessage =
  /** I am here; whoever leads say so. */
  | ({ readonly type: "seek" } & TabFacts)
  /** I am here, to a new leader; or I was shown or hidden. */
  | ({ readonly type: "here" } & TabFacts)
  /** On starting, when ready, as the answer to `seek`, and every second while other tabs are known. */
  | ({ readonly type: "lead" } & LeadFacts)
  /** Serve my page on our pair channel. */
  | { readonly type: "attach"; readonly lead: string; readonly tab: string }
  | { readonly type: "detach"; readonly lead: string; readonly tab: string }
  /** This tab's page is not served: there are too many. */
  | { readonly type: "refuse"; readonly lead: string; readonly tab: string }
  /** This lead is over. */
  | { readonly type: "resign"; readonly lead: string }
  /** This tab is to take the lock, which its holder keeps for it for a moment. */
  | { readonly type: "give"; readonly lead: string; readonly tab: string };

type Fields = Readonly<Record<string, unknown>>;

/** Undefined for what is no message of ours. Never throws. */
export function readTabMessage(value: unknown): TabMessage | undefined {
  if (!isObject(value)) return undefined;
  const reader = readers.get(value.type);
  return reader === undefined || !reader(value) ? undefined : (value as TabMessage);
}

const readers: ReadonlyMap<unknown, (fields: Fields) => boolean> = new Map<TabMessage["type"], (f: Fields) => boolean>([
  ["seek", isTabFacts],
  ["here", isTabFacts],
  ["lead", isLeadFacts],
  ["attach", ({ lead, tab }) => isId(lead) && isId(tab)],
  ["detach", ({ lead, tab }) => isId(lead) && isId(tab)],
  ["refuse", ({ lead, tab }) => isId(lead) && isId(tab)],
  ["resign", ({ lead }) => isId(lead)],
  ["give", ({ lead, tab }) => isId(lead) && isId(tab)],
]);

function isTabFacts({ tab, build, visible }: Fields): boolean {
  return isId(tab) && isBuild(build) && typeof visible === "boolean";
}

function isLeadFacts({ lead, tab, build, state, since, carry }: Fields): boolean {
  const isReady = state === "starting" || state === "ready";
  return isId(lead) && isId(tab) && isBuild(build) && isReady && Number.isFinite(since) && isCarry(carry);
}

function isCarry(value: unknown): boolean {
  return isObject(value) && typeof value.online === "boolean" && isObject(value.settings);
}

function isBuild(value: unknown): boolean {
  return isObject(value) && typeof value.version === "string" && Number.isSafeInteger(value.tabs);
}

function isId(value: unknown): boolean {
  return typeof value === "string" && value.length > 0 && value.length <= idLengthMax;
}

/** Ours have 32 characters. They stand in names of locks and channels. */
const idLengthMax = 64;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}
