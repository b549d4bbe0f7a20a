/** Closes connections to IndexedDB under a storage, as a browser does. */

type Listener = (event: unknown) => void;

export class ClosedConnections {
  /** Those that were opened since, the newest last. */
  readonly opened: IDBDatabase[] = [];
  /** Called with each transaction before it is used. */
  began: (transaction: IDBTransaction, db: IDBDatabase) => void = () => {};
  /** Called before each transaction is made. */
  begins: (db: IDBDatabase, stores: unknown) => void = () => {};
  readonly #name: string;
  readonly #running = new Set<IDBTransaction>();
  readonly #told = new Map<IDBDatabase, Listener[]>();
  readonly #restore: () => void;

  /** Of the instance with this name; `stop` when done. */
  constructor(name: string) {
    this.#name = `tidemark/${name}`;
    const { transaction, addEventListener } = IDBDatabase.prototype;
    const begin = (db: IDBDatabase, args: unknown[]): IDBTransaction => {
      if (db.name === this.#name) this.begins(db, args[0]);
      const made = (transaction as (...args: unknown[]) => IDBTransaction).apply(db, args);
      if (db.name === this.#name) this.#note(made, db);
      return made;
    };
    const listen = (db: IDBDatabase, args: unknown[]): void => {
      (addEventListener as (...args: unknown[]) => void).apply(db, args);
      if (db.name !== this.#name) return;
      if (!this.opened.includes(db)) this.opened.push(db);
      if (args[0] === "close") this.#told.set(db, [...(this.#told.get(db) ?? []), args[1] as Listener]);
    };
    define("transaction", function (this: IDBDatabase, ...args: unknown[]) {
      return begin(this, args);
    });
    define("addEventListener", function (this: IDBDatabase, ...args: unknown[]) {
      listen(this, args);
    });
    this.#restore = () => {
      define("transaction", transaction);
      // Its own is one that it inherits.
      Reflect.deleteProperty(IDBDatabase.prototype, "addEventListener");
    };
  }

  stop(): void {
    this.#restore();
  }

  /** Closed, and nobody was told. */
  closeQuietly(): void {
    this.opened.at(-1)?.close();
  }

  /** What runs is aborted, and the owner is told. */
  closeAbruptly(): void {
    const db = this.opened.at(-1);
    for (const transaction of this.#running) abort(transaction);
    db?.close();
    if (db !== undefined) for (const listener of this.#told.get(db) ?? []) listener({ type: "close", target: db });
  }

  #note(transaction: IDBTransaction, db: IDBDatabase): void {
    this.#running.add(transaction);
    // Nobody but the browser can abort one that was finished; one that finishes by itself comes to the same.
    Object.defineProperty(transaction, "commit", { configurable: true, value: () => {} });
    const forget = (): void => void this.#running.delete(transaction);
    for (const type of ["complete", "abort"]) transaction.addEventListener(type, forget);
    this.began(transaction, db);
  }
}

/** When the transaction is stored, `stored` is called, and whoever waits for its end hears that it was aborted: when `tell` is called. */
export function hideCompletion(transaction: IDBTransaction, stored: (tell: () => void) => void): void {
  const add = transaction.addEventListener;
  const told = new Map<string, Listener>();
  Object.defineProperty(transaction, "addEventListener", {
    configurable: true,
    value(type: string, listener: Listener) {
      told.set(type, listener);
      // The last that idb listens to; whoever comes after it, such as the double itself, is told the truth.
      if (type === "abort") Reflect.deleteProperty(transaction, "addEventListener");
      if (type !== "complete") return Reflect.apply(add, transaction, [type, listener]);
      return Reflect.apply(add, transaction, [
        type,
        () => stored(() => told.get("abort")?.({ type: "abort", target: transaction })),
      ]);
    },
  });
}

function define(name: "transaction" | "addEventListener", value: unknown): void {
  Object.defineProperty(IDBDatabase.prototype, name, { configurable: true, writable: true, value });
}

function abort(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // It has ended.
  }
}
