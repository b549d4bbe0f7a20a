/**
 * One page's streams of files, and what it deletes.
 *
 * [EXPORT-9] Streams go as fast as the page takes and gives: nothing is read ahead, and they end with it.
 *
 * Whoever serves a page has one of these, and closes it when the page is gone.
 */
import { TidemarkError } from "../core/errors.ts";
import type { DatabaseId } from "../core/ids.ts";
import type { ExportPiece, FileProgress } from "../engine/exporting.ts";
import { exportFile } from "../engine/exporting.ts";
import { Importing, type ImportReport } from "../engine/importing.ts";
import type { Instance } from "../engine/instance.ts";
import type { EnginePorts } from "../engine/ports.ts";
import type { ChunkCiphers } from "../ports/chunk-cipher.ts";
import type { ExportOptions, FilesApi, KeysApi } from "./api.ts";

export interface FilesOptions {
  readonly instance: Instance;
  readonly ports: EnginePorts;
  readonly ciphers: ChunkCiphers;
  /** For the recovery key of a file. */
  readonly keys: Pick<KeysApi, "backupKeys" | "restoreKeys">;
  /** Ends the instance for every page, and deletes what is stored. */
  readonly wipe: () => Promise<void>;
}

export class Files implements FilesApi {
  readonly #options: FilesOptions;
  readonly #exports = new Map<number, AsyncGenerator<ExportPiece, void>>();
  readonly #imports = new Map<number, Importing>();

  constructor(options: FilesOptions) {
    this.#options = options;
  }

  /** No stream is open. */
  get isIdle(): boolean {
    return this.#exports.size + this.#imports.size === 0;
  }

  async exportOpen(stream: number, { database, passphrase, recovery = false }: ExportOptions): Promise<void> {
    const { instance, ports, ciphers, keys } = this.#options;
    const sealed = passphrase === undefined ? undefined : await ciphers.create(passphrase);
    const backup = async (text: string): Promise<string> => (await keys.backupKeys(text)).text;
    const file = exportFile({
      instance,
      ports,
      ...(database === undefined ? {} : { database }),
      ...(sealed === undefined ? {} : { sealed }),
      ...(recovery && passphrase !== undefined ? { recovery: () => backup(passphrase) } : {}),
    });
    this.#exports.set(stream, file);
  }

  async exportNext(stream: number): Promise<ExportPiece | undefined> {
    const file = this.#exports.get(stream);
    if (file === undefined) throw interrupted("export");
    try {
      const { done, value } = await file.next();
      if (done !== true) return value;
    } catch (error) {
      this.#exports.delete(stream);
      throw error;
    }
    this.#exports.delete(stream);
    return undefined;
  }

  async exportClose(stream: number): Promise<void> {
    this.#exports.delete(stream);
  }

  async importOpen(stream: number, passphrase?: string): Promise<void> {
    const { instance, ports, ciphers, keys } = this.#options;
    const restore = (text: string): ReturnType<KeysApi["restoreKeys"]> => keys.restoreKeys(text, passphrase ?? "");
    const sealed = passphrase === undefined ? {} : { seal: { ciphers, passphrase } };
    this.#imports.set(stream, new Importing({ instance, ports, restore, ...sealed }));
  }

  async importPush(stream: number, bytes: Uint8Array): Promise<FileProgress> {
    return await this.#import(stream).push(bytes);
  }

  async importEnd(stream: number): Promise<ImportReport> {
    const file = this.#import(stream);
    this.#imports.delete(stream);
    return await file.end();
  }

  async importClose(stream: number): Promise<void> {
    this.#imports.get(stream)?.close();
    this.#imports.delete(stream);
  }

  async forgetDatabase(database: DatabaseId): Promise<void> {
    await this.#options.instance.forget(database);
  }

  async removeDatabase(database: DatabaseId): Promise<void> {
    await this.#options.instance.remove(database);
  }

  async wipe(): Promise<void> {
    await this.#options.wipe();
  }

  /** The page is gone. */
  close(): void {
    this.#exports.clear();
    for (const file of this.#imports.values()) file.close();
    this.#imports.clear();
  }

  #import(stream: number): Importing {
    const file = this.#imports.get(stream);
    if (file === undefined) throw interrupted("import");
    return file;
  }
}

function interrupted(call: string): TidemarkError {
  return new TidemarkError("CALL_INTERRUPTED", { call });
}
