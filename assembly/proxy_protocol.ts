/**
 * The header that a proxy sends before everything else (HAProxy's PROXY protocol, versions 1 and
 * 2).
 *
 * A connection that does not begin with one, or whose peer is not trusted to send one, is closed: a
 * port takes either this header from everybody or from nobody.
 */
import {
  ADDRESS_BYTES,
  ADDRESS_KIND,
  CONNECTION_FILLED,
  CONNECTION_HEAD,
  CONNECTION_INPUT,
  CONNECTION_LINE,
  CONNECTION_PEER,
  CONNECTION_PHASE,
  CONNECTION_SCANNED,
  CONTROL_PROXIES,
  KIND_IPV4,
  PHASE_REQUEST,
  RULES_IPV4_COUNT,
  RULES_IPV6_COUNT,
  SLICE_SIZE_MIN,
} from "./layout";
import { loadWire16 } from "./bytes";
import { isTrusted } from "./forwarded";
import { readIp, setIpv4, setIpv6 } from "./ip_text";
import { findByte, findControl } from "./scan";

export const PROXY_READ: u32 = 0;
export const PROXY_UNFINISHED: u32 = 1;
export const PROXY_BAD: u32 = 2;

/** CR LF CR LF NUL CR LF Q, and UIT LF, as they lie in memory. */
const SIGNATURE_0: u64 = 0x510a0d000a0d0a0d;
const SIGNATURE_8: u32 = 0x0a544955;
const SIGNATURE_SIZE: u32 = 12;
const V2_HEADER_SIZE: u32 = 16;
const V2_LOCAL: u32 = 0x20;
const V2_PROXY: u32 = 0x21;
const V2_FAMILY_IPV4: u32 = 1;
const V2_FAMILY_IPV6: u32 = 2;
const V2_IPV4_SIZE: u32 = 12;
const V2_IPV6_SIZE: u32 = 36;

/** PROXY and a blank, as they lie in memory. */
const V1_NAME: u64 = 0x2059584f5250;
const V1_NAME_SIZE: u32 = 6;
/** The longest line of version 1, CRLF included. */
const V1_SIZE_MAX: u32 = 107;
const V1_TCP4: u32 = 0x34504354;
const V1_TCP6: u32 = 0x36504354;
const V1_UNKNOWN: u32 = 0x4e4b4e55; // UNKN
const SPACE: u32 = 0x20;
const LINE_END: u32 = 0x0a0d;

/** Reads the header at the beginning of the input; CONNECTION_PEER then is who sent it on. */
export function readProxyHeader(connection: usize): u32 {
  if (!isPeerTrusted(connection + CONNECTION_PEER)) return PROXY_BAD;
  const input: usize = load<u32>(connection, CONNECTION_INPUT);
  const filled = load<u32>(connection, CONNECTION_FILLED);
  if (filled == 0) return PROXY_UNFINISHED;
  // The first byte tells the versions apart.
  return load<u8>(input) == 0x0d
    ? readVersion2(connection, input, filled)
    : readVersion1(connection, input, filled);
}

/** Where no proxies are named, whoever can connect is one. */
function isPeerTrusted(peer: usize): bool {
  const proxies: usize = atomic.load<u32>(CONTROL_PROXIES);
  if (proxies == 0) return true;
  const isAnyone = load<u32>(proxies, RULES_IPV4_COUNT) == 0 &&
    load<u32>(proxies, RULES_IPV6_COUNT) == 0;
  return isAnyone || isTrusted(peer);
}

function readVersion1(connection: usize, input: usize, filled: u32): u32 {
  const given = min<u32>(filled, V1_NAME_SIZE);
  const mask = ((<u64> 1) << (given << 3)) - 1;
  if ((load<u64>(input) & mask) != (V1_NAME & mask)) return PROXY_BAD;
  const lineEnd = findControl(input, input + filled);
  if (lineEnd + 1 >= input + filled) {
    return filled >= V1_SIZE_MAX ? PROXY_BAD : PROXY_UNFINISHED;
  }
  if (load<u16>(lineEnd) != LINE_END || lineEnd + 2 - input > V1_SIZE_MAX) return PROXY_BAD;
  const protocol = input + V1_NAME_SIZE;
  if (protocol + 4 > lineEnd) return PROXY_BAD;
  const name = load<u32>(protocol);
  if (name == V1_TCP4 || name == V1_TCP6) {
    const source = protocol + 5;
    const sourceEnd = findByte(source, lineEnd, SPACE);
    const isWhole = load<u8>(protocol, 4) == SPACE && countBlanks(source, lineEnd) == 3;
    const peer = connection + CONNECTION_PEER;
    if (!isWhole || !readIp(source, sourceEnd, peer)) return PROXY_BAD;
    if ((name == V1_TCP4) != isIpv4Text(source, sourceEnd)) return PROXY_BAD;
  } else if (name != V1_UNKNOWN) {
    return PROXY_BAD;
  }
  return consume(connection, lineEnd + 2 - input);
}

function isIpv4Text(ptr: usize, end: usize): bool {
  return findByte(ptr, end, 0x3a) == end;
}

function countBlanks(ptr: usize, end: usize): u32 {
  let blanks: u32 = 0;
  for (; ptr < end; ++ptr) blanks += <u32> (load<u8>(ptr) == SPACE);
  return blanks;
}

function readVersion2(connection: usize, input: usize, filled: u32): u32 {
  if (!beginsWithSignature(input, filled)) return PROXY_BAD;
  if (filled < V2_HEADER_SIZE) return PROXY_UNFINISHED;
  const command: u32 = load<u8>(input, SIGNATURE_SIZE);
  const byteLength = <u32> loadWire16(input + 14);
  if (command != V2_LOCAL && command != V2_PROXY) return PROXY_BAD;
  if (V2_HEADER_SIZE + byteLength > <u32> SLICE_SIZE_MIN) return PROXY_BAD;
  const family = <u32> load<u8>(input, 13) >> 4;
  const needed = family == V2_FAMILY_IPV4
    ? V2_IPV4_SIZE
    : family == V2_FAMILY_IPV6
    ? V2_IPV6_SIZE
    : 0;
  if (command == V2_PROXY && byteLength < needed) return PROXY_BAD;
  if (filled < V2_HEADER_SIZE + byteLength) return PROXY_UNFINISHED;
  const source = input + V2_HEADER_SIZE;
  const peer = connection + CONNECTION_PEER;
  // LOCAL is the proxy's own check, and other families have no address that a peer could have.
  if (command == V2_PROXY && family == V2_FAMILY_IPV4) setIpv4(peer, load<u32>(source));
  if (command == V2_PROXY && family == V2_FAMILY_IPV6) setIpv6(peer, source);
  return consume(connection, V2_HEADER_SIZE + byteLength);
}

function beginsWithSignature(input: usize, filled: u32): bool {
  if (filled < 8) {
    const mask = ((<u64> 1) << (filled << 3)) - 1;
    return (load<u64>(input) & mask) == (SIGNATURE_0 & mask);
  }
  const given = min<u32>(filled - 8, 4);
  const mask = <u32> (((<u64> 1) << (given << 3)) - 1);
  return load<u64>(input) == SIGNATURE_0 && (load<u32>(input, 8) & mask) == (SIGNATURE_8 & mask);
}

function consume(connection: usize, byteLength: u32): u32 {
  store<u32>(connection, byteLength, CONNECTION_HEAD);
  store<u32>(connection, byteLength, CONNECTION_LINE);
  store<u32>(connection, byteLength, CONNECTION_SCANNED);
  store<u32>(connection, PHASE_REQUEST, CONNECTION_PHASE);
  return PROXY_READ;
}

if (ADDRESS_KIND != 0 || KIND_IPV4 != 0 || ADDRESS_BYTES != 8) ERROR("An ADDRESS record changed");
