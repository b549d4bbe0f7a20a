/** Files as the app writes and reads them, with a real engine behind the line. */
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { concatBytes } from "../core/bytes.ts";
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import { formatCid } from "../core/ids.ts";
import type { FileProgress } from "../engine/exporting.ts";
import { cheapCiphers } from "../testing/backup-files.ts";
import { Cluster, type Device } from "../testing/cluster.ts";
import { listenersOf } from "../testing/listeners-of.ts";
import { catchUncaught } from "../testing/uncaught.ts";
import type { WorkerApi } from "../worker/api.ts";
import { Files } from "../worker/files.ts";
import { type ExportAllOptions, exportStream, importFrom, type MissingEntries } from "./export.ts";
import type { Line } from "./line.ts";

const passphrase = "correct horse battery";

/** One page: who leads can be another. */
class Page implements Pick<Line, "call" | "send"> {
  readonly calls: string[] = [];
  /** Pieces of files. */
  readonly handedOver: Uint8Array[] = [];
  files: Files;

  constructor(device: Device) {
    this.files = filesOf(device);
  }

  call<T>(
    _name: string,
    run: (api: WorkerApi) => Promise<T>,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(new TidemarkError("ABORTED", { call: "call" }));
      if (signal?.aborted) abort();
      signal?.addEventListener("abort", abort);
      run(this.#api())
        .then(resolve, reject)
        .finally(() => signal?.removeEventListener("abort", abort));
    });
  }

  send(run: (api: WorkerApi) => Promise<unknown>): void {
    void run(this.#api());
  }

  #api(): WorkerApi {
    const { files, calls, handedOver } = this;
    return new Proxy(files as unknown as WorkerApi, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as (...given: unknown[]) => unknown;
        return (...given: unknown[]) => {
          calls.push(String(name));
          handedOver.push(...given.filter((each) => each instanceof Uint8Array));
          return method.apply(target, given);
        };
      },
    });
  }
}

function filesOf({ instance, ports }: Device): Files {
  const noKeys = (): Promise<never> => Promise.reject(new Error("no keys here"));
  const keys = { backupKeys: noKeys, restoreKeys: noKeys };
  return new Files({ instance, ports, ciphers: cheapCiphers, keys, wipe: async () => {} });
}

let cluster: Cluster;
let ann: Device;
let bob: Device;
let page: Page;
let other: Page;
let id: DatabaseId;

beforeEach(async () => {
  cluster = new Cluster(1);
  ann = await cluster.addDevice();
  bob = await cluster.addDevice();
  page = new Page(ann);
  other = new Page(bob);
  id = (await cluster.settle(ann.instance.createDatabase("Notes"))).id;
  for (let i = 0; i < 4; i++) await cluster.settle(ann.write(id, `r${i}`, { text: "x".repeat(150_000) }));
});

async function whole(options: ExportAllOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of exportStream(page, undefined, options) as unknown as AsyncIterable<Uint8Array>)
    pieces.push(piece);
  return concatBytes(...pieces) as Uint8Array<ArrayBuffer>;
}

/** Ann's device lost an entry, and does not know it yet. */
async function damage(): Promise<Device> {
  const device = await cluster.restart(ann);
  const bytes = device.disk.databases.get(id)?.bytes[2] as Uint8Array;
  bytes[9] = (bytes[9] as number) ^ 1;
  page.files = filesOf(device);
  return device;
}

function streamOf(
  pieces: readonly unknown[],
  cancelled: (reason: unknown) => void = () => {},
): ReadableStream<Uint8Array> {
  const rest = [...pieces];
  return new ReadableStream({
    pull: (controller) => {
      const next = rest.shift();
      if (next === undefined) controller.close();
      else controller.enqueue(next as Uint8Array);
    },
    cancel: cancelled,
  });
}

describe("[EXPORT-10] an exported file", () => {
  test("is a stream that reads nothing before it is asked to", async () => {
    const reader = exportStream(page, id, {}).getReader();
    await cluster.pass(1_000);
    expect(page.calls).toEqual([]);
    await reader.read();
    expect(page.calls).toEqual(["exportOpen", "exportNext"]);
    await reader.read();
    await cluster.pass(1_000);
    expect(page.calls).toEqual(["exportOpen", "exportNext", "exportNext"]);
  });

  test("is closed when whoever reads it has enough", async () => {
    const reader = exportStream(page, id, {}).getReader();
    await reader.read();
    await reader.cancel();
    expect(page.calls.at(-1)).toBe("exportClose");
    const untouched = exportStream(page, id, {});
    await untouched.cancel();
    expect(page.calls.at(-1)).toBe("exportClose");
    expect(page.calls).toHaveLength(3);
  });

  test("ends with ABORTED when its signal is aborted, before it was read or in the middle", async () => {
    const early = exportStream(page, id, { signal: AbortSignal.abort() }).getReader();
    await expect(early.read()).rejects.toMatchObject({ code: "ABORTED" });
    expect(page.calls).toEqual([]);
    const controller = new AbortController();
    const reader = exportStream(page, id, { signal: controller.signal }).getReader();
    await reader.read();
    controller.abort();
    await expect(reader.read()).rejects.toMatchObject({ code: "ABORTED" });
    expect(page.calls.at(-1)).toBe("exportClose");
  });

  test("is over when it has ended: what happens to its signal then is nothing to it", async () => {
    const controller = new AbortController();
    await whole({ signal: controller.signal });
    const reader = exportStream(page, id, { signal: controller.signal }).getReader();
    await reader.read();
    await reader.cancel();
    const { length } = page.calls;
    controller.abort();
    expect(page.calls).toHaveLength(length);
  });

  test("is one of several that are read in turns", async () => {
    const [one, two] = [exportStream(page, id, {}).getReader(), exportStream(page, id, { passphrase }).getReader()];
    const pieces: Uint8Array[] = [];
    for (;;) {
      const [read, other] = [await one.read(), await two.read()];
      expect(other.done).toBe(read.done);
      if (read.done) break;
      pieces.push(read.value);
    }
    const file = new Blob([concatBytes(...pieces) as Uint8Array<ArrayBuffer>]);
    expect((await importFrom(other, file, {})).databases).toMatchObject([{ added: 5 }]);
  });

  test("holds a recovery key when that is asked for", async () => {
    const reader = exportStream(page, undefined, { passphrase, recovery: true }).getReader();
    await expect(reader.read()).rejects.toThrow("no keys here");
  });

  test("fails with what the engine says, and with CALL_INTERRUPTED when another tab leads", async () => {
    const unknown = exportStream(new Page(bob), id, {}).getReader();
    await expect(unknown.read()).rejects.toMatchObject({ code: "DATABASE_UNKNOWN" });
    const reader = exportStream(page, id, {}).getReader();
    await reader.read();
    page.files = filesOf(ann);
    await expect(reader.read()).rejects.toMatchObject({ code: "CALL_INTERRUPTED" });
    expect(page.calls.at(-1)).toBe("exportClose");
  });

  test("tells how far it is", async () => {
    const told: FileProgress[] = [];
    const file = await whole({ onProgress: (progress) => told.push(progress) });
    expect(told.at(-1)).toEqual({ entries: 5, total: 5, bytes: file.length });
    expect(told.length).toBeGreaterThan(5);
  });

  test("names what is missing in it as apps do", async () => {
    const device = await damage();
    const told: MissingEntries[] = [];
    const file = await whole({ onMissing: (missing) => told.push(missing) });
    const entries = [formatCid(device.instance.database(id).replica.graph.at(2).id)];
    expect(told).toEqual([{ database: formatCid(id), entries }]);
    expect((await importFrom(other, new Blob([file]), {})).databases).toMatchObject([{ missing: 1, added: 2 }]);
  });

  test("is whole whatever its listeners throw, which the page hears of", async () => {
    await damage();
    const caught = catchUncaught(onTestFinished);
    const bug = new Error("of the app");
    const onProgress = (): void => {
      throw bug;
    };
    const file = await whole({ onProgress, onMissing: onProgress });
    await importFrom(other, new Blob([file]), { onProgress });
    await cluster.pass(1);
    expect(bob.instance.database(id).hasRoot).toBe(true);
    expect(new Set(caught)).toEqual(new Set([bug]));
  });

  test.each<readonly [string, object]>([
    ["a passphrase that is none", { passphrase: 7 }],
    ["a signal that is none", { signal: {} }],
    ["a listener that is none", { onProgress: 1 }],
    ["a listener of what is missing that is none", { onMissing: 1 }],
    ["a recovery key without a passphrase", { recovery: true }],
    ["a recovery that is neither", { passphrase, recovery: "yes" }],
  ])("is refused at once for %s", (_what, options) => {
    expect(() => exportStream(page, undefined, options as ExportAllOptions)).toThrow(
      expect.objectContaining({ code: "INPUT_INVALID" }),
    );
  });
});

describe("[EXPORT-10] a file that is imported", () => {
  test("may be a Blob or a stream of any pieces, and the report names databases as apps do", async () => {
    const file = await whole();
    const report = await importFrom(other, new Blob([file]), {});
    const counts = { added: 5, known: 0, refused: 0, waiting: 0, missing: 0 };
    expect(report).toEqual({
      createdAtMs: cluster.clock.now(),
      databases: [{ id: formatCid(id), name: "Notes", state: "created", ...counts }],
      recovery: undefined,
    });
    expect(bob.stateDigest(id)).toBe(ann.stateDigest(id));
    const pieces = Array.from({ length: Math.ceil(file.length / 999) }, (_, i) => file.slice(i * 999, (i + 1) * 999));
    expect(await importFrom(other, streamOf(pieces), {})).toMatchObject({ databases: [{ known: 5 }] });
  });

  test("is handed on in pieces of 256 KiB at most, with progress", async () => {
    const file = await whole();
    expect(file.length).toBeGreaterThan(2 * 262_144);
    const told: FileProgress[] = [];
    await importFrom(other, streamOf([file]), { onProgress: (progress) => told.push(progress) });
    expect(told.map(({ bytes }) => bytes)).toEqual([262_144, 524_288, file.length]);
    expect(told.at(-1)).toMatchObject({ entries: 5, total: 5 });
    expect(other.calls).toEqual(["importOpen", "importPush", "importPush", "importPush", "importEnd"]);
  });

  test("is handed on as bytes of their own, and leaves nothing on its signal", async () => {
    const file = await whole();
    const { signal } = new AbortController();
    const listening = listenersOf(signal);
    await importFrom(other, streamOf([file]), { signal });
    expect(other.handedOver.map((bytes) => bytes.buffer.byteLength)).toEqual(
      other.handedOver.map(({ length }) => length),
    );
    expect(listening.size).toBe(0);
  });

  test.each<readonly [string, object]>([
    ["a passphrase that is none", { passphrase: 7 }],
    ["a signal that is none", { signal: {} }],
    ["a listener that is none", { onProgress: 1 }],
  ])("is refused at once for %s", async (_what, options) => {
    const source = streamOf([]);
    await expect(importFrom(other, source, options)).rejects.toMatchObject({ code: "INPUT_INVALID" });
    expect([other.calls, source.locked]).toEqual([[], false]);
  });

  test("ends with ABORTED in the middle, also while its stream hangs, and lets the stream go", async () => {
    const file = await whole();
    const controller = new AbortController();
    const reasons: unknown[] = [];
    const hanging = new ReadableStream<Uint8Array>({
      start: (stream) => stream.enqueue(file.slice(0, 1_000)),
      cancel: (reason) => void reasons.push(reason),
    });
    const importing = importFrom(other, hanging, { signal: controller.signal });
    await cluster.pass(1_000);
    controller.abort();
    await expect(importing).rejects.toMatchObject({ code: "ABORTED" });
    expect(reasons).toMatchObject([{ code: "ABORTED" }]);
    expect(other.calls.at(-1)).toBe("importClose");
  });

  test("that is refused is let go as well", async () => {
    const reasons: unknown[] = [];
    const source = streamOf([new Uint8Array(100), new Uint8Array(100)], (reason) => reasons.push(reason));
    await expect(importFrom(other, source, {})).rejects.toMatchObject({ code: "EXPORT_MALFORMED" });
    expect(reasons).toMatchObject([{ code: "EXPORT_MALFORMED" }]);
    expect(other.calls.at(-1)).toBe("importClose");
  });

  test("is refused when it is no file, and a sealed one without its passphrase", async () => {
    const used = streamOf([]);
    used.getReader();
    for (const source of [undefined, "file", new Uint8Array(1), used, streamOf(["text"])])
      await expect(importFrom(other, source as unknown as Blob, {})).rejects.toMatchObject({ code: "INPUT_INVALID" });
    const sealed = new Blob([await whole({ passphrase })]);
    await expect(importFrom(other, sealed, {})).rejects.toMatchObject({ code: "INPUT_INVALID" });
    await importFrom(other, sealed, { passphrase });
    expect(bob.stateDigest(id)).toBe(ann.stateDigest(id));
  });
});
