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
import type { EnginePorts } from "../engine/ports.ts";
import type { WriteId } from "../engine/writes.ts";
import type { Approval, InviteOptions, PermissionChange, PermissionsApi } from "./api.ts";

/** What calls are answered from. */
export interface EngineParts {
  readonly instance: Instance;
  readonly ports: EnginePorts;
}

/** For `ClientCalls`, which adds everything else. */
export abstract class PermissionCalls implements PermissionsApi {
  /** Every call, by its name. Rejects as `call` does, and with what else keeps it from being answered. */
  protected abstract run<T>(
    name: string,
    call: (client: { readonly engine: EngineParts }) => T | Promise<T>,
  ): Promise<T>;

  members(database: DatabaseId): Promise<readonly Member[]> {
    return this.#ask("members", ({ permissions }) => permissions.members(database));
  }

  setPermission(database: DatabaseId, change: PermissionChange, write?: WriteId): Promise<void> {
    return this.#ask("setPermission", ({ permissions }) => permissions.set(database, change, write));
  }

  setPublic(database: DatabaseId, power: Power, write?: WriteId): Promise<void> {
    return this.#ask("setPublic", ({ permissions }) => permissions.setPublic(database, power, write));
  }

  publicPermission(database: DatabaseId): Promise<Permission> {
    return this.#ask("publicPermission", ({ permissions }) => permissions.publicPermission(database));
  }

  explainKey(database: DatabaseId, key: PublicKey): Promise<KeyExplained> {
    return this.#ask("explainKey", ({ permissions }) => permissions.explainKey(database, key));
  }

  explainEntry(database: DatabaseId, entry: EntryId): Promise<EntryExplained> {
    return this.#ask("explainEntry", ({ permissions }) => permissions.explainEntry(database, entry));
  }

  share(database: DatabaseId, invite: InviteOptions, write?: WriteId): Promise<string> {
    return this.#ask("share", (instance) => instance.share(database, invite, write));
  }

  ticket(database: DatabaseId): Promise<string> {
    return this.#ask("ticket", (instance) => instance.ticket(database));
  }

  invites(database: DatabaseId): Promise<readonly InviteInfo[]> {
    return this.#ask("invites", (instance) => instance.invites(database));
  }

  revokeInvite(database: DatabaseId, key: PublicKey, write?: WriteId): Promise<void> {
    return this.#ask("revokeInvite", (instance) => instance.revokeInvite(database, key, write));
  }

  requests(database: DatabaseId): Promise<readonly RequestInfo[]> {
    return this.#ask("requests", (instance) => instance.requests(database));
  }

  approveRequest(database: DatabaseId, approval: Approval, write?: WriteId): Promise<void> {
    return this.#ask("approveRequest", (instance) => instance.approveRequest(database, approval, write));
  }

  rejectRequest(database: DatabaseId, key: PublicKey, write?: WriteId): Promise<void> {
    return this.#ask("rejectRequest", (instance) => instance.rejectRequest(database, key, write));
  }

  acceptRequests(database: DatabaseId, on: boolean): Promise<void> {
    return this.#ask("acceptRequests", (instance) => instance.acceptRequests(database, on));
  }

  access(database: DatabaseId): Promise<Access> {
    return this.#ask("access", (instance) => instance.access(database));
  }

  setSync(database: DatabaseId, on: boolean): Promise<void> {
    return this.#ask("setSync", (instance) => instance.setSync(database, on));
  }

  #ask<T>(name: string, ask: (instance: Instance) => T | Promise<T>): Promise<T> {
    return this.run(name, ({ engine }) => ask(engine.instance));
  }
}
