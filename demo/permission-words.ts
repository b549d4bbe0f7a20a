/** Permissions in the words of somebody who came to write notes. */
import type { InviteInfo, Member, Permission } from "tidemark";
import { timeWords } from "./amounts.ts";
import { countWords } from "./element.ts";

/** "can write"; as in "Ada can write". */
export function mayWords(permission: Permission): string {
  switch (permission) {
    case "owner":
      return "made this board";
    case "admin":
      return "can invite and remove";
    case "write":
      return "can write";
    case "read":
      return "can read";
    case "relay":
      return "passes on";
    case "none":
      return "not on this board";
  }
}

/** "Ada, by a link, 14:03". */
export function letInWords({ via, setBy, setAtMs, key }: Member, wordFor: (key: string) => string): string {
  if (via === "root") return `nobody: made this board, ${timeWords(setAtMs)}`;
  const who = setBy === key ? "themselves" : wordFor(setBy);
  return `${who}${via === "redeem" ? ", by a link" : ""}, ${timeWords(setAtMs)}`;
}

/** "Can write · used once of 5 times · until 3 Mar, 14:03". */
export function inviteWords({ permission, uses, used, expiresAtMs }: InviteInfo): string {
  const may = mayWords(permission);
  const parts = [may.charAt(0).toUpperCase() + may.slice(1), usedWords(used, uses)];
  if (expiresAtMs !== undefined)
    parts.push(`${expiresAtMs <= Date.now() ? "ended" : "until"} ${timeWords(expiresAtMs)}`);
  return parts.join(" · ");
}

function usedWords(used: number, uses: number | undefined): string {
  if (uses !== undefined) return `${used} of ${countWords(uses, "use")}`;
  return used === 0 ? "not used yet" : `used ${countWords(used, "time")}`;
}
