/** The texts that the core sends: by the TEXT_* numbers of assembly/layout.ts. */
import {
  CONTROL_TEXTS,
  TEXT_COUNT_MAX,
  TEXT_EXPIRED_ID,
  TEXT_NOT_ALLOWED,
  TEXT_PORT,
  TEXT_SCRAPE,
  TEXT_SIZE,
} from "../assembly/layout.ts";

/** Each is ASCII, and shorter than TEXT_SIZE. */
export const TEXTS: Readonly<Record<number, string>> = {
  [TEXT_EXPIRED_ID]: "connection id expired",
  [TEXT_PORT]: "invalid port",
  [TEXT_SCRAPE]: "scrape needs one or more whole info hashes",
  [TEXT_NOT_ALLOWED]: "torrent not allowed",
};

/** Writes the texts where the core looks for them, each behind its length. */
export function writeTexts(bytes: Uint8Array): void {
  for (const [index, text] of Object.entries(TEXTS)) {
    if (text.length >= TEXT_SIZE || Number(index) >= TEXT_COUNT_MAX) {
      throw new RangeError(`Cannot place text ${index}: it has ${text.length} bytes`);
    }
    const offset = CONTROL_TEXTS + Number(index) * TEXT_SIZE;
    bytes[offset] = text.length;
    bytes.set(new TextEncoder().encode(text), offset + 1);
  }
}
