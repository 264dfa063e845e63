/**
 * What a line of the access list may say behind its info hash:
 *
 *     HASH reason="Asked for by its author" until=2027-01-01T00:00:00Z # a comment
 */

/** What the core has room for, in bytes of UTF-8. */
const REASON_BYTES_MAX = 100;
/** A list has so many different reasons at the most; entries share them. */
export const REASONS_MAX = 1_000;
/** Seconds since 1970 that 32 bits can hold. */
const UNIX_SECONDS_MAX = 2 ** 32 - 1;

export interface EntryDetails {
  /** Told to clients that are refused. */
  reason?: string;
  /** Unix seconds from which on the entry counts no more. */
  until?: number;
}

/**
 * Parses what stands behind the info hash, a comment included.
 * @throws SyntaxError whose message is what was expected.
 */
export function parseDetails(text: string): EntryDetails {
  const details: EntryDetails = {};
  let rest = text.trim();
  while (rest !== "" && !rest.startsWith("#")) {
    const match = /^(\w+)=("(?:[^"\\]|\\["\\])*"|[^\s"#]+)(?=\s|#|$)\s*/.exec(rest);
    if (match === null) throw new SyntaxError('expected reason="…" or until=2027-01-01T00:00:00Z');
    const [whole, key, value] = match as unknown as [string, string, string];
    if (key === "reason" && details.reason === undefined) details.reason = parseReason(value);
    else if (key === "until" && details.until === undefined) details.until = parseUntil(value);
    else throw new SyntaxError(`expected reason or until, each once, and this is "${key}"`);
    rest = rest.slice(whole.length);
  }
  return details;
}

function parseReason(quoted: string): string {
  if (!quoted.startsWith('"')) throw new SyntaxError('expected the reason in quotes, reason="…"');
  const reason = quoted.slice(1, -1).replaceAll(/\\(["\\])/g, "$1");
  checkReason(reason);
  return reason;
}

/** @throws SyntaxError for a reason that clients cannot be told. */
export function checkReason(reason: string): void {
  const byteLength = new TextEncoder().encode(reason).length;
  if (byteLength === 0 || byteLength > REASON_BYTES_MAX || /\p{Cc}/u.test(reason)) {
    throw new SyntaxError(`expected a reason of 1 to ${REASON_BYTES_MAX} bytes on one line`);
  }
}

/** Unix seconds of a time in UTC. @throws SyntaxError */
export function parseUntil(text: string): number {
  const isForm = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/.test(text);
  const seconds = isForm ? Date.parse(text) / 1000 : NaN;
  if (!(seconds > 0 && seconds <= UNIX_SECONDS_MAX)) {
    const shown = JSON.stringify(text);
    throw new SyntaxError(
      `expected a time in UTC, 2027-01-01T00:00:00Z or 2027-01-01, not ${shown}`,
    );
  }
  return seconds;
}

/** Writes details as `parseDetails` reads them, beginning with a blank where there are any. */
export function formatDetails({ reason, until }: EntryDetails): string {
  let text = "";
  if (reason !== undefined) text += ` reason="${reason.replaceAll(/["\\]/g, "\\$&")}"`;
  if (until !== undefined) {
    text += ` until=${new Date(until * 1000).toISOString().replace(".000", "")}`;
  }
  return text;
}
