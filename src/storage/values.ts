/** Small values by name, such as the key pair, each beside a second copy. */
import type { Connection } from "./connection.ts";
import { allValueCopies, openEither, putValue, readEither, valueCopyKey } from "./spare.ts";

const stores = ["values", "spare"] as const;

export async function getValue(connection: Connection, name: string): Promise<unknown> {
  const [stored, copy] = await connection.read(stores, (transaction) =>
    Promise.all([
      transaction.objectStore("values").get(name),
      transaction.objectStore("spare").get(valueCopyKey(name)),
    ]),
  );
  return openEither(stored, copy, name);
}

export async function putValueOnce(connection: Connection, name: string, value: unknown): Promise<unknown> {
  const [stored, copy] = await connection.change(stores, async (transaction) => {
    const [values, spare] = [transaction.objectStore("values"), transaction.objectStore("spare")];
    if ((await values.getKey(name)) === undefined) await Promise.all(putValue(transaction, name, value));
    return await Promise.all([values.get(name), spare.get(valueCopyKey(name))]);
  });
  return openEither(stored, copy, name);
}

export async function valuesNamed(
  connection: Connection,
  prefix: string,
): Promise<readonly (readonly [name: string, value: unknown])[]> {
  const [names, values, copyNames, copies] = await connection.read(stores, (transaction) => {
    const [store, spare] = [transaction.objectStore("values"), transaction.objectStore("spare")];
    const range = allValueCopies();
    return Promise.all([store.getAllKeys(), store.getAll(), spare.getAllKeys(range), spare.getAll(range)]);
  });
  const copyAt = new Map(copyNames.map((name, i) => [name, copies[i]]));
  // There are few, and no range of texts ends exactly where a prefix does.
  return names.flatMap((name, i) =>
    name.startsWith(prefix) ? [[name, readEither(values[i], copyAt.get(valueCopyKey(name)), name)] as const] : [],
  );
}

export async function deleteValue(connection: Connection, name: string): Promise<void> {
  await connection.write(stores, (transaction) => [
    transaction.objectStore("values").delete(name),
    transaction.objectStore("spare").delete(valueCopyKey(name)),
  ]);
}
