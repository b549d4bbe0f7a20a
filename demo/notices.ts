/** Tells this device's user when what they may do has changed, and when work stopped counting or counts again. */
import type { Database, Permission, PermissionsChange } from "tidemark";
import { countWords } from "./element.ts";
import type { Toasts } from "./toasts.ts";

/** So many changes are looked at to see whose they are. */
const lookedAtMax = 50;

export interface NoticesOptions {
  readonly database: Database;
  readonly self: string;
  readonly toasts: Toasts;
  readonly wordFor: (key: string) => string;
}

export class Notices {
  readonly #options: NoticesOptions;
  #permission: Permission;

  constructor(options: NoticesOptions, permission: Permission) {
    this.#options = options;
    this.#permission = permission;
  }

  /** What this device's user may do, now or still. */
  showPermission(permission: Permission): void {
    const before = this.#permission;
    this.#permission = permission;
    const words = changeWords[permission];
    if (before !== permission && before !== "none" && words !== undefined)
      this.#options.toasts.show(words.title, { hint: words.hint });
  }

  /** Resolves with whether something of this device's user no longer counts. */
  async tell({ voided, revived }: PermissionsChange): Promise<boolean> {
    const { toasts, self } = this.#options;
    const voidedAuthors = await this.#authorsOf(voided);
    if (voided.length > 0) {
      const whose = this.#whose(voidedAuthors);
      toasts.show(
        `${countWords(voided.length, "change")} ${whose} no longer ${voided.length === 1 ? "counts" : "count"}`,
        {
          hint: "Made without knowing that the permission for it had been taken away. It is gone from everyone’s board alike.",
        },
      );
    }
    if (revived.length > 0) {
      const whose = this.#whose(await this.#authorsOf(revived));
      toasts.show(
        `${countWords(revived.length, "change")} ${whose} ${revived.length === 1 ? "counts" : "count"} again`,
        {
          hint: "Whoever had taken the permission away was not entitled to.",
        },
      );
    }
    return voidedAuthors.has(self);
  }

  async #authorsOf(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const { permissions } = this.#options.database;
    const explained = await Promise.all(ids.slice(0, lookedAtMax).map((id) => permissions.explain(id)));
    return new Set(explained.flatMap((one) => (one.type === "key" || one.author === undefined ? [] : [one.author])));
  }

  /** "of yours", "by Ada", "by others". */
  #whose(authors: ReadonlySet<string>): string {
    const { self, wordFor } = this.#options;
    const [author] = authors;
    if (authors.size === 1 && author === self) return "of yours";
    if (authors.size === 1 && author !== undefined) return `by ${wordFor(author)}`;
    return authors.has(self) ? "by you and others" : "by others";
  }
}

const changeWords: Partial<Record<Permission, { readonly title: string; readonly hint: string }>> = {
  admin: { title: "You can invite and remove people now", hint: "Somebody gave you the permission." },
  write: { title: "You can write on this board now", hint: "Somebody changed what you may do." },
  read: { title: "You can only read this board now", hint: "Somebody changed what you may do." },
  none: { title: "You are no longer on this board", hint: "What had arrived before stays on this device." },
};
