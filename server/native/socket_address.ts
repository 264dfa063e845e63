/** Addresses as Linux's socket calls take them. */

import ipaddr from "ipaddr.js";
import * as linux from "./linux.ts";

/** An IP address without brackets, and a port. */
export interface SocketAddress {
  hostname: string;
  port: number;
}

/** Writes a struct sockaddr_in or sockaddr_in6. */
export function writeSocketAddress(address: SocketAddress): Uint8Array<ArrayBuffer> {
  if (!(address.port >= 0 && address.port <= 65535)) {
    throw new RangeError(`Cannot use port ${address.port}: expected 0 to 65535`);
  }
  const parsed = ipaddr.parse(address.hostname);
  const isIpv6 = parsed.kind() === "ipv6";
  const bytes = new Uint8Array(isIpv6 ? linux.SOCKADDR_IN6_SIZE : linux.SOCKADDR_IN_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint16(linux.SOCKADDR_FAMILY, isIpv6 ? linux.AF_INET6 : linux.AF_INET, true);
  view.setUint16(linux.SOCKADDR_PORT, address.port);
  bytes.set(
    parsed.toByteArray(),
    isIpv6 ? linux.SOCKADDR_IN6_ADDRESS : linux.SOCKADDR_IN_ADDRESS,
  );
  return bytes;
}

/** Writes a struct sockaddr_un. */
export function writeUnixAddress(path: string): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(path);
  const bytes = new Uint8Array(linux.SOCKADDR_UN_PATH + text.length + 1);
  bytes[linux.SOCKADDR_FAMILY] = linux.AF_UNIX;
  bytes.set(text, linux.SOCKADDR_UN_PATH);
  return bytes;
}

/**
 * Whether an IPv6 socket is to leave IPv4 alone: `[::]` takes both families, as it does in Deno,
 * unless another socket of the same port is there for IPv4.
 * @param served Every address that is listened on.
 */
export function isV6Only(address: SocketAddress, served: readonly object[]): boolean {
  const hasIpv4Socket = served.some((other) =>
    "port" in other && "hostname" in other && other.port === address.port &&
    !(other.hostname as string).includes(":")
  );
  return hasIpv4Socket || address.hostname !== "::";
}

/** Reads a struct sockaddr_in or sockaddr_in6. */
export function readSocketAddress(bytes: Uint8Array): SocketAddress {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const port = view.getUint16(linux.SOCKADDR_PORT);
  if (view.getUint16(linux.SOCKADDR_FAMILY, true) === linux.AF_INET6) {
    const start = linux.SOCKADDR_IN6_ADDRESS;
    const address = ipaddr.fromByteArray([...bytes.subarray(start, start + 16)]) as ipaddr.IPv6;
    return { hostname: address.toRFC5952String(), port };
  }
  const start = linux.SOCKADDR_IN_ADDRESS;
  return { hostname: bytes.subarray(start, start + 4).join("."), port };
}

/** With brackets around an IPv6 address. */
export function formatAddress({ hostname, port }: SocketAddress): string {
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
