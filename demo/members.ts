/** What everybody on a board may do, as its settings say, and who let them in. */
import type { Database, Member, Permission, PermissionsChange, Stop } from "tidemark";

export class Members {
  readonly #stop: Stop;
  readonly #changed: () => void;
  readonly #database: Database;
  #byKey: ReadonlyMap<string, Member> = new Map();
  #everybody: Permission = "none";
  #isClosed = false;

  /** `changed` is called once they are here, and after every change; `told` with what else changed because of one. */
  constructor(database: Database, changed: () => void, told: (change: PermissionsChange) => void) {
    this.#database = database;
    this.#changed = changed;
    this.#stop = database.permissions.on("changed", (change) => {
      void this.#take(change.members);
      told(change);
    });
    database.permissions.list().then(
      (members) => (this.#byKey.size === 0 ? this.#take(members) : undefined),
      () => {}, // Closed: there is nothing to show any more.
    );
  }

  /** Undefined for somebody who may do no more than everybody. */
  get(key: string): Member | undefined {
    return this.#byKey.get(key);
  }

  /** Strongest first. */
  keys(): readonly string[] {
    return [...this.#byKey.keys()];
  }

  /** What this device's user may do. */
  get own(): Member | undefined {
    return [...this.#byKey.values()].find(({ isYou }) => isYou);
  }

  /** What this key may do, by itself or like everybody. */
  permissionOf(key: string): Permission {
    return this.get(key)?.permission ?? this.#everybody;
  }

  /** Whether this device's user may change what that key may do. */
  mayChange(key: string): boolean {
    const { own } = this;
    return own !== undefined && own.power < 100 && key !== own.key && own.power < (this.get(key)?.power ?? 999);
  }

  /** What an admin made by this device's user has: an admin gives only what is weaker than itself. */
  get adminPower(): number {
    return Math.min(99, Math.max(10, (this.own?.power ?? 0) + 1));
  }

  async set(key: string, permission: "admin" | "write" | "read" | "none", name: string): Promise<void> {
    const isNamed = name === "" || (this.get(key)?.name ?? "") !== "";
    const given = permission === "admin" ? this.adminPower : permission;
    await this.#database.permissions.set(key, given, isNamed ? {} : { name });
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
  }

  async #take(members: readonly Member[]): Promise<void> {
    this.#byKey = new Map(members.map((member) => [member.key, member]));
    this.#everybody = await this.#database.permissions.public().catch(() => "none" as const);
    if (!this.#isClosed) this.#changed();
  }
}
