/** Headers of the PROXY protocol, version 2, as a proxy writes them. */
import { concat, fromHex } from "./packets.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
/** TCP over IPv4 and IPv6. */
const IPV4 = 0x11;
const IPV6 = 0x21;

/** Writes a header for a connection from this address (4 or 16 bytes in hexadecimal digits). */
export function proxyHeaderV2(
  options: { source: string; isLocal?: boolean; extensions?: Uint8Array },
): Uint8Array {
  const { isLocal = false, extensions = new Uint8Array() } = options;
  const source = fromHex(options.source);
  const destination = new Uint8Array(source.length).fill(1);
  const ports = fromHex("15b3 0050");
  const byteLength = 2 * source.length + ports.length + extensions.length;
  const family = source.length === 4 ? IPV4 : IPV6;
  return concat(
    fromHex(SIGNATURE),
    Uint8Array.of(isLocal ? 0x20 : 0x21, family, byteLength >> 8, byteLength & 0xff),
    source,
    destination,
    ports,
    extensions,
  );
}
