/**
 * The core's ABI: every export, called by `Core` in wasm/core.ts and by nobody else.
 *
 * A worker is named by its index, 0…WORKER_COUNT_MAX-1. Numbers are 32 bits wide; bytes and records
 * pass through the shared memory at the places that layout.ts names.
 */
import {
  ANNOUNCE_SIZE,
  CONNECTION_PHASE,
  CONTROL_ARENA,
  CONTROL_EMPTY_RULES,
  CONTROL_PAGE_BITS,
  CONTROL_PAGE_COUNT,
  CONTROL_RULES,
  CONTROL_SHARD_BITS,
  CONTROL_SHARDS,
  COUNT_DROP_TRUNCATED,
  DATAGRAM_IN_SIZE,
  DATAGRAM_OUT_SIZE,
  ENDING_LINGER,
  FULL,
  HTTP_TEXT_COUNT_MAX,
  HTTP_TEXT_SIZE,
  HTTP_TEXTS,
  IO_SLOT_SIZE,
  MMSGHDR_SIZE,
  OK,
  PAGE_SIZE,
  PHASE_WEBSOCKET,
  SERVES_HTTP,
  SHARD_SIZE,
  WORKER_ADDRESS,
  WORKER_BATCH,
  WORKER_BATCH_SIZE,
  WORKER_BEATS,
  WORKER_COUNT_MAX,
  WORKER_HEARTBEAT,
  WORKER_IN,
  WORKER_IO,
  WORKER_NUMBER,
  WORKER_OUT,
  WORKER_SERVES,
  WORKER_SIZE,
  WORKERS,
} from "./layout";
import * as rules from "./access_rules";
import { count } from "./counters";
import * as connections from "./connections";
import { isTrusted } from "./forwarded";
import * as http from "./http";
import { take } from "./memory";
import * as native from "./native";
import * as outbox from "./outbox";
import * as reclaim from "./reclaim";
import * as recoverFrom from "./recover";
import * as details from "./rule_details";
import * as sweep from "./sweep";
import { hashInfoHash } from "./torrent_table";
import { ANNOUNCE_REQUEST_INFO_HASH, answerDatagram } from "./udp";
import * as socket from "./ws_connection";

/** One shard for so much memory keeps every shard small enough to be rehashed at once. */
const SHARD_SHARE_LOG: u32 = 18;
const SHARD_BITS_MIN: u32 = 6;
const SHARD_BITS_MAX: u32 = 14;
/** Never handed out: room for reads past the last block, and the end stays below 2^32. */
const END_GUARD: u64 = 65536;

/**
 * Carves the memory into regions; once, before any worker starts. The settings, keys and texts in
 * the control block are written by the caller.
 * @param memoryPages Its size in WebAssembly pages of 64 KiB.
 */
export function init(memoryPages: u32): void {
  const end = <u32> ((<u64> memoryPages << 16) - END_GUARD);
  const shardBits = min<u32>(
    max<u32>(32 - clz<u32>(end >> SHARD_SHARE_LOG), SHARD_BITS_MIN),
    SHARD_BITS_MAX,
  );
  const shards = HTTP_TEXTS + HTTP_TEXT_COUNT_MAX * HTTP_TEXT_SIZE;
  const pageBits = shards + (SHARD_SIZE << shardBits);
  const bitWordCount = (end / PAGE_SIZE + 63) >> 6;
  const arena = (pageBits + (bitWordCount << 3) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
  const pageCount = (end - arena) / PAGE_SIZE;
  store<u32>(CONTROL_SHARD_BITS, shardBits);
  store<u32>(CONTROL_SHARDS, shards);
  store<u32>(CONTROL_PAGE_BITS, pageBits);
  store<u32>(CONTROL_ARENA, arena);
  store<u32>(CONTROL_PAGE_COUNT, pageCount);
  store<u32>(CONTROL_RULES, CONTROL_EMPTY_RULES);
  // What the last words of the bitmap hold beyond the pages counts as taken.
  for (let page = pageCount; page < bitWordCount << 6; ++page) {
    const ptr = pageBits + ((page >> 6) << 3);
    store<u64>(ptr, load<u64>(ptr) | (<u64> 1) << (page & 63));
  }
}

/**
 * Gives a worker its number and buffers; called by the worker itself. One that takes the place of a
 * dead worker keeps that one's buffers and counters.
 * @param batchSize Datagrams at once; 0 for a worker that receives none.
 * @returns `OK` or `FULL`.
 */
export function startWorker(index: u32, batchSize: u32): i32 {
  const worker = workerPtr(index);
  if (load<u32>(worker, WORKER_NUMBER) != 0) {
    recoverFrom.recover(worker);
    store<u32>(worker, 0, WORKER_BEATS);
  }
  store<u32>(worker, index + 1, WORKER_NUMBER);
  store<u32>(worker, 0, WORKER_BATCH);
  if (batchSize == 0 || load<u32>(worker, WORKER_IN) != 0) return OK;
  const input = take(worker, batchSize * DATAGRAM_IN_SIZE);
  const output = take(worker, batchSize * DATAGRAM_OUT_SIZE);
  const io = take(worker, batchSize * (2 * MMSGHDR_SIZE + IO_SLOT_SIZE));
  if (input == 0 || output == 0 || io == 0) return FULL;
  store<u32>(worker, input, WORKER_IN);
  store<u32>(worker, output, WORKER_OUT);
  store<u32>(worker, io, WORKER_IO);
  store<u32>(worker, batchSize, WORKER_BATCH_SIZE);
  return OK;
}

/** Clears up after a trap of the worker; called by the worker itself. */
export function recover(index: u32): void {
  recoverFrom.recover(workerPtr(index));
}

/**
 * Answers the datagram in a slot of the worker's input, sent from its ADDRESS record.
 * @param slot 0…batch size-1.
 * @returns Bytes in the same slot of the output; 0: no answer.
 */
export function answerOne(index: u32, slot: u32, byteLength: u32): u32 {
  const worker = workerPtr(index);
  const input: usize = load<u32>(worker, WORKER_IN) + slot * DATAGRAM_IN_SIZE;
  if (byteLength >= <u32> DATAGRAM_IN_SIZE) {
    // It filled its slot to the end, so more may have been cut off.
    count(worker, COUNT_DROP_TRUNCATED);
    return 0;
  }
  enterBatch(worker);
  const answerLength = answerDatagram(
    worker,
    rules.currentRules(),
    worker + WORKER_ADDRESS,
    input,
    byteLength,
    hashInfoHash(input + ANNOUNCE_REQUEST_INFO_HASH),
    load<u32>(worker, WORKER_OUT) + slot * DATAGRAM_OUT_SIZE,
  );
  leaveBatch(worker);
  return answerLength;
}

/** Lays out the worker's message headers (native driver); WORKER_HOST_BASE is set. */
export function prepareBatch(index: u32): void {
  native.prepareBatch(workerPtr(index));
}

/** Answers what recvmmsg received; returns how many send headers are filled (native driver). */
export function answerBatch(index: u32, socketIndex: u32, datagramCount: u32): u32 {
  const worker = workerPtr(index);
  enterBatch(worker);
  const answerCount = native.answerBatch(worker, rules.currentRules(), socketIndex, datagramCount);
  leaveBatch(worker);
  return answerCount;
}

/**
 * The connection behind this one, or the first where it is 0, that a worker which died had open; 0
 * at the end. Its sockets are gone with it: `closeConnection` or `letGo` follows.
 */
export function nextLeft(index: u32, connection: u32): u32 {
  return connections.nextOpen(workerPtr(index), connection);
}

/** Gives up a connection of a dead worker that cannot be closed. */
export function letGo(index: u32, connection: u32): void {
  reclaim.letGo(workerPtr(index), connection);
}

/**
 * Gives an HTTP worker its connections; `OK` or `FULL`. `startWorker` came before, and what a dead
 * worker had open in its place is closed.
 */
export function startConnections(index: u32, slotCount: u32, sliceCountMax: u32): i32 {
  const worker = workerPtr(index);
  store<u32>(worker, SERVES_HTTP, WORKER_SERVES);
  return connections.startConnections(worker, slotCount, sliceCountMax);
}

/**
 * Makes such a worker serve WebTorrent as well; `OK` or `FULL`. `startConnections` came before.
 * @param serves SERVES_* bits.
 * @param messageBytesMax What all unfinished messages of its connections may take.
 */
export function startWebSockets(index: u32, serves: u32, messageBytesMax: u32): i32 {
  store<u32>(workerPtr(index), serves, WORKER_SERVES);
  return connections.startWebSockets(workerPtr(index), messageBytesMax);
}

/** The next connection whose outbox has something to send, or which ends; 0 for none. */
export function nextReady(index: u32): u32 {
  return outbox.nextReady(workerPtr(index));
}

/** Bytes in a row that are to be sent from a connection's outbox; 0 for none. */
export function outboxSpan(index: u32, connection: u32): u32 {
  return outbox.waiting(workerPtr(index), connection);
}

/** So many bytes of them were sent. */
export function outboxSent(index: u32, connection: u32, byteLength: u32): void {
  outbox.sent(workerPtr(index), connection, byteLength);
}

/** Sends a ping; 0 where nothing has come since the last one. */
export function pingSocket(index: u32, connection: u32): u32 {
  return <u32> socket.ping(workerPtr(index), connection);
}

/** Ends a WebSocket connection with a close frame. */
export function endSocket(index: u32, connection: u32, code: u32): void {
  socket.end(workerPtr(index), connection, code, ENDING_LINGER);
}

/** The record of a new connection from the worker's ADDRESS record; 0 where there is no room. */
export function openConnection(index: u32): u32 {
  return connections.openConnection(workerPtr(index));
}

/** Gives a connection's memory back; nothing reads or writes it any more. */
export function closeConnection(index: u32, connection: u32): void {
  if (load<u32>(connection, CONNECTION_PHASE) == PHASE_WEBSOCKET) {
    socket.closeSocket(workerPtr(index), connection);
  }
  connections.closeConnection(workerPtr(index), connection);
}

/** Answers what was received; returns the bytes to send from the connection's output. */
export function receiveHttp(index: u32, connection: u32, byteLength: u32): u32 {
  const worker = workerPtr(index);
  enterBatch(worker);
  const answerLength = http.receive(worker, rules.currentRules(), connection, byteLength);
  leaveBatch(worker);
  return answerLength;
}

/** Goes on once the output was sent; returns the bytes to send next. */
export function resumeHttp(index: u32, connection: u32): u32 {
  const worker = workerPtr(index);
  enterBatch(worker);
  const answerLength = http.resume(worker, rules.currentRules(), connection);
  leaveBatch(worker);
  return answerLength;
}

/** Ends a connection that is too slow; returns the bytes to send before. */
export function timeOutHttp(index: u32, connection: u32): u32 {
  return http.timeOut(workerPtr(index), connection);
}

/** Ends a connection that is one too many; returns the bytes to send before. */
export function turnAwayHttp(index: u32, connection: u32): u32 {
  return http.turnAway(workerPtr(index), connection);
}

/** Whether an address is a trusted proxy's: the worker's ADDRESS record. */
export function isTrustedProxy(index: u32): u32 {
  const worker = workerPtr(index);
  // In a batch, as a reload frees the ranges that were in force.
  enterBatch(worker);
  const isProxy = isTrusted(worker + WORKER_ADDRESS);
  leaveBatch(worker);
  return <u32> isProxy;
}

/** Whether the access rules deny the client in the worker's ADDRESS record. */
export function isDeniedClient(index: u32): u32 {
  const worker = workerPtr(index);
  enterBatch(worker);
  const isDenied = rules.isDenied(rules.currentRules(), worker + WORKER_ADDRESS);
  leaveBatch(worker);
  return <u32> isDenied;
}

/** Makes the ranges of these rules the trusted proxies; returns the rules before, or 0. */
export function swapProxies(rulesPtr: u32): u32 {
  return rules.swapProxies(rulesPtr);
}

export function shardCount(): u32 {
  return sweep.shardCount();
}

/** Sweeps the next part of a shard; 1 when there is more of it. */
export function sweepStep(index: u32, shardIndex: u32): u32 {
  const worker = workerPtr(index);
  enterBatch(worker);
  const isMore = sweep.sweepStep(worker, rules.currentRules(), shardIndex);
  leaveBatch(worker);
  return <u32> isMore;
}

/** Begins new access rules; returns their address, or 0 when memory is full. */
export function beginRules(
  index: u32,
  mode: u32,
  hashCountMax: u32,
  ipv4Count: u32,
  ipv6Count: u32,
): u32 {
  return rules.beginRules(workerPtr(index), mode, hashCountMax, ipv4Count, ipv6Count);
}

/** Reads the next piece of the list at `ptr`, 0 bytes at its end; `OK` or `BAD_LINE`. */
export function readRules(rulesPtr: u32, ptr: u32, byteLength: u32): i32 {
  return rules.readRules(rulesPtr, ptr, byteLength);
}

/** Takes room for the details of entries; returns its address, or 0 when memory is full. */
export function beginDetails(index: u32, rulesPtr: u32, count: u32, byteLength: u32): u32 {
  return details.beginDetails(workerPtr(index), rulesPtr, count, byteLength);
}

/** Puts rules in force; returns the ones before. */
export function swapRules(rulesPtr: u32): u32 {
  return rules.swapRules(rulesPtr);
}

/** Gives the memory of rules back that nobody holds. */
export function dropRules(index: u32, rulesPtr: u32): void {
  if (rulesPtr != CONTROL_EMPTY_RULES && rulesPtr != 0) rules.dropRules(workerPtr(index), rulesPtr);
}

function workerPtr(index: u32): usize {
  return WORKERS + index * WORKER_SIZE;
}

/** From here on the worker may hold the rules in force (access_rules.ts). */
function enterBatch(worker: usize): void {
  atomic.store<u32>(worker, load<u32>(worker, WORKER_BATCH) + 1, WORKER_BATCH);
  store<u32>(worker, load<u32>(worker, WORKER_HEARTBEAT) + 1, WORKER_HEARTBEAT);
}

function leaveBatch(worker: usize): void {
  atomic.store<u32>(worker, load<u32>(worker, WORKER_BATCH) + 1, WORKER_BATCH);
}

if (WORKER_SIZE < 4096 || ANNOUNCE_SIZE != 128) ERROR("The worker's record and its parts disagree");
