/**
 * A worker that serves connections: raw sockets, one accept loop for each address. What is spoken
 * on them is the protocol's own program.
 *
 * A read fills the connection's input in the core's memory, one call answers every whole request in
 * it, one write sends the answers from there. The worker may listen on its addresses and do nothing
 * else. A timer looks at all connections once a second; no connection has one of its own.
 */
import type { TlsKeyPair } from "../certificate.ts";
import type { SocketAddress } from "../config/address.ts";
import { startHeartbeat } from "../heartbeat.ts";
import { serveWorker } from "../pool.ts";
import type { HttpCore } from "../../wasm/http_core.ts";
import { LatencyRecorder } from "../../wasm/latency.ts";
import type { SharedCore } from "../../wasm/memory.ts";
import { Acceptor } from "./acceptor.ts";
import { Client, type TimeLimits } from "./client_connection.ts";
import { type Admission, ConnectionLimits, type Limits } from "./connection_limits.ts";
import { DenoDriver } from "./deno_driver.ts";
import type { Connected, Driver, Listening } from "./driver.ts";
import { NativeDriver } from "./native_driver.ts";

/** What every such worker is started with; limits are its share of what the process may have. */
export interface TcpWorkerStart extends Limits, TimeLimits {
  core: SharedCore;
  workerIndex: number;
  io: "deno" | "native";
  addresses: SocketAddress[];
  /** Absent: no TLS. */
  tls?: TlsKeyPair;
}

/** What a reload changes. */
export interface TcpWorkerChange {
  limits: Limits & TimeLimits;
  /** Absent: the certificate is as it was. */
  tls?: TlsKeyPair;
}

/** What a protocol does in such a worker. */
export interface TcpProgram<TStart extends TcpWorkerStart, TCore extends HttpCore> {
  /** A PROTOCOL_* number: whose requests are timed. */
  protocolOf(start: TStart): number;
  createCore(start: TStart): TCore;
  createClient(
    core: TCore,
    conn: Connected,
    about: { admission: Admission; start: TStart },
  ): Client;
  /** Begins what goes on besides connections, before the first of them. */
  begin?(core: TCore, driver: Driver): void;
}

/** Slices of 32 KiB at the most: requests that are unfinished, answers that are not sent. */
export const SLICES_MAX = 1024;
const TICK_MILLISECONDS = 1_000;
const DRAIN_TICK_MILLISECONDS = 25;
const DRAIN_READ_MILLISECONDS = 100;
/** Less than the pool waits. */
const DRAIN_MILLISECONDS = 800;

/** The addresses that are no UNIX sockets. */
let ports: SocketAddress[];
let core: HttpCore;
let driver: Driver;
let admit: (conn: Connected, admission: Admission) => Client;
let limits: ConnectionLimits;
let shared: Limits & TimeLimits;
/** Of UNIX sockets: they have no TLS, and none can be bound beside another. */
let unixAcceptors: Acceptor[] = [];
/** Of ports; while others take over, those that they relieve as well. */
let acceptors: Acceptor[] = [];
let ticker: ReturnType<typeof setInterval>;
let isStopping = false;
const clients: Client[] = [];

/** Accepts at these addresses: at all, or at none. @throws StartError */
function listen(served: readonly SocketAddress[], tls: TlsKeyPair | undefined): Acceptor[] {
  const opened: Listening[] = [];
  try {
    for (const address of served) opened.push(driver.listen(address, tls));
  } catch (error) {
    opened.forEach((listener) => listener.close());
    throw error;
  }
  const fresh = opened.map((listener) => new Acceptor(listener, begin));
  for (const acceptor of fresh) acceptor.run().catch(endProcess);
  return fresh;
}

/** A fault must end the process, not vanish in a promise. */
function endProcess(error: unknown): void {
  queueMicrotask(() => reportError(error));
}

/** Takes a connection in, or turns it away. */
function begin(conn: Connected): void {
  const admission = limits.admit({ isIpv6: driver.tellSender(core, conn) });
  if (admission === "denied") {
    conn.close();
    return;
  }
  const client = admit(conn, admission);
  client.index = clients.length;
  clients.push(client);
  client.serve();
}

/** A client's connection has ended. */
function leave(client: Client): void {
  const last = clients.pop()!;
  if (last !== client) {
    clients[client.index] = last;
    last.index = client.index;
  }
  limits.release(client.admission);
}

/** Answers what has begun, within the bound; then everything ends. */
async function drain(): Promise<void> {
  const deadline = performance.now() + DRAIN_MILLISECONDS;
  Client.beginDrain();
  await Promise.all([
    ...[...unixAcceptors, ...acceptors].map((acceptor) => acceptor.relieve()),
    // What was sent before the end is read first.
    new Promise((resolve) => setTimeout(resolve, DRAIN_READ_MILLISECONDS)),
  ]);
  for (const client of clients) client.closeIfIdle();
  while (clients.length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, DRAIN_TICK_MILLISECONDS));
  }
  for (const client of clients) client.close();
}

/** Runs a worker with this program; the last line of the worker's file. */
export function serveTcp<TStart extends TcpWorkerStart, TCore extends HttpCore>(
  program: TcpProgram<TStart, TCore>,
): void {
  serveWorker<TStart, TcpWorkerChange>({
    start(given) {
      const own = program.createCore(given);
      const { workerIndex } = given;
      core = own;
      const protocol = program.protocolOf(given);
      const { addresses } = given;
      shared = given; // whoever looks at the limits looks here
      driver = given.io === "native"
        ? new NativeDriver({ addresses, endProcess })
        : new DenoDriver({ endProcess });
      admit = (conn, admission) => program.createClient(own, conn, { admission, start: given });
      limits = new ConnectionLimits(core, given);
      startHeartbeat(core.memory, workerIndex);
      const latency = new LatencyRecorder(given.core, { workerIndex, protocol });
      Client.prepare(core, { latency, leave, endProcess });
      program.begin?.(own, driver);
      ticker = setInterval(tick, TICK_MILLISECONDS);
      unixAcceptors = listen(addresses.filter((address) => "path" in address), undefined);
      ports = addresses.filter((address) => !("path" in address));
      acceptors = listen(ports, given.tls);
    },
    /** New listeners with another certificate take over; connections go on with what they have. */
    async answer({ limits, tls }) {
      const before = tls === undefined ? [] : [...acceptors];
      if (tls !== undefined) acceptors.push(...listen(ports, tls));
      Object.assign(shared, limits);
      await Promise.all(before.map((acceptor) => acceptor.relieve()));
      acceptors = acceptors.filter((acceptor) => !before.includes(acceptor));
    },
    async stop() {
      if (isStopping) return;
      isStopping = true;
      await drain();
      clearInterval(ticker);
      driver.stop();
    },
  });
}

function tick(): void {
  ++Client.now;
  for (const client of clients) {
    if (client.deadline <= Client.now) client.expire().catch(endProcess);
  }
}
