/** A torrent of one file of random bytes, and where clients find it. */
import bencode from "bencode";
import { concat, randomBytes } from "../../support/packets.ts";

const FILE_NAME = "payload.bin";
const FILE_BYTE_LENGTH = 4 * 1024 * 1024;
const PIECE_BYTE_LENGTH = 64 * 1024;

export class Torrent implements AsyncDisposable {
  readonly file: Uint8Array<ArrayBuffer>;
  readonly infoHash: Uint8Array;
  readonly #directory: string;
  readonly #info: Record<string, unknown>;

  private constructor(
    directory: string,
    parts: { file: Uint8Array<ArrayBuffer>; infoHash: Uint8Array; info: Record<string, unknown> },
  ) {
    this.#directory = directory;
    this.file = parts.file;
    this.infoHash = parts.infoHash;
    this.#info = parts.info;
  }

  /** Makes a new file and describes it. The torrent is private: only its tracker knows peers. */
  static async create(): Promise<Torrent> {
    const directory = await Deno.makeTempDir({ prefix: "riptide-torrent-" });
    const chunks = Array.from({ length: FILE_BYTE_LENGTH / 65536 }, () => randomBytes(65536));
    const file = concat(...chunks);
    const hashes: Uint8Array[] = [];
    for (let offset = 0; offset < file.length; offset += PIECE_BYTE_LENGTH) {
      hashes.push(await sha1(file.slice(offset, offset + PIECE_BYTE_LENGTH)));
    }
    const info = {
      length: file.length,
      name: FILE_NAME,
      "piece length": PIECE_BYTE_LENGTH,
      pieces: concat(...hashes),
      private: 1,
    };
    const infoHash = await sha1(Uint8Array.from(bencode.encode(info)));
    return new Torrent(directory, { file, infoHash, info });
  }

  /** Writes a torrent file that names this tracker, and returns its path. */
  async announcedAt(tracker: string): Promise<string> {
    const path = `${this.#directory}/payload.torrent`;
    await Deno.writeFile(path, bencode.encode({ announce: tracker, info: this.#info }));
    return path;
  }

  /** Makes a directory for a client, with the file in it for a seeder. */
  async makeHome(options: { withFile: boolean }): Promise<string> {
    const home = await Deno.makeTempDir({ dir: this.#directory });
    if (options.withFile) await Deno.writeFile(`${home}/${FILE_NAME}`, this.file);
    return home;
  }

  /** Tells whether a client's directory holds the file, byte by byte. */
  async isWholeIn(home: string): Promise<boolean> {
    const copy = await Deno.readFile(`${home}/${FILE_NAME}`);
    return copy.length === this.file.length &&
      copy.every((byte, index) => byte === this.file[index]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#directory, { recursive: true });
  }
}

async function sha1(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-1", bytes));
}
