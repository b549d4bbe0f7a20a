/** The invites of a database: what its tickets are worth. `Database.share` makes them; "changed" of `permissions` tells of them too. */
import type { DatabaseId } from "../core/ids.ts";
import type { InviteInfo } from "../engine/permissions-info.ts";
import { toPublicKey } from "./input.ts";
import type { Line } from "./line.ts";

export class Invites {
  readonly #database: DatabaseId;
  readonly #line: Line;

  /** For `Database`. */
  constructor(database: DatabaseId, line: Line) {
    this.#database = database;
    this.#line = line;
  }

  /** Those that were not revoked, also expired and used up ones, the latest first. */
  list(): Promise<readonly InviteInfo[]> {
    return this.#line.call("invites.list", (api) => api.invites(this.#database));
  }

  /**
   * From now on nobody comes in by this invite, given by its key. Whoever came in stays; somebody who comes in at the same time elsewhere is
   * put out again when the two meet. Resolves when it is durable here. Rejects with PERMISSION_DENIED unless this key is an
   * admin stronger than what the invite gives, with INVITE_UNKNOWN, INPUT_INVALID or a STORAGE_ code.
   *
   * @example
   * for (const { key, label } of await db.invites.list()) if (label === "for the party") await db.invites.revoke(key);
   */
  async revoke(key: string): Promise<void> {
    const invite = toPublicKey(key, "key");
    await this.#line.write("invites.revoke", (api, write) => api.revokeInvite(this.#database, invite, write));
  }
}
