/** Files of databases, written and read whole. */
import { concatBytes } from "../core/bytes.ts";
import type { DatabaseId } from "../core/ids.ts";
import { chunkCiphers } from "../crypto/chunk-cipher.ts";
import { type ExportFileOptions, exportFile } from "../engine/exporting.ts";
import { Importing, type ImportingOptions, type ImportReport } from "../engine/importing.ts";
import type { ChunkCiphers } from "../ports/chunk-cipher.ts";
import type { Device } from "./device.ts";

/** As cheap as Argon2id can be. */
export const cheapCiphers: ChunkCiphers = chunkCiphers({ memoryKib: 8, passes: 1, lanes: 1 });

export interface WriteFileOptions extends Pick<ExportFileOptions, "recovery"> {
  readonly database?: DatabaseId;
  readonly passphrase?: string;
}

/** Piece by piece: the header, and every chunk. */
export async function filePieces(device: Device, options: WriteFileOptions = {}): Promise<readonly Uint8Array[]> {
  const { passphrase, ...rest } = options;
  const sealed = passphrase === undefined ? {} : { sealed: await cheapCiphers.create(passphrase) };
  const { instance, ports } = device;
  const pieces: Uint8Array[] = [];
  for await (const { bytes } of exportFile({ instance, ports, ...rest, ...sealed })) pieces.push(bytes);
  return pieces;
}

export async function writeFile(device: Device, options: WriteFileOptions = {}): Promise<Uint8Array> {
  return concatBytes(...(await filePieces(device, options)));
}

export interface ReadFileOptions extends Partial<Pick<ImportingOptions, "restore">> {
  readonly passphrase?: string;
}

export function openFile(device: Device, { passphrase, restore = noKeys }: ReadFileOptions = {}): Importing {
  const { instance, ports } = device;
  const sealed = passphrase === undefined ? {} : { seal: { ciphers: cheapCiphers, passphrase } };
  return new Importing({ instance, ports, restore, ...sealed });
}

/** In pieces of so many bytes. */
export async function readFile(
  device: Device,
  file: Uint8Array,
  options: ReadFileOptions = {},
  pieceBytes: number = 65_536,
): Promise<ImportReport> {
  const reader = openFile(device, options);
  for (let at = 0; at < file.length; at += pieceBytes) await reader.push(file.slice(at, at + pieceBytes));
  return await reader.end();
}

function noKeys(): Promise<never> {
  return Promise.reject(new Error("this file was to hold no key"));
}
