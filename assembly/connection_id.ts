/**
 * Connection ids (BEP 15): proof that the sender's address is not forged, without any state.
 *
 * 16 bits of the second of issue, then 48 bits of SipHash-2-4 over the client's IP and that full
 * time; bound to the IP only, since clients share an id among their sockets and our ports. Never 0:
 * some clients take that for an error.
 */
import {
  ADDRESS_BYTES,
  ADDRESS_KIND,
  CONTROL_MAC_KEY,
  CONTROL_MAX_CONNECTION_AGE,
  CONTROL_NOW,
  KIND_IPV4,
} from "./layout";
import { sipHash } from "./hash";

export const ID_FORGED: u32 = 0;
export const ID_EXPIRED: u32 = 1;
export const ID_VALID: u32 = 2;

/** Bytes of the MAC's message: 16 of address at the most, 4 of time. */
const MESSAGE_ADDRESS: usize = 4;

/** The id for a client at this second. @param scratch 64 bytes. */
export function issueConnectionId(address: usize, scratch: usize): u64 {
  return connectionId(address, load<u32>(CONTROL_NOW), scratch);
}

/** @returns `ID_VALID`, `ID_EXPIRED` (authentic, too old), or `ID_FORGED`. */
export function checkConnectionId(id: u64, address: usize, scratch: usize): u32 {
  const now = load<u32>(CONTROL_NOW);
  const age = (now - <u32> (id >> 48)) & 0xffff;
  // An id of the time before the clock began was never issued.
  if (age > now || connectionId(address, now - age, scratch) != id) return ID_FORGED;
  return age <= load<u32>(CONTROL_MAX_CONNECTION_AGE) ? ID_VALID : ID_EXPIRED;
}

function connectionId(address: usize, issued: u32, scratch: usize): u64 {
  const isIpv4 = load<u32>(address, ADDRESS_KIND) == KIND_IPV4;
  // In one word: what is stored in parts cannot be loaded as a word before it has left for memory.
  store<u64>(scratch, (<u64> issued) | ((<u64> load<u32>(address, ADDRESS_BYTES)) << 32));
  if (!isIpv4) v128.store(scratch, v128.load(address, ADDRESS_BYTES), MESSAGE_ADDRESS);
  const mac = sipHash(CONTROL_MAC_KEY, scratch, isIpv4 ? 8 : 20, 2, 4);
  const id = ((<u64> issued) << 48) | (mac >> 16);
  return id != 0 ? id : 1;
}
