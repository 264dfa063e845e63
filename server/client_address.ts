/** Client addresses as Deno tells them, turned into the core's bytes. */

/**
 * Writes the hostname of a `Deno.NetAddr` into `bytes`, in wire order; an IPv4 client of an
 * IPv6 socket (`::ffff:a.b.c.d`) becomes the IPv4 client that it is.
 * @param bytes 16 bytes; an IPv4 address takes the first four.
 * @returns Whether it is IPv6.
 */
export function writeClientAddress(bytes: Uint8Array, hostname: string): boolean {
  const colon = hostname.indexOf(":");
  if (colon < 0) {
    writeIpv4(bytes, hostname, 0);
    return false;
  }
  if (hostname.startsWith("::ffff:") && hostname.includes(".")) {
    writeIpv4(bytes, hostname, "::ffff:".length);
    return false;
  }
  writeIpv6(bytes, hostname);
  return true;
}

/** Four decimal numbers from `start` on; the runtime wrote them, so they are well formed. */
function writeIpv4(bytes: Uint8Array, hostname: string, start: number): void {
  let index = 0;
  let value = 0;
  for (let position = start; position < hostname.length; ++position) {
    const code = hostname.charCodeAt(position);
    if (code === 0x2e) {
      bytes[index++] = value;
      value = 0;
    } else {
      value = value * 10 + code - 0x30;
    }
  }
  bytes[index] = value;
}

/** Groups of hexadecimal digits, `::` once at the most; a zone (`%eth0`) ends the address. */
function writeIpv6(bytes: Uint8Array, hostname: string): void {
  bytes.fill(0, 0, 16);
  let offset = 0;
  let gapAt = -1;
  let value = 0;
  let hasDigits = false;
  const end = hostname.indexOf("%") < 0 ? hostname.length : hostname.indexOf("%");
  for (let position = 0; position <= end; ++position) {
    const code = position < end ? hostname.charCodeAt(position) : 0x3a;
    if (code !== 0x3a) {
      value = value << 4 | (code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57);
      hasDigits = true;
      continue;
    }
    if (hasDigits) {
      bytes[offset++] = value >> 8;
      bytes[offset++] = value;
    } else if (position > 0) {
      gapAt = offset;
    }
    value = 0;
    hasDigits = false;
  }
  if (gapAt < 0 || offset === 16) return;
  bytes.copyWithin(16 - (offset - gapAt), gapAt, offset);
  bytes.fill(0, gapAt, 16 - (offset - gapAt));
}
