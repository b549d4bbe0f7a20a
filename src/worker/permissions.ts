/** The page's calls about who may do what. */
import type { DatabaseId, EntryId, PublicKey } from "../core/ids.ts";
import type { Permission, Power } from "../core/store/power.ts";
import type { Instance } from "../engine/instance.ts";
import type {
  Access,
  EntryExplained,
  InviteInfo,
  KeyExplained,
  Member,
  RequestInfo,
} from "../engine/permissions-info.ts";
import type { Approval, InviteOptions, PermissionChange, PermissionsApi } from "./api.ts";

/** For `WorkerHost`, which adds everything else. */
export abstract class PermissionCalls implements PermissionsApi {
  /** Waits until the instance is open; rejects with what kept it from opening. */
  protected abstract instance(): Promise<Instance>;

  async members(database: DatabaseId): Promise<readonly Member[]> {
    return (await this.#permissions()).members(database);
  }

  async setPermission(database: DatabaseId, change: PermissionChange): Promise<void> {
    await (await this.#permissions()).set(database, change);
  }

  async setPublic(database: DatabaseId, power: Power): Promise<void> {
    await (await this.#permissions()).setPublic(database, power);
  }

  async publicPermission(database: DatabaseId): Promise<Permission> {
    return (await this.#permissions()).publicPermission(database);
  }

  async explainKey(database: DatabaseId, key: PublicKey): Promise<KeyExplained> {
    return (await this.#permissions()).explainKey(database, key);
  }

  async explainEntry(database: DatabaseId, entry: EntryId): Promise<EntryExplained> {
    return (await this.#permissions()).explainEntry(database, entry);
  }

  async share(database: DatabaseId, invite: InviteOptions): Promise<string> {
    return (await this.instance()).share(database, invite);
  }

  async ticket(database: DatabaseId): Promise<string> {
    return (await this.instance()).ticket(database);
  }

  async invites(database: DatabaseId): Promise<readonly InviteInfo[]> {
    return (await this.instance()).invites(database);
  }

  async revokeInvite(database: DatabaseId, key: PublicKey): Promise<void> {
    await (await this.instance()).revokeInvite(database, key);
  }

  async requests(database: DatabaseId): Promise<readonly RequestInfo[]> {
    return (await this.instance()).requests(database);
  }

  async approveRequest(database: DatabaseId, approval: Approval): Promise<void> {
    await (await this.instance()).approveRequest(database, approval);
  }

  async rejectRequest(database: DatabaseId, key: PublicKey): Promise<void> {
    await (await this.instance()).rejectRequest(database, key);
  }

  async acceptRequests(database: DatabaseId, on: boolean): Promise<void> {
    await (await this.instance()).acceptRequests(database, on);
  }

  async access(database: DatabaseId): Promise<Access> {
    return (await this.instance()).access(database);
  }

  async setSync(database: DatabaseId, on: boolean): Promise<void> {
    await (await this.instance()).setSync(database, on);
  }

  async #permissions(): Promise<Instance["permissions"]> {
    return (await this.instance()).permissions;
  }
}
