/** Which network addresses count as one when sockets per address are limited. */
import { isIPv4, isIPv6 } from "node:net";

const mappedPrefix = "::ffff:";

/**
 * An IPv4 address stands for itself, also in its mapped IPv6 form. An IPv6 address stands for its /64, because one household
 * has at least that many. Anything else counts as one address called "unknown".
 */
export function addressGroup(address: string): string {
  const bare = address.split("%", 1)[0] ?? "";
  const lower = bare.toLowerCase();
  if (lower.startsWith(mappedPrefix) && isIPv4(lower.slice(mappedPrefix.length)))
    return lower.slice(mappedPrefix.length);
  if (isIPv4(lower)) return lower;
  return isIPv6(lower) ? network64(lower) : "unknown";
}

function network64(address: string): string {
  const [head = "", tail] = address.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = tail === undefined ? 0 : 8 - first.length - last.length;
  const groups = [...first, ...new Array<string>(missing).fill("0"), ...last];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
