/** Which settings entry a refusal goes back to, where there is one: looked for only once something is refused. */

import type { PublicKey } from "../ids.ts";
import type { Node } from "../node.ts";
import { inviteOf, publicOf, type RedeemFault, saidOf, type View } from "./power-of.ts";

/** What says what a key may do: of the key itself, else of everybody. Of the owner nothing does. */
export function blamedFor(key: PublicKey, view: View): Node | undefined {
  if (key === view.owner) return undefined;
  return (saidOf(key, view) ?? publicOf(view))?.node;
}

export function blamedForInvite(
  reason: RedeemFault,
  author: PublicKey,
  inviteKey: PublicKey,
  view: View,
): Node | undefined {
  if (reason === "removed" || reason === "needless") return blamedFor(author, view);
  const invite = inviteOf(inviteKey, view);
  const inviter = reason === "unentitled" && invite !== undefined ? blamedFor(invite.node.author, view) : undefined;
  return inviter ?? invite?.node;
}
