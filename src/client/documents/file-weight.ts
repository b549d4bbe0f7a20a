/**
 * What a file of Automerge stands for, counted before Automerge loads it: its columns are compressed, and a few bytes of them can claim
 * any number of operations.
 *
 * [DOC-54] What is compressed is inflated with a counter; the values that columns claim, and the bytes of texts that repeat, are counted from their runs. A part whose
 *          checksum is wrong, or that nobody knows, is refused: Automerge leaves it out in silence, with all that stands behind it.
 *
 * Not here: what the values are. Automerge reads them, and `decodeTail` judges what it read.
 */
import { compareBytes, concatBytes } from "../../core/bytes.ts";
import { LebReader, uintLength, writeUint } from "../../core/document/leb128.ts";
import { TidemarkError } from "../../core/errors.ts";
import { docImportBytesMax, docImportValuesMax } from "../../core/limits.ts";
import { invalid } from "../../core/store/values.ts";
import { plainSha256 } from "../../crypto/plain-sha256.ts";

const magic = Uint8Array.of(0x85, 0x6f, 0x4a, 0x83);
const checksumBytes = 4;
const hashBytes = 32;
/** Of a part. */
const kind = { document: 0, change: 1, compressedChange: 2 } as const;

interface FilePart {
  readonly type: number;
  /** Of a compressed change it is that of the change as it was before. */
  readonly checksum: Uint8Array;
  readonly contents: Uint8Array;
}

/** What a column's name says in its lowest four bits. */
const deflated = 8;
const column = { group: 0, actor: 1, uint: 2, delta: 3, boolean: 4, text: 5, valueMeta: 6, value: 7 } as const;

interface NamedColumn {
  readonly name: number;
  readonly length: number;
}

export interface FileLimits {
  /** Inflated, and of texts as often as they repeat. */
  readonly bytesMax: number;
  /** Changes and ops. */
  readonly valuesMax: number;
}

const importLimits: FileLimits = { bytesMax: docImportBytesMax, valuesMax: docImportValuesMax };

/** Rejects with INPUT_INVALID for what is damaged, is no file of Automerge, or is more than may be imported. */
export async function weighFile(bytes: Uint8Array, limits: FileLimits = importLimits): Promise<void> {
  const weight = new FileWeight(limits);
  const reader = new LebReader(bytes, refuse);
  do {
    const part = readPart(reader);
    if (part.type === kind.document) await weight.addDocument(part.contents);
    else if (part.type === kind.change) await weight.addChange(part.contents);
    else if (part.type === kind.compressedChange) await weight.addCompressed(part);
    else throw refuse(`a part of type ${part.type}`, "documents and changes");
  } while (!reader.isAtEnd);
}

function refuse(got: string, expected: string): Error {
  return invalid("bytes", got, `a file of Automerge: ${expected}`);
}

function readPart(reader: LebReader): FilePart {
  if (compareBytes(reader.take(magic.length), magic) !== 0) throw refuse("other bytes", "what save() gives");
  const checksum = reader.take(checksumBytes);
  const type = reader.byte();
  const contents = reader.take(reader.uint());
  if (type !== kind.compressedChange) assertChecksum(checksum, type, contents);
  return { type, checksum, contents };
}

function assertChecksum(checksum: Uint8Array, type: number, contents: Uint8Array): void {
  const head = new Uint8Array(1 + uintLength(contents.length));
  head[0] = type;
  writeUint(contents.length, head, 1);
  const digest = plainSha256(concatBytes(head, contents));
  if (compareBytes(digest.subarray(0, checksumBytes), checksum) !== 0) throw refuse("a wrong checksum", "a right one");
}

class FileWeight {
  readonly #limits: FileLimits;
  #values = 0;
  #bytes = 0;

  constructor(limits: FileLimits) {
    this.#limits = limits;
  }

  async addDocument(contents: Uint8Array): Promise<void> {
    const reader = new LebReader(contents, refuse);
    for (let left = reader.uint(contents.length); left > 0; left--) reader.skip(reader.uint());
    reader.skip(hashBytes * reader.uint(contents.length));
    const [changes, ops] = [readColumns(reader), readColumns(reader)];
    await this.#addColumns(reader, changes);
    await this.#addColumns(reader, ops);
  }

  async addChange(contents: Uint8Array): Promise<void> {
    const reader = new LebReader(contents, refuse);
    reader.skip(hashBytes * reader.uint(contents.length));
    reader.skip(reader.uint());
    for (let left = 2; left > 0; left--) reader.uint();
    reader.int();
    reader.skip(reader.uint());
    for (let left = reader.uint(contents.length); left > 0; left--) reader.skip(reader.uint());
    await this.#addColumns(reader, readColumns(reader));
  }

  async addCompressed({ checksum, contents }: FilePart): Promise<void> {
    const plain = await this.#inflate(contents);
    assertChecksum(checksum, kind.change, plain);
    await this.addChange(plain);
  }

  async #addColumns(reader: LebReader, columns: readonly NamedColumn[]): Promise<void> {
    let most = 0;
    for (const { name, length } of columns) {
      const bytes = reader.take(length);
      const plain = (name & deflated) === 0 ? bytes : await this.#inflate(bytes);
      most = Math.max(most, this.#measure(plain, name & 7));
    }
    this.#values += most;
    const { valuesMax } = this.#limits;
    if (this.#values > valuesMax) throw refuse(`${this.#values} values`, `at most ${valuesMax}`);
  }

  /** How many values a column claims. */
  #measure(bytes: Uint8Array, type: number): number {
    if (type === column.value) return 0;
    const reader = new LebReader(bytes, refuse);
    let [count, sum] = [0, 0];
    while (!reader.isAtEnd) {
      if (type === column.boolean) count += reader.uint();
      else {
        const length = reader.int();
        if (length === 0) count += reader.uint();
        if (length > 0) sum += length * readSize(reader, type);
        for (let left = -length; left > 0; left--) sum += readSize(reader, type);
        count += Math.abs(length);
      }
    }
    if (type === column.text) this.#addBytes(sum);
    return Math.max(count, type === column.group ? sum : 0);
  }

  async #inflate(bytes: Uint8Array): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    const reader = inflating(bytes).getReader();
    try {
      for (let { done, value } = await reader.read(); !done && value; { done, value } = await reader.read()) {
        this.#addBytes(value.length);
        pieces.push(value);
      }
    } catch (error) {
      reader.cancel().catch(() => {}); // What was wrong with it is told already.
      throw error instanceof TidemarkError ? error : refuse("compressed bytes that are damaged", "whole ones");
    }
    return concatBytes(...pieces);
  }

  #addBytes(count: number): void {
    this.#bytes += count;
    const { bytesMax } = this.#limits;
    if (this.#bytes > bytesMax) throw refuse(`${this.#bytes} bytes inflated`, `at most ${bytesMax}`);
  }
}

/** As many bytes are inflated as are asked for, and a little more. */
function inflating(bytes: Uint8Array): ReadableStream<Uint8Array> {
  const source = new Blob([bytes.slice()]).stream();
  return source.pipeThrough(new DecompressionStream("deflate-raw"));
}

/** Each says how many columns there are, and then the name and length of each: their bytes come behind. */
function readColumns(reader: LebReader): readonly NamedColumn[] {
  const columns: NamedColumn[] = [];
  for (let left = reader.uint(reader.end); left > 0; left--) {
    columns.push({ name: reader.uint(), length: reader.uint() });
  }
  return columns;
}

/** Reads a value: what it adds to the sum that its column stands for. */
function readSize(reader: LebReader, type: number): number {
  if (type === column.text) return reader.take(reader.uint()).length;
  if (type === column.delta) reader.int();
  else if (type === column.group) return reader.uint();
  else reader.uint();
  return 0;
}
