/**
 * Listen addresses and prefixes as an operator writes them.
 *
 * Both parsers throw a SyntaxError whose message is what is expected instead, because a sentence of
 * its own helps more than "invalid" for each of the usual slips.
 */

import ipaddr from "ipaddr.js";

/** Where to listen: `127.0.0.1:3000` or `[::1]:3000`. */
export interface ListenAddress {
  /** As `Deno.listenDatagram` wants it, without brackets. */
  hostname: string;
  /** 0 lets the system choose. */
  port: number;
  family: 4 | 6;
}

/** A UNIX socket: `unix:/run/riptide.sock`. */
export interface UnixAddress {
  path: string;
}

/** Where a TCP tracker may listen. */
export type SocketAddress = ListenAddress | UnixAddress;

/** All addresses that begin with the same bits. */
export interface Cidr {
  /** 4 or 16 bytes in network order; the bits after the prefix are 0. */
  bytes: Uint8Array;
  prefixLength: number;
  family: 4 | 6;
}

export const LISTEN_ADDRESS_EXPECTED =
  'an IP address with a port, such as "0.0.0.0:3000" or "[::]:3000"';
export const SOCKET_ADDRESS_EXPECTED =
  `${LISTEN_ADDRESS_EXPECTED}, or a UNIX socket, such as "unix:/run/riptide.sock"`;
export const CIDR_EXPECTED = 'a prefix such as "192.0.2.0/24" or "2001:db8::/32"';

const UNIX_PREFIX = "unix:";
/** Linux has room for 108 with the NUL behind it, macOS for 104. */
const UNIX_PATH_LENGTH_MAX = 103;

/** Parses `ADDRESS:PORT`, where an IPv6 address stands in brackets. */
export function parseListenAddress(input: string): ListenAddress {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]+)):(\d{1,9})$/.exec(input);
  if (match === null) throw new SyntaxError(explainListenAddress(input));
  const [, inBrackets, plain, digits] = match;
  const port = Number(digits);
  if (port > 65535) throw new SyntaxError("a port from 0 to 65535");
  if (plain !== undefined) {
    if (!ipaddr.IPv4.isValidFourPartDecimal(plain)) throw new SyntaxError(LISTEN_ADDRESS_EXPECTED);
    return { hostname: ipaddr.IPv4.parse(plain).toString(), port, family: 4 };
  }
  const address = parseIpv6(inBrackets!, LISTEN_ADDRESS_EXPECTED);
  if (address.isIPv4MappedAddress()) {
    throw new SyntaxError(
      `the IPv4 address itself; did you mean "${address.toIPv4Address()}:${port}"`,
    );
  }
  return { hostname: address.toRFC5952String(), port, family: 6 };
}

/** Writes what `parseListenAddress()` reads, in its one normal form. */
export function formatListenAddress(address: Pick<ListenAddress, "hostname" | "port">): string {
  const { hostname, port } = address;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Parses what `parseListenAddress()` does, or `unix:` and an absolute path. */
export function parseSocketAddress(input: string): SocketAddress {
  if (!input.startsWith(UNIX_PREFIX)) return parseListenAddress(input);
  const path = input.slice(UNIX_PREFIX.length);
  if (!path.startsWith("/") || path.endsWith("/")) {
    throw new SyntaxError('an absolute path after "unix:", such as "unix:/run/riptide.sock"');
  }
  if (new TextEncoder().encode(path).length > UNIX_PATH_LENGTH_MAX) {
    throw new SyntaxError(
      `a path of at most ${UNIX_PATH_LENGTH_MAX} bytes, as the system wants it`,
    );
  }
  return { path };
}

/** Writes what `parseSocketAddress()` reads. */
export function formatSocketAddress(address: SocketAddress): string {
  return "path" in address ? UNIX_PREFIX + address.path : formatListenAddress(address);
}

/** Parses `ADDRESS/PREFIX-LENGTH`; an address alone is a prefix of all its bits. */
export function parseCidr(input: string): Cidr {
  const [host = "", digits, rest] = input.split("/");
  if (rest !== undefined) throw new SyntaxError(CIDR_EXPECTED);
  const isIpv6 = host.includes(":");
  if (!isIpv6 && !ipaddr.IPv4.isValidFourPartDecimal(host)) throw new SyntaxError(CIDR_EXPECTED);
  const address = isIpv6 ? parseIpv6(host, CIDR_EXPECTED) : ipaddr.IPv4.parse(host);
  const bitCount = isIpv6 ? 128 : 32;
  if (digits !== undefined && !(/^\d{1,3}$/.test(digits) && Number(digits) <= bitCount)) {
    throw new SyntaxError(`a prefix length from 0 to ${bitCount} after the slash`);
  }
  const prefixLength = digits === undefined ? bitCount : Number(digits);
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()) {
    throw new SyntaxError("IPv4 prefixes in their own form, without ::ffff:");
  }
  const bytes = Uint8Array.from(address.toByteArray());
  const cidr: Cidr = {
    bytes: maskBytes(bytes, prefixLength),
    prefixLength,
    family: isIpv6 ? 6 : 4,
  };
  if (!bytes.every((byte, index) => byte === cidr.bytes[index])) {
    throw new SyntaxError(
      `no bits set after the first ${prefixLength}; did you mean "${formatCidr(cidr)}"`,
    );
  }
  return cidr;
}

/** Writes a prefix in its one normal form. */
export function formatCidr(cidr: Cidr): string {
  const address = ipaddr.fromByteArray(Array.from(cidr.bytes));
  const host = address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
  return `${host}/${cidr.prefixLength}`;
}

function parseIpv6(host: string, expected: string): ipaddr.IPv6 {
  if (host.includes("%")) throw new SyntaxError(`${expected}, without a zone`);
  if (!ipaddr.IPv6.isValid(host)) throw new SyntaxError(expected);
  return ipaddr.IPv6.parse(host);
}

function explainListenAddress(input: string): string {
  const unbracketed = /^(.*:.*):(\d{1,5})$/.exec(input);
  if (unbracketed !== null && ipaddr.IPv6.isValid(unbracketed[1]!)) {
    return `an IPv6 address in brackets; did you mean "[${unbracketed[1]}]:${unbracketed[2]}"`;
  }
  const bare = input.replace(/^\[(.*)\]$/, "$1");
  if (ipaddr.IPv6.isValid(bare)) return `a port as well; did you mean "[${bare}]:3000"`;
  if (ipaddr.IPv4.isValidFourPartDecimal(input)) {
    return `a port as well; did you mean "${input}:3000"`;
  }
  return LISTEN_ADDRESS_EXPECTED;
}

function maskBytes(bytes: Uint8Array, prefixLength: number): Uint8Array {
  return bytes.map((byte, index) => {
    const keptBits = Math.min(8, Math.max(0, prefixLength - index * 8));
    return byte & (0xff << (8 - keptBits));
  });
}
