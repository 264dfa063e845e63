/** Denied client addresses: prefixes as operators write them, ranges as the core searches them. */
import { parseCidr } from "./config/address.ts";
import { StartError, whyUnreadable } from "./errors.ts";
import { EXIT_CONFIG } from "./exit_status.ts";

/** Sorted ranges that neither overlap nor touch. */
export interface DenyRanges {
  /** [first, last] pairs. */
  ipv4: Uint32Array;
  /** [first, last] pairs of 16 bytes in wire order. */
  ipv6: Uint8Array;
  count: number;
}

interface Range {
  first: bigint;
  last: bigint;
}

/** Turns prefixes that `parseCidr` accepts into ranges. */
export function toRanges(cidrs: readonly string[]): DenyRanges {
  const parsed = cidrs.map(parseCidr);
  const ipv4 = mergeRanges(parsed.filter(({ family }) => family === 4).map(toRange));
  const ipv6 = mergeRanges(parsed.filter(({ family }) => family === 6).map(toRange));
  return {
    ipv4: Uint32Array.from(ipv4.flatMap(({ first, last }) => [Number(first), Number(last)])),
    ipv6: Uint8Array.from(ipv6.flatMap(({ first, last }) => [...toBytes(first), ...toBytes(last)])),
    count: ipv4.length + ipv6.length,
  };
}

/**
 * Reads a file of one prefix a line; blank lines and comments behind `#` are let through.
 * @throws StartError naming the first bad line.
 */
export async function readDenyFile(path: string): Promise<string[]> {
  const cidrs: string[] = [];
  for (const [index, line] of (await readText(path)).split("\n").entries()) {
    const cidr = line.replace(/#.*/, "").trim();
    if (cidr === "") continue;
    try {
      parseCidr(cidr);
    } catch (error) {
      const expected = (error as Error).message;
      throw new StartError(
        `${path}:${index + 1}: Cannot read ${JSON.stringify(cidr)}: expected ${expected}`,
        EXIT_CONFIG,
      );
    }
    cidrs.push(cidr);
  }
  return cidrs;
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    const reason = whyUnreadable(error);
    throw new StartError(`Cannot read the denied clients "${path}": ${reason}`, EXIT_CONFIG, {
      key: "access_list.deny_clients_path",
    });
  }
}

function toRange(cidr: { bytes: Uint8Array; prefixLength: number }): Range {
  const first = cidr.bytes.reduce((sum, byte) => sum << 8n | BigInt(byte), 0n);
  const hostBits = BigInt(cidr.bytes.length * 8 - cidr.prefixLength);
  return { first, last: first | ((1n << hostBits) - 1n) };
}

function mergeRanges(ranges: Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of ranges.sort((a, b) => a.first < b.first ? -1 : a.first > b.first ? 1 : 0)) {
    const before = merged.at(-1);
    if (before !== undefined && range.first <= before.last + 1n) {
      if (range.last > before.last) before.last = range.last;
    } else {
      merged.push({ ...range });
    }
  }
  return merged;
}

function toBytes(address: bigint): number[] {
  return Array.from(
    { length: 16 },
    (_, index) => Number(address >> BigInt(120 - 8 * index) & 0xffn),
  );
}
