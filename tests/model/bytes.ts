/** Byte strings as map keys, and back to something that can be read in a report. */

const codes: number[] = [];

/** One character per byte: a key for Map and Set. (An array is the fastest way there: 270 ns.) */
export function keyOf(bytes: Uint8Array, start = 0, end = bytes.length): string {
  codes.length = end - start;
  for (let index = start; index < end; ++index) codes[index - start] = bytes[index];
  return String.fromCharCode.apply(null, codes);
}

function keyToHex(key: string): string {
  return Array.from(key, (character) => character.charCodeAt(0).toString(16).padStart(2, "0"))
    .join("");
}

/** Reads hex digits; white space between them is ignored. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s/g, "");
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) {
    throw new SyntaxError(`Cannot read hex: ${text}`);
  }
  const bytes = new Uint8Array(digits.length / 2);
  for (let index = 0; index < bytes.length; ++index) {
    bytes[index] = parseInt(digits.slice(2 * index, 2 * index + 2), 16);
  }
  return bytes;
}

/** The address that counts: `::ffff:a.b.c.d` is the IPv4 address a.b.c.d (protocols.md A2). */
export function canonicalAddress(address: Uint8Array): Uint8Array {
  const isMapped = address.length === 16 && address[10] === 0xff && address[11] === 0xff &&
    address.subarray(0, 10).every((byte) => byte === 0);
  return isMapped ? address.subarray(12) : address;
}

/** A peer as it stands in answers: address and port, big-endian. */
export function peerKey(address: Uint8Array, port: number): string {
  return keyOf(address) + String.fromCharCode(port >> 8, port & 0xff);
}

export function peerToText(key: string): string {
  const port = key.charCodeAt(key.length - 2) * 256 + key.charCodeAt(key.length - 1);
  const address = Array.from(key.slice(0, -2), (character) => character.charCodeAt(0));
  if (address.length === 4) return `${address.join(".")}:${port}`;
  return `[${keyToHex(key.slice(0, -2)).replace(/(....)(?!$)/g, "$1:")}]:${port}`;
}
