/** What to do when a peer cannot be reached, by the code of the last failure. */

/** @param code undefined: nothing went wrong, the peer is just not there */
export function connectionAdvice(peer: string, code: string | undefined): string {
  if (code === undefined) return `Open the app on ${peer}, and check that it is online.`;
  return (adviceByCode.get(code) ?? reachAdvice)(peer);
}

const reachAdvice = (peer: string): string =>
  `Check that ${peer} is on and online, and that no firewall stands between; then connect again.`;

const adviceByCode: ReadonlyMap<string, (peer: string) => string> = new Map<string, (peer: string) => string>([
  ["HANDSHAKE_VERSION", (peer) => `Update Tidemark on this device or on ${peer}, whichever is older.`],
  ["HANDSHAKE_SIGNATURE", () => "Somebody may sit in the middle: try another network or relay."],
  ["HANDSHAKE_PEER", (peer) => `Another device answers at the address of ${peer}: give it its new address.`],
  [
    "HANDSHAKE_SELF",
    () => "Two devices have the same key: do not copy browser profiles, and open one with a new name.",
  ],
  ["CONNECT_REFUSED", (peer) => `Let ${peer} accept connections, or check its address.`],
  ["ADDRESS_INVALID", (peer) => `Correct the address of ${peer}, or register a transport for addresses of its type.`],
  [
    "PEER_GIVEN_UP",
    (peer) => `Check that ${peer} is on and online; then connect to it, it is not tried again by itself.`,
  ],
]);
