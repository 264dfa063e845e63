/**
 * The native driver's half of a batch: Linux's message headers, laid out in this memory.
 *
 * recvmmsg(2) fills the receive headers, `answerBatch` reads them and fills the send headers,
 * sendmmsg(2) sends those. An answer leaves from the address that was asked: where the socket tells
 * it (IP_PKTINFO, IPV6_PKTINFO), the same control message goes back. 64-bit little-endian Linux
 * only; the structures are the same on x86-64 and aarch64 (linux/socket.h, linux/in.h,
 * linux/in6.h).
 */
import {
  ADDRESS_BYTES,
  ADDRESS_KIND,
  ADDRESS_PORT,
  COUNT_DROP_KERNEL,
  COUNT_DROP_SHORT,
  COUNT_DROP_TRUNCATED,
  DATAGRAM_IN_SIZE,
  DATAGRAM_OUT_SIZE,
  IO_APPROACH,
  IO_HASH,
  IO_NAME,
  IO_NAME_SIZE,
  IO_RECEIVE_CONTROL,
  IO_RECEIVE_CONTROL_SIZE,
  IO_RECEIVE_IOVEC,
  IO_SEND_CONTROL,
  IO_SEND_IOVEC,
  IO_SLOT_SIZE,
  KIND_IPV4,
  KIND_IPV6,
  MMSGHDR_SIZE,
  SOCKET_COUNT_MAX,
  TORRENT_SIZE,
  WORKER_ADDRESS,
  WORKER_BATCH_SIZE,
  WORKER_HOST_BASE,
  WORKER_IN,
  WORKER_IO,
  WORKER_KERNEL_DROPS,
  WORKER_OUT,
  WORKER_SCRATCH,
} from "./layout";
import { count, countMany } from "./counters";
import { approachGroup, approachPeers, approachTorrent, hashInfoHash } from "./torrent_table";
import { ANNOUNCE_REQUEST_INFO_HASH, answerDatagram } from "./udp";

// struct mmsghdr: a struct msghdr, then the length.
const HEADER_NAME: usize = 0;
const HEADER_NAME_LENGTH: usize = 8;
const HEADER_IOVEC: usize = 16;
const HEADER_IOVEC_COUNT: usize = 24;
const HEADER_CONTROL: usize = 32;
const HEADER_CONTROL_LENGTH: usize = 40;
const HEADER_FLAGS: usize = 48;
const HEADER_BYTE_LENGTH: usize = 56;
const MSG_TRUNC: u32 = 0x20;

// struct iovec.
const IOVEC_BASE: usize = 0;
const IOVEC_LENGTH: usize = 8;

// struct sockaddr_in and sockaddr_in6.
const AF_INET: u32 = 2;
const NAME_FAMILY: usize = 0;
const NAME_PORT: usize = 2;
const NAME_IPV4: usize = 4;
const NAME_IPV6: usize = 8;
const NAME_IPV4_SIZE: u32 = 16;
/** ::ffff:0:0/96, as a little-endian word of the address's bytes 8-11. */
const MAPPED_PREFIX: u32 = 0xffff0000;

// struct cmsghdr and what follows it.
const CONTROL_LENGTH: usize = 0;
const CONTROL_LEVEL: usize = 8;
const CONTROL_TYPE: usize = 12;
const CONTROL_DATA: usize = 16;
const SOL_IP: u32 = 0;
const IP_PKTINFO: u32 = 8;
const SOL_SOCKET: u32 = 1;
const SO_RXQ_OVFL: u32 = 40;
const SOL_IPV6: u32 = 41;
const IPV6_PKTINFO: u32 = 50;
const IPV4_INFO_SIZE: u32 = 28;
const IPV6_INFO_SIZE: u32 = 36;
const IPV4_INFO_SOURCE: usize = 4;
const IPV6_INFO_INTERFACE: usize = 16;
/** fe80::/10 needs its interface; every other source is found by routing. */
const LINK_LOCAL_MASK: u16 = 0xc0ff;
const LINK_LOCAL: u16 = 0x80fe;

/** Points the worker's headers at its buffers; WORKER_HOST_BASE is set. */
export function prepareBatch(worker: usize): void {
  const batchSize = load<u32>(worker, WORKER_BATCH_SIZE);
  const input: usize = load<u32>(worker, WORKER_IN);
  const output: usize = load<u32>(worker, WORKER_OUT);
  memory.fill(
    load<u32>(worker, WORKER_IO),
    0,
    batchSize * (2 * MMSGHDR_SIZE + IO_SLOT_SIZE),
  );
  // The sockets of whoever takes a dead worker's place have dropped nothing yet.
  memory.fill(worker + WORKER_KERNEL_DROPS, 0, SOCKET_COUNT_MAX << 2);
  for (let index: u32 = 0; index < batchSize; ++index) {
    const header = receiveHeader(worker, index);
    const slot = ioSlot(worker, index);
    storeHost(worker, header + HEADER_NAME, slot + IO_NAME);
    storeHost(worker, header + HEADER_IOVEC, slot + IO_RECEIVE_IOVEC);
    store<u64>(header, 1, HEADER_IOVEC_COUNT);
    storeHost(worker, header + HEADER_CONTROL, slot + IO_RECEIVE_CONTROL);
    storeHost(worker, slot + IO_RECEIVE_IOVEC + IOVEC_BASE, input + index * DATAGRAM_IN_SIZE);
    store<u64>(slot + IO_RECEIVE_IOVEC, DATAGRAM_IN_SIZE, IOVEC_LENGTH);
    resetHeader(header);
    const answer = sendHeader(worker, index);
    storeHost(worker, answer + HEADER_IOVEC, slot + IO_SEND_IOVEC);
    store<u64>(answer, 1, HEADER_IOVEC_COUNT);
    storeHost(worker, answer + HEADER_CONTROL, slot + IO_SEND_CONTROL);
    storeHost(worker, slot + IO_SEND_IOVEC + IOVEC_BASE, output + index * DATAGRAM_OUT_SIZE);
  }
}

/**
 * Answers the datagrams in the first `datagramCount` receive headers.
 * @param socketIndex Which of the worker's sockets they came from, 0…SOCKET_COUNT_MAX-1.
 * @returns The number of send headers filled.
 */
export function answerBatch(
  worker: usize,
  rules: usize,
  socketIndex: u32,
  datagramCount: u32,
): u32 {
  const input: usize = load<u32>(worker, WORKER_IN);
  const output: usize = load<u32>(worker, WORKER_OUT);
  let answerCount: u32 = 0;
  approach(worker, datagramCount);
  for (let index: u32 = 0; index < datagramCount; ++index) {
    const header = receiveHeader(worker, index);
    const answer = output + answerCount * DATAGRAM_OUT_SIZE;
    let answerLength: u32 = 0;
    if (load<u32>(header, HEADER_FLAGS) & MSG_TRUNC) {
      count(worker, COUNT_DROP_TRUNCATED);
    } else if (readName(worker, ioSlot(worker, index) + IO_NAME, header)) {
      answerLength = answerDatagram(
        worker,
        rules,
        worker + WORKER_ADDRESS,
        input + index * DATAGRAM_IN_SIZE,
        load<u32>(header, HEADER_BYTE_LENGTH),
        load<u64>(ioSlot(worker, index), IO_HASH),
        answer,
      );
    } else {
      count(worker, COUNT_DROP_SHORT);
    }
    const controlLength = readControl(worker, index, header, socketIndex, answerCount);
    if (answerLength != 0) {
      const sent = sendHeader(worker, answerCount);
      // The name is sent from where it was received.
      store<u64>(sent, load<u64>(header, HEADER_NAME), HEADER_NAME);
      store<u32>(sent, load<u32>(header, HEADER_NAME_LENGTH), HEADER_NAME_LENGTH);
      store<u64>(sent, controlLength, HEADER_CONTROL_LENGTH);
      store<u64>(ioSlot(worker, answerCount), answerLength, IO_SEND_IOVEC + IOVEC_LENGTH);
      ++answerCount;
    }
    resetHeader(header);
  }
  return answerCount;
}

/**
 * Brings the torrents of a batch into the cache, all misses of one step at the same time, taking
 * every datagram for an announce. The loops are short so that the processor has many turns of them
 * under way at once; hashing, which is not, stands alone. Measured in docs/BENCHMARKS.md.
 */
function approach(worker: usize, datagramCount: u32): void {
  const infoHashes = load<u32>(worker, WORKER_IN) + ANNOUNCE_REQUEST_INFO_HASH;
  const slots = ioSlot(worker, 0);
  const end = slots + datagramCount * IO_SLOT_SIZE;
  for (let index: u32 = 0; index < datagramCount; ++index) {
    const hash = hashInfoHash(infoHashes + index * DATAGRAM_IN_SIZE);
    store<u64>(slots + index * IO_SLOT_SIZE, hash, IO_HASH);
  }
  // What is loaded must be used, or the compiler drops the load.
  let touched: u32 = 0;
  for (let slot = slots; slot < end; slot += IO_SLOT_SIZE) {
    const group = approachGroup(load<u64>(slot, IO_HASH));
    store<u32>(slot, group, IO_APPROACH);
    touched += load<u8>(group);
  }
  for (let slot = slots; slot < end; slot += IO_SLOT_SIZE) {
    const torrent = approachTorrent(load<u32>(slot, IO_APPROACH), load<u64>(slot, IO_HASH));
    store<u32>(slot, torrent, IO_APPROACH);
    touched += load<u8>(torrent) + load<u8>(torrent, TORRENT_SIZE - 1);
  }
  for (let slot = slots; slot < end; slot += IO_SLOT_SIZE) {
    const isIpv4 = load<u16>(slot, IO_NAME + NAME_FAMILY) == AF_INET;
    const peers = approachPeers(load<u32>(slot, IO_APPROACH), isIpv4 ? KIND_IPV4 : KIND_IPV6);
    touched += load<u8>(peers);
  }
  store<u32>(worker, touched, WORKER_SCRATCH);
}

function receiveHeader(worker: usize, index: u32): usize {
  return load<u32>(worker, WORKER_IO) + index * MMSGHDR_SIZE;
}

function sendHeader(worker: usize, index: u32): usize {
  return receiveHeader(worker, load<u32>(worker, WORKER_BATCH_SIZE) + index);
}

function ioSlot(worker: usize, index: u32): usize {
  return receiveHeader(worker, load<u32>(worker, WORKER_BATCH_SIZE) << 1) + index * IO_SLOT_SIZE;
}

/** Stores the process's own address of something in this memory. */
function storeHost(worker: usize, ptr: usize, target: usize): void {
  store<u64>(ptr, load<u64>(worker, WORKER_HOST_BASE) + target);
}

/** recvmmsg overwrites the lengths with what it filled. */
function resetHeader(header: usize): void {
  store<u32>(header, IO_NAME_SIZE, HEADER_NAME_LENGTH);
  store<u64>(header, IO_RECEIVE_CONTROL_SIZE, HEADER_CONTROL_LENGTH);
}

/** Fills the worker's ADDRESS record from a socket address; false where there is none. */
function readName(worker: usize, name: usize, header: usize): bool {
  if (load<u32>(header, HEADER_NAME_LENGTH) < NAME_IPV4_SIZE) return false;
  const address = worker + WORKER_ADDRESS;
  store<u16>(address, load<u16>(name, NAME_PORT), ADDRESS_PORT);
  if (load<u16>(name, NAME_FAMILY) == AF_INET) {
    store<u32>(address, KIND_IPV4, ADDRESS_KIND);
    store<u32>(address, load<u32>(name, NAME_IPV4), ADDRESS_BYTES);
  } else if (load<u64>(name, NAME_IPV6) == 0 && load<u32>(name, NAME_IPV6 + 8) == MAPPED_PREFIX) {
    store<u32>(address, KIND_IPV4, ADDRESS_KIND);
    store<u32>(address, load<u32>(name, NAME_IPV6 + 12), ADDRESS_BYTES);
  } else {
    store<u32>(address, KIND_IPV6, ADDRESS_KIND);
    v128.store(address, v128.load(name, NAME_IPV6), ADDRESS_BYTES);
  }
  return true;
}

/**
 * Reads the control messages of a datagram: the kernel's drop counter, and the address that was
 * asked, which becomes the control message of the next answer.
 * @returns Bytes of that control message, 0 where there is none.
 */
function readControl(
  worker: usize,
  index: u32,
  header: usize,
  socketIndex: u32,
  answerIndex: u32,
): u32 {
  let ptr = ioSlot(worker, index) + IO_RECEIVE_CONTROL;
  const end = ptr +
    min<u32>(<u32> load<u64>(header, HEADER_CONTROL_LENGTH), IO_RECEIVE_CONTROL_SIZE);
  let controlLength: u32 = 0;
  while (ptr + CONTROL_DATA <= end) {
    const level = load<u32>(ptr, CONTROL_LEVEL);
    const kind = load<u32>(ptr, CONTROL_TYPE);
    if (level == SOL_SOCKET && kind == SO_RXQ_OVFL) {
      countKernelDrops(worker, socketIndex, load<u32>(ptr, CONTROL_DATA));
    } else if (level == SOL_IP && kind == IP_PKTINFO) {
      controlLength = writeIpv4Source(ioSlot(worker, answerIndex) + IO_SEND_CONTROL, ptr);
    } else if (level == SOL_IPV6 && kind == IPV6_PKTINFO) {
      controlLength = writeIpv6Source(ioSlot(worker, answerIndex) + IO_SEND_CONTROL, ptr);
    }
    const byteLength = <u32> load<u64>(ptr, CONTROL_LENGTH);
    if (byteLength < CONTROL_DATA) break;
    ptr += aligned(byteLength);
  }
  return controlLength;
}

function aligned(byteLength: u32): u32 {
  return (byteLength + 7) & ~7;
}

function countKernelDrops(worker: usize, socketIndex: u32, drops: u32): void {
  const ptr = worker + WORKER_KERNEL_DROPS + (socketIndex << 2);
  countMany(worker, COUNT_DROP_KERNEL, drops - load<u32>(ptr));
  store<u32>(ptr, drops);
}

function writeIpv4Source(control: usize, received: usize): u32 {
  store<u64>(control, IPV4_INFO_SIZE, CONTROL_LENGTH);
  store<u32>(control, SOL_IP, CONTROL_LEVEL);
  store<u32>(control, IP_PKTINFO, CONTROL_TYPE);
  const info = control + CONTROL_DATA;
  store<u64>(info, 0);
  store<u32>(info, load<u32>(received + CONTROL_DATA, IPV4_INFO_SOURCE), IPV4_INFO_SOURCE);
  store<u32>(info, 0, 8);
  return aligned(IPV4_INFO_SIZE);
}

function writeIpv6Source(control: usize, received: usize): u32 {
  store<u64>(control, IPV6_INFO_SIZE, CONTROL_LENGTH);
  store<u32>(control, SOL_IPV6, CONTROL_LEVEL);
  store<u32>(control, IPV6_PKTINFO, CONTROL_TYPE);
  const info = control + CONTROL_DATA;
  const receivedInfo = received + CONTROL_DATA;
  v128.store(info, v128.load(receivedInfo));
  const needsInterface = (load<u16>(receivedInfo) & LINK_LOCAL_MASK) == LINK_LOCAL;
  store<u32>(
    info,
    needsInterface ? load<u32>(receivedInfo, IPV6_INFO_INTERFACE) : 0,
    IPV6_INFO_INTERFACE,
  );
  return aligned(IPV6_INFO_SIZE);
}
