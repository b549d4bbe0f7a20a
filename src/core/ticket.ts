/**
 * The ticket: a text that says which database to join, how to reach somebody who has it, and perhaps that one was invited.
 *
 *   tidemark:?db=bafyrei…&in=<secret>&pr=relay:wss://relay.example/&pr=peer:<key>&ck=<checksum>
 *
 *   db  the database id as a CID, once
 *   in  the seed of the invite's key, 32 bytes as base64url, at most once. Without it one may come in who may anyway, and ask
 *   pr  an address, any number of times: its kind, a colon, and the rest up to the end. `relay` has a WebSocket URL, `peer`
 *       a public key in hex, `dial` an address of some transport, with the key of whoever has to be there and an `@` before it
 *       when that is known
 *   ck  the first six bytes of a SHA-256 over all of the above, as base64url, once
 *
 * [TICKET-1] Formatting and parsing are inverses. Values are percent-encoded, so they may hold `&`, `=`, `?` and `#`.
 * [TICKET-2] A ticket also stands behind the `#` of a link, where no server sees it.
 * [TICKET-3] Anything else is refused with TICKET_MALFORMED, whose details never hold the secret.
 * [TICKET-4] One changed character gives a refusal or the same ticket: the checksum covers whatever a ticket says.
 * [TICKET-5] Parameters and kinds of addresses that a later version adds are ignored.
 *
 * Deliberately not here: whether the invite is still good. Only the database's settings know.
 */
import { decodeBase64Url, encodeBase64Url } from "./base64url.ts";
import { domainTags } from "./domain-tags.ts";
import { attempt, type Result, show, TidemarkError } from "./errors.ts";
import { type DatabaseId, formatCid, isHex64, type PublicKey, parseCid, publicKeyFromHex, type Sha256 } from "./ids.ts";
import { addressBytesMax, ticketRelaysLengthMax, ticketTextLengthMax } from "./limits.ts";
import { encodeUtf8, utf8Length } from "./utf8.ts";

export interface Ticket {
  readonly database: DatabaseId;
  /** The 32-byte seed of the invite's key. Whoever has it can join: it is a bearer secret. */
  readonly secret?: Uint8Array;
  /** URLs that start with `ws://` or `wss://`, in order of preference. */
  readonly relays: readonly string[];
  /** Devices known to hold the database. */
  readonly peers: readonly PublicKey[];
  readonly addresses: readonly AddressHint[];
}

/** Where somebody can be dialled who holds the database. */
export interface AddressHint {
  /** `type:rest`; the type says which transport can use it. */
  readonly address: string;
  /** Whoever is there has to prove this key. */
  readonly peer?: PublicKey;
}

const prefix = "tidemark:?";
const secretBytesLength = 32;
const checksumBytesLength = 6;
const checksumTag = domainTags.ticket;
const relayUrl = /^wss?:\/\/[^\s/]\S*$/;
const dialAddress = /^[a-z][a-z0-9-]*:\S+$/;
const pinned = /^([0-9a-f]{64})@/;

type Parameter = readonly [name: string, value: string];
/** The parameters that mean something, in the order in which they are written. */
type Field = "db" | "in" | "pr" | "ck";

/** Fails with INPUT_INVALID for a secret of another length, a relay that is no WebSocket URL, an address that is none, or too many of them. */
export function formatTicket(ticket: Ticket, sha256: Sha256): string {
  const { database, secret, relays, peers, addresses } = ticket;
  if (secret !== undefined && secret.length !== secretBytesLength) throw invalid("secret", show(secret), "32 bytes");
  const unfit = relays.find((url) => !isRelayUrl(url));
  if (unfit !== undefined) throw invalid("relays", show(unfit), "a URL that starts with wss:// or ws://");
  const stray = addresses.find(({ address }) => !isDialAddress(address));
  if (stray !== undefined) throw invalid("addresses", show(stray.address), "a type, a colon, and the rest");
  const parameters: readonly Parameter[] = [
    ["db", formatCid(database)],
    ...(secret === undefined ? [] : [["in", encodeBase64Url(secret)] as const]),
    ...relays.map(relayParameter),
    ...peers.map((peer): Parameter => ["pr", `peer:${peer}`]),
    ...addresses.map(
      ({ address, peer }): Parameter => ["pr", `dial:${peer === undefined ? "" : `${peer}@`}${address}`],
    ),
  ];
  const text = formatParameters([...parameters, ["ck", checksumOf(parameters, sha256)]]);
  if (text.length > ticketTextLengthMax) {
    throw invalid("ticket", `${text.length} characters`, `at most ${ticketTextLengthMax}`);
  }
  return text;
}

/** Those of them that a ticket can name, from the first on while half of it is free: the rest is for what else it has to say. */
export function relaysForTicket(relays: readonly string[]): readonly string[] {
  let length = 0;
  return relays.filter((url) => {
    if (!isRelayUrl(url)) return false;
    length += formatParameter(relayParameter(url)).length + 1;
    return length <= ticketRelaysLengthMax;
  });
}

/** Reads a ticket, or a link that carries one behind its `#`. Fails with TICKET_MALFORMED. */
export function parseTicket(text: string, sha256: Sha256): Result<Ticket> {
  return attempt(() => {
    if (text.length > ticketTextLengthMax) {
      throw malformed("ticket", `${text.length} characters`, `at most ${ticketTextLengthMax}`);
    }
    if (utf8Length(text) < 0) throw malformed("ticket", "a lone surrogate", "well-formed text");
    const parameters = parseParameters(findTicket(text.trim()));
    const database = parseDatabase(single(parameters, "db"));
    const secret = parameters.some(([name]) => name === "in") ? parseSecret(single(parameters, "in")) : undefined;
    const checksum = single(parameters, "ck");
    const covered = parameters.filter(([name]) => name === "db" || name === "in" || name === "pr");
    if (checksum !== checksumOf(covered, sha256)) throw malformed("ck", show(checksum), "the checksum of the rest");
    const addresses = parameters.filter(([name]) => name === "pr").map(([, value]) => value);
    return {
      database,
      ...(secret === undefined ? {} : { secret }),
      relays: restsOf(addresses, "relay").map(parseRelay),
      peers: restsOf(addresses, "peer").map(parsePeer),
      addresses: restsOf(addresses, "dial").map(parseAddress),
    };
  });
}

function findTicket(text: string): string {
  const start = text.startsWith(prefix) ? 0 : text.indexOf("#") + 1;
  if (!text.startsWith(prefix, start))
    throw malformed("scheme", show(text.slice(start, start + prefix.length)), prefix);
  return text.slice(start + prefix.length);
}

function parseParameters(query: string): readonly Parameter[] {
  return query.split("&").map((part): Parameter => {
    const equals = part.indexOf("=");
    return equals < 0 ? [part, ""] : [part.slice(0, equals), decodeValue(part.slice(equals + 1))];
  });
}

function formatParameters(parameters: readonly Parameter[]): string {
  return prefix + parameters.map(formatParameter).join("&");
}

function formatParameter([name, value]: Parameter): string {
  return `${name}=${encodeValue(value)}`;
}

function relayParameter(url: string): Parameter {
  return ["pr", `relay:${url}`];
}

/** Colons and slashes need no encoding in a query, and addresses stay readable without. */
function encodeValue(value: string): string {
  return encodeURIComponent(value).replaceAll("%3A", ":").replaceAll("%2F", "/");
}

function decodeValue(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw malformed("encoding", "a broken % sequence", "percent-encoded UTF-8");
  }
}

function single(parameters: readonly Parameter[], field: Field): string {
  const [first, ...others] = parameters.filter(([name]) => name === field);
  if (first === undefined || others.length > 0) {
    throw malformed(field, first === undefined ? "nothing" : `${1 + others.length} times`, "exactly once");
  }
  return first[1];
}

function parseDatabase(text: string): DatabaseId {
  const id = attempt(() => parseCid(text));
  if (!id.ok) throw malformed("db", show(text), "a CID such as bafyrei…");
  return id.value;
}

function parseSecret(text: string): Uint8Array {
  const secret = decodeBase64Url(text);
  // Error messages end up in logs: the text itself stays out of them.
  if (secret?.length !== secretBytesLength) throw malformed("in", `${text.length} characters`, "32 bytes as base64url");
  return secret;
}

/** What follows the kind in the addresses of this kind. */
function restsOf(addresses: readonly string[], kind: string): readonly string[] {
  const start = `${kind}:`;
  return addresses.filter((address) => address.startsWith(start)).map((address) => address.slice(start.length));
}

function parseRelay(url: string): string {
  if (!isRelayUrl(url)) throw malformed("pr", show(url), "relay:wss://… or relay:ws://…");
  return url;
}

function parsePeer(key: string): PublicKey {
  if (!isHex64(key)) throw malformed("pr", show(key), "peer: and 64 hex digits");
  return publicKeyFromHex(key);
}

function parseAddress(text: string): AddressHint {
  const peer = pinned.exec(text)?.[1];
  const address = peer === undefined ? text : text.slice(peer.length + 1);
  if (!isDialAddress(address)) throw malformed("pr", show(text), "dial: and an address");
  return peer === undefined ? { address } : { address, peer: publicKeyFromHex(peer) };
}

function isDialAddress(address: string): boolean {
  const length = utf8Length(address);
  return dialAddress.test(address) && length >= 0 && length <= addressBytesMax;
}

/** Whether tickets can name it. */
export function isRelayUrl(url: string): boolean {
  return relayUrl.test(url) && utf8Length(url) >= 0;
}

/** Over the values as they are meant, so that a value encoded in another way is still the same ticket. */
function checksumOf(parameters: readonly Parameter[], sha256: Sha256): string {
  const lines = parameters.map(([name, value]) => `${name}=${encodeURIComponent(value)}\n`);
  return encodeBase64Url(sha256(encodeUtf8(checksumTag + lines.join(""))).subarray(0, checksumBytesLength));
}

function malformed(field: string, got: string, expected: string): TidemarkError {
  return new TidemarkError("TICKET_MALFORMED", { field, got, expected });
}

function invalid(field: string, got: string, expected: string): TidemarkError {
  return new TidemarkError("INPUT_INVALID", { field, got, expected });
}
