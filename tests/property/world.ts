/** The few addresses, torrents and ports that random histories play with. */
import type { Source } from "../model/tracker.ts";

export const ADDRESSES: readonly Uint8Array[] = [
  Uint8Array.of(192, 0, 2, 1),
  Uint8Array.of(192, 0, 2, 2),
  Uint8Array.of(198, 51, 100, 255),
  ipv6(1),
  ipv6(2),
  ipv6(0xffff),
  // The first address once more, as a dual-stack socket shows it.
  Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1),
];

export const PORTS: readonly number[] = [1, 6881, 6882, 65535];

export const INFO_HASHES: readonly Uint8Array[] = [
  new Uint8Array(20),
  new Uint8Array(20).fill(255),
  new Uint8Array(20).map((_, index) => index + 1),
  // Differs from the one above in its last byte only.
  new Uint8Array(20).map((_, index) => index === 19 ? 0 : index + 1),
];

export type Family = 4 | 6;

/** Member number `index` of a crowd: many peers on many addresses, none of them in ADDRESSES. */
export function crowdMember(family: Family, index: number): { source: Source; port: number } {
  const host = index % 61;
  return {
    source: {
      address: family === 4 ? Uint8Array.of(10, 1, 0, host) : ipv6(0x10000 + host),
      port: 40000,
    },
    port: 1024 + Math.floor(index / 61),
  };
}

/** The index of a crowd's member by its bytes in an answer. */
export function crowdIndex(answer: Uint8Array, end: number): number {
  return (answer[end - 2] * 256 + answer[end - 1] - 1024) * 61 + answer[end - 3];
}

function ipv6(host: number): Uint8Array {
  const address = new Uint8Array(16);
  address.set([0x20, 0x01, 0x0d, 0xb8]);
  new DataView(address.buffer).setUint32(12, host);
  return address;
}
