/** IndexedDB where there is none, for one file of tests. */

/** A double of a browser's: the classes, by the names that they have there, and what else there is. */
type IdbDouble = Readonly<Record<string, unknown>> & { readonly IDBFactory: new () => unknown };

/** Puts one with nothing in it into `globalThis`, until what it returns is called: other files, in the same process, have none. */
export function installIdbDouble(double: IdbDouble): () => void {
  const classes = Object.entries(double).filter(([name]) => name.startsWith("IDB"));
  const globals: readonly (readonly [string, unknown])[] = [["indexedDB", new double.IDBFactory()], ...classes];
  for (const [name, value] of globals)
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  return () => {
    for (const [name] of globals) Reflect.deleteProperty(globalThis, name);
  };
}
