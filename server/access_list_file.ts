/**
 * Edits the file of an access list: entries come, change and go; comments and the order
 * stay.
 *
 * The new text is written beside the file and renamed over it, so that a tracker that reloads at
 * that moment reads the old list or the new one, never a part of one.
 */
import { type EntryDetails, formatDetails, parseDetails } from "./access_entry.ts";
import { StartError, whyUnreadable } from "./errors.ts";
import { EXIT_CONFIG } from "./exit_status.ts";

/** Ten million lines. */
const FILE_BYTE_LENGTH_MAX = 512 * 1024 * 1024;
const PROBLEMS_MAX = 20;

/** An entry that is to be in the list. */
export interface Entry {
  /** 40 hexadecimal digits. */
  infoHash: string;
  details: EntryDetails;
  comment?: string;
}

/** What a list holds. */
export interface Summary {
  entries: number;
  /** Lines of info hashes that are there already. */
  repeated: number;
  expired: number;
  reasons: number;
}

/** What became of entries. */
export interface Outcome {
  added: number;
  changed: number;
  removed: number;
}

interface Line {
  text: string;
  infoHash?: string;
  details?: EntryDetails;
}

const ENTRY = /^\s*([0-9a-f]{40})(?=[\s#]|$)(.*)$/i;

export class AccessListFile {
  readonly #path: string;
  readonly #lines: Line[];
  readonly #newline: string;

  private constructor(path: string, text: string) {
    this.#path = path;
    this.#newline = text.includes("\r\n") ? "\r\n" : "\n";
    const texts = text === "" ? [] : text.replace(/\r?\n$/, "").split(/\r?\n/);
    const problems: string[] = [];
    this.#lines = texts.map((line, index) => {
      try {
        return parseLine(line);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        problems.push(`${path}:${index + 1}: Cannot read ${show(line)}: ${error.message}`);
        return { text: line };
      }
    });
    if (problems.length > PROBLEMS_MAX) {
      const more = problems.length - PROBLEMS_MAX;
      problems.splice(PROBLEMS_MAX, more, `${path}: and ${more} more like these`);
    }
    if (problems.length > 0) throw new StartError(problems.join("\n"), EXIT_CONFIG);
  }

  /**
   * Reads a list.
   * @param options.mayBeAbsent A file that is not there is an empty list.
   * @throws StartError naming every line that is none.
   */
  static async read(path: string, options: { mayBeAbsent?: boolean } = {}) {
    try {
      const { size, isFile } = await Deno.stat(path);
      if (!isFile) throw new Error("it is not a file");
      if (size > FILE_BYTE_LENGTH_MAX) throw new Error("it is larger than 512 MiB");
      return new AccessListFile(path, await Deno.readTextFile(path));
    } catch (error) {
      if (error instanceof StartError) throw error;
      const isAbsent = error instanceof Deno.errors.NotFound;
      if (isAbsent && options.mayBeAbsent) return new AccessListFile(path, "");
      const reason = whyUnreadable(error);
      throw new StartError(`Cannot read the access list "${path}": ${reason}`, EXIT_CONFIG);
    }
  }

  /** Adds entries; one that is there already takes the details of the new one. */
  add(entries: readonly Entry[]): Outcome {
    const known = new Map<string, Line>();
    for (const line of this.#lines) {
      if (line.infoHash !== undefined) known.set(line.infoHash, line);
    }
    let changed = 0;
    const before = this.#lines.length;
    for (const entry of entries) {
      const line = toLine(entry);
      const old = known.get(line.infoHash!);
      if (old === undefined) {
        this.#lines.push(line);
        known.set(line.infoHash!, line);
      } else if (old.text !== line.text && hasMore(entry)) {
        Object.assign(old, line);
        ++changed;
      }
    }
    return { added: this.#lines.length - before, changed, removed: 0 };
  }

  /** Takes all lines of these info hashes out. */
  remove(infoHashes: readonly string[]): Outcome {
    const gone = new Set(infoHashes.map((infoHash) => infoHash.toLowerCase()));
    const kept = this.#lines.filter(({ infoHash }) =>
      infoHash === undefined || !gone.has(infoHash)
    );
    const removed = this.#lines.length - kept.length;
    this.#lines.length = 0;
    for (const line of kept) this.#lines.push(line);
    return { added: 0, changed: 0, removed };
  }

  /** All its entries, for another list. */
  entries(): Entry[] {
    return this.#lines.flatMap(({ text, infoHash, details }) => {
      if (infoHash === undefined) return [];
      return [{ infoHash, details: details!, comment: /(?<!\S)# ?([^"]*)$/.exec(text)?.[1] }];
    });
  }

  /** @param unixTime Seconds since 1970, for what has expired. */
  summarize(unixTime: number): Summary {
    const seen = new Set<string>();
    const reasons = new Set<string>();
    let lines = 0;
    let expired = 0;
    for (const { infoHash, details } of this.#lines) {
      if (infoHash === undefined) continue;
      ++lines;
      seen.add(infoHash);
      if (details!.reason !== undefined) reasons.add(details!.reason);
      if (details!.until !== undefined && details!.until <= unixTime) ++expired;
    }
    return { entries: seen.size, repeated: lines - seen.size, expired, reasons: reasons.size };
  }

  /** Puts the list in the place of the file. */
  async write(): Promise<void> {
    const text = this.#lines.map((line) => line.text + this.#newline).join("");
    const temporary = `${this.#path}.${crypto.randomUUID()}.tmp`;
    try {
      const mode = await Deno.stat(this.#path).then(({ mode }) => mode, () => null);
      {
        using file = await Deno.open(temporary, { write: true, createNew: true });
        const bytes = new TextEncoder().encode(text);
        for (let sent = 0; sent < bytes.length;) sent += await file.write(bytes.subarray(sent));
        await file.syncData();
      }
      if (mode !== null) await Deno.chmod(temporary, mode & 0o7777);
      await Deno.rename(temporary, this.#path);
    } catch (error) {
      await Deno.remove(temporary).catch(() => {});
      if (error instanceof Deno.errors.NotCapable) throw error;
      throw new StartError(
        `Cannot write the access list "${this.#path}": ${(error as Error).message}`,
      );
    }
  }
}

function parseLine(text: string): Line {
  if (/^\s*(#|$)/.test(text)) return { text };
  const match = ENTRY.exec(text);
  if (match === null) throw new SyntaxError("expected 40 hexadecimal digits, an info hash");
  return { text, infoHash: match[1]!.toLowerCase(), details: parseDetails(match[2]!) };
}

function toLine({ infoHash, details, comment }: Entry): Line {
  const behind = comment === undefined || comment === "" ? "" : ` # ${comment}`;
  const text = infoHash.toLowerCase() + formatDetails(details) + behind;
  return { text, infoHash: infoHash.toLowerCase(), details };
}

/** A bare info hash does not take the details of an entry away. */
function hasMore({ details, comment }: Entry): boolean {
  return details.reason !== undefined || details.until !== undefined || comment !== undefined;
}

function show(line: string): string {
  return JSON.stringify(line.length > 60 ? line.slice(0, 60) + "…" : line);
}
