import type { Storage } from "../ports/storage.ts";
export function createMemoryStorage(): Storage {
  const dbs = new Map<string, any>();
  const values = new Map<string, any>();
  const get = (id: string) => { let d = dbs.get(id); if (!d) { d = { entries: [], checkpoints: [], cursors: new Map() }; dbs.set(id, d);} return d; };
  return {
    databases: async () => [...dbs.values()].map((d) => d.record).filter(Boolean),
    putDatabase: async (record) => { get(record.id).record = record; },
    deleteDatabase: async (id) => { dbs.delete(id); },
    load: async (id) => { const d = dbs.get(id); return d?.record ? { record: d.record, index: d.entries, checkpoints: d.checkpoints } : undefined; },
    commit: async (c) => { const d = get(c.database); if (d.entries.length !== c.position) throw new Error("position"); d.entries.push(...c.entries.map((e: any) => ({ ...e, bytes: e.bytes.slice() }))); },
    read: async (id, a, b) => get(id).entries.slice(a, b).map((e: any) => e.bytes),
    readById: async (id, e) => get(id).entries.find((x: any) => x.id === e)?.bytes,
    putCheckpoint: async (id, part, replaces) => { const d = get(id); d.checkpoints = [...d.checkpoints.filter((p: any) => p.number < replaces), part]; },
    deleteCheckpoints: async (id) => { get(id).checkpoints = []; },
    putCursor: async () => {}, cursors: async () => [],
    getValue: async (n) => values.get(n), putValueOnce: async (n, v) => { if (!values.has(n)) values.set(n, v); return values.get(n); },
    close: async () => {},
  };
}
